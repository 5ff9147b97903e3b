"""The stack of `make dev` on free ports. It stops with the process that started it."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# pytest-xdist runs the tests in several processes, each with its own stack.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
OUTPUT = ROOT / "target" / "browser" / WORKER
PORTS = ["API_PORT", "SANDBOX_PORT", "DYNAMODB_PORT", "SECRETS_PORT", "SQS_PORT"]
PATIENCE = 180


class Stack:
    def __init__(self, limits="lifted"):
        """With `limits="deployed"`, the limits by client IP and range, the budgets and the breaker apply as in a deployment."""
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self._log = OUTPUT / f"stack-{limits}.log"
        self.clock = Clock(OUTPUT / f"clock-offset-{limits}")
        *free, self.shop_port = _free_ports(len(PORTS) + 1)
        ports = dict(zip(PORTS, free))
        self.site = f"http://localhost:{ports['API_PORT']}"
        self.sandbox = f"http://localhost:{ports['SANDBOX_PORT']}"
        # Another site, whose pages may call the API. Nothing listens there until a test does.
        self.shop = f"http://127.0.0.1:{self.shop_port}"
        environment = {
            **os.environ,
            **{name: str(port) for name, port in ports.items()},
            "DATA": "memory",
            "LIMITS": limits,
            "ALLOWED_ORIGINS": self.shop,
            "RELOAD": "off",
            "CONCURRENCY": "2",
            "UNTIL_STDIN_CLOSES": "1",
            "CLOCK_OFFSET_FILE": str(self.clock.file),
            "IAM": "enforced",
            "IAM_TEMPLATE": str(_expanded_template()),
            "IAM_USAGE": str(ROOT / f"target/iam-usage/browser-{WORKER}-{limits}.jsonl"),
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [ROOT / "target/debug/twostep-local"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.admin_key = self._wait_for(r"Admin key +(\S+)")

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _wait_for(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = re.search(pattern, self._log.read_text(errors="replace"))
            if found:
                return found[1]
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"the stack did not start, see {self._log}")


class Clock:
    """The functions' clock. A file contains its offset in seconds."""

    def __init__(self, file):
        self.file = file
        self.ahead = 0
        self._write()

    def advance(self, seconds):
        self.ahead += seconds
        self._write()

    def _write(self):
        # Atomically, because a function can read the file at any time.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(self.ahead))
        fresh.replace(self.file)


def _expanded_template():
    """The template as SAM expands it, in a file: what the stack reads the functions' roles from."""
    command = [ROOT / ".venv/bin/python", ROOT / "tests/expand_template.py", ROOT / "template.yaml"]
    file = OUTPUT / "expanded-template.json"
    file.write_bytes(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return file


def _free_ports(count):
    # Bind all ports at once, so that they differ.
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports

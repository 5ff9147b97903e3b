"""Imports users from a file of newline-delimited JSON.

    python3 scripts/import_users.py users.ndjson --api https://auth.example.com

The admin key comes from the environment variable TWOSTEP_ADMIN_KEY, or the script asks for it. docs/migrate.md says what a line holds and
how to make one from other software's export.

It can be interrupted and run again: it continues after the last lines that were answered (FILE.state keeps the place), and importing a line
again changes nothing. Lines that can't be imported go to FILE.failed.ndjson, each with its number and the reason, so that they can be
mended and imported. The memory that it takes doesn't depend on the file.
"""

import argparse
import getpass
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

# What one request may hold. Source: docs/openapi.yaml, `importUsers`.
MOST_LINES = 200
MOST_BYTES = 1024 * 1024
ATTEMPTS = 12
LONGEST_WAIT = 60


class Refused(Exception):
    """The service refuses every request, for a reason that waiting doesn't change."""


class Batch:
    """Lines for one request, with their numbers in the file. `end` is where the next line begins."""

    def __init__(self, lines, end):
        self.lines = lines
        self.end = end

    def body(self):
        return b"".join(text for _, text in self.lines)


def batches(file, first_line, place):
    """Reads batches from `place`, where line `first_line` begins. A line that no request can hold is given as one of its own."""
    lines, size, number = [], 0, first_line
    for text in file:
        start, place = place, place + len(text)
        ended = text if text.endswith(b"\n") else text + b"\n"
        # The service counts no empty line, and its numbers would differ from ours.
        if text.strip() and (len(lines) == MOST_LINES or size + len(ended) > MOST_BYTES) and lines:
            yield Batch(lines, (number, start))
            lines, size = [], 0
        if text.strip():
            lines.append((number, ended))
            size += len(ended)
        number += 1
    if lines:
        yield Batch(lines, (number, place))


class Api:
    def __init__(self, address, key, sleep=time.sleep):
        self.address = f"{address.rstrip('/')}/v1/admin/users/import"
        self.key = key
        self.sleep = sleep

    def send(self, batch):
        """The outcome of each line: (number, text, code), the code being None for an imported one."""
        if len(batch.lines) == 1 and len(batch.lines[0][1]) > MOST_BYTES:
            return [(*batch.lines[0], "too_long")]
        # The service trims lines and numbers them from 1, so each result belongs to a line of ours.
        results = {result["line"]: result.get("code") for result in self.post(batch.body())["results"]}
        outcomes = [(number, text, results.get(index)) for index, (number, text) in enumerate(batch.lines, start=1)]
        again = [outcome for outcome in outcomes if outcome[2] == "temporarily_unavailable"]
        if again:
            self.sleep(1)
            lines = [(number, text) for number, text, _ in again]
            repeated = {number: code for number, _, code in self.send(Batch(lines, batch.end))}
            outcomes = [(number, text, repeated.get(number, code)) for number, text, code in outcomes]
        return outcomes

    def post(self, body):
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/x-ndjson"}
        for attempt in range(ATTEMPTS):
            try:
                with urlopen(Request(self.address, data=body, headers=headers, method="POST"), timeout=60) as answer:
                    return json.load(answer)
            except HTTPError as error:
                text = error.read().decode(errors="replace")
                if error.code not in (429, 500, 502, 503, 504):
                    raise Refused(f"{error.code}: {text}") from None
                pause = float(error.headers.get("retry-after") or 2**attempt)
            except (URLError, TimeoutError, ConnectionError):
                pause = 2**attempt
            self.sleep(min(pause, LONGEST_WAIT))
        raise Refused(f"{self.address} doesn't answer.")


class State:
    """Where the next run continues: the number of a line and its place in the file."""

    def __init__(self, path):
        self.path = path

    def read(self):
        if not self.path.exists():
            return 1, 0
        state = json.loads(self.path.read_text())
        return state["line"], state["place"]

    def write(self, line, place):
        fresh = self.path.with_suffix(f"{self.path.suffix}.new")
        fresh.write_text(json.dumps({"line": line, "place": place}))
        fresh.replace(self.path)


def run(path, api, at_once, progress):
    """Imports the file and gives the count of each outcome. Batches are written down in the order of the file."""
    state, failed = State(Path(f"{path}.state")), Path(f"{path}.failed.ndjson")
    line, place = state.read()
    outcomes = Counter()
    size = path.stat().st_size
    with path.open("rb") as file, failed.open("ab" if place else "wb") as failures, ThreadPoolExecutor(at_once) as pool:
        file.seek(place)
        if place == 0 and file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        running = []
        try:
            for batch in batches(file, line, file.tell()):
                running.append((batch, pool.submit(api.send, batch)))
                while len(running) >= 2 * at_once or (running and running[0][1].done()):
                    finish(running.pop(0), outcomes, failures, state, size, progress)
            while running:
                finish(running.pop(0), outcomes, failures, state, size, progress)
        finally:
            pool.shutdown(cancel_futures=True)
    return outcomes


def finish(job, outcomes, failures, state, size, progress):
    batch, future = job
    for number, text, code in future.result():
        outcomes[code] += 1
        if code:
            failures.write(json.dumps({"line": number, "code": code, "text": text.decode(errors="replace").rstrip("\n")}).encode() + b"\n")
    failures.flush()
    state.write(*batch.end)
    progress(batch.end[1], size, outcomes)


def bar(started=None):
    """Draws the progress on a terminal."""
    started = time.monotonic() if started is None else started

    def draw(place, size, outcomes):
        done = place / size if size else 1
        total = sum(outcomes.values())
        rate = total / max(time.monotonic() - started, 0.001)
        filled = "#" * int(30 * done)
        print(f"\r[{filled:<30}] {done:4.0%}  {total} lines, {total - outcomes[None]} failed, {rate:.0f}/s ", end="", file=sys.stderr, flush=True)

    return draw


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--api", required=True, help="the address of the service")
    parser.add_argument("--at-once", type=int, default=4, help="requests at the same time")
    chosen = parser.parse_args()
    key = os.environ.get("TWOSTEP_ADMIN_KEY") or getpass.getpass("Admin key: ")
    try:
        outcomes = run(chosen.file, Api(chosen.api, key), chosen.at_once, bar())
    except OSError as error:
        sys.exit(f"{error}")
    except Refused as error:
        sys.exit(f"\n{error}\nRun the same command again to continue.")
    print(file=sys.stderr)
    print(f"{outcomes.pop(None, 0)} users imported.")
    for code, count in sorted(outcomes.items()):
        print(f"{count} lines failed: {code}")
    if outcomes:
        sys.exit(f"The lines that failed are in {chosen.file}.failed.ndjson.")


if __name__ == "__main__":
    main()

"""Registers at the example and signs in with both steps, as a browser would."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

ISSUER, INBOX, ADMIN_KEY = (os.environ[name] for name in ("ISSUER", "INBOX", "ADMIN_KEY"))
PHONE = "+14155552671"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def code():
    for _ in range(300):
        messages = requests.get(INBOX, params={"to": PHONE}, headers={"Accept": "application/json"}, timeout=30).json()
        if messages:
            return messages[0]["content"][-6:]
        time.sleep(0.1)
    raise AssertionError("no message")


port = free_port()
site = f"http://localhost:{port}"
client = requests.post(
    f"{ISSUER}/v1/admin/clients",
    json={"name": "Shop server", "kind": "server"},
    headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    timeout=30,
).json()
environment = {
    **os.environ,
    "TWOSTEP": ISSUER,
    "CLIENT_ID": client["client_id"],
    "CLIENT_SECRET": client["client_secret"],
    "PORT": str(port),
}
# A group of its own, because `node` can be a script that starts the program.
server = subprocess.Popen(["node", "server.js"], cwd=Path(__file__).parent, env=environment, start_new_session=True)
try:
    browser = requests.Session()
    for _ in range(300):
        try:
            browser.get(f"{site}/", timeout=30)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    account = {"email": "ada@example.com", "password": "correct horse battery staple"}
    browser.post(f"{site}/register", data={**account, "phone": PHONE}, timeout=30).raise_for_status()
    wrong = browser.post(f"{site}/login", data={**account, "password": "wrong"}, timeout=30)
    assert wrong.status_code == 401, wrong.text
    assert browser.get(f"{site}/code", timeout=30).url == f"{site}/", "the password comes first"
    asked = browser.post(f"{site}/login", data=account, timeout=30)
    assert asked.url == f"{site}/code", asked.text
    right = code()
    wrong = browser.post(f"{site}/code", data={"code": "000000" if right != "000000" else "000001"}, timeout=30)
    assert wrong.status_code == 401 and "incorrect" in wrong.text, wrong.text
    home = browser.post(f"{site}/code", data={"code": right}, timeout=30)
    assert "You are signed in as ada@example.com" in home.text, home.text
    assert "signed in" not in requests.get(f"{site}/", timeout=30).text, "only this browser"
finally:
    os.killpg(server.pid, signal.SIGTERM)
    server.wait()
print("the example works")

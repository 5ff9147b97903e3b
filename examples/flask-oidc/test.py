"""Signs a user in to the example and out again, as a browser would."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

ISSUER, ADMIN_KEY = os.environ["ISSUER"], os.environ["ADMIN_KEY"]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


site = f"http://localhost:{free_port()}"
client = requests.post(
    f"{ISSUER}/v1/admin/clients",
    json={
        "name": "Shop",
        "kind": "web",
        "redirect_uris": [f"{site}/callback"],
        "post_logout_redirect_uris": [f"{site}/"],
    },
    headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    timeout=30,
).json()
environment = {**os.environ, "CLIENT_ID": client["client_id"], "CLIENT_SECRET": client["client_secret"]}
command = [sys.executable, "-m", "flask", "run", "--port", site.rsplit(":", 1)[1]]
server = subprocess.Popen(command, cwd=Path(__file__).parent, env=environment)
try:
    browser = requests.Session()
    for _ in range(300):
        try:
            home = browser.get(f"{site}/", timeout=30)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    assert "Sign in" in home.text, home.text
    asked = browser.get(f"{site}/login", timeout=30)
    assert asked.url.startswith(f"{ISSUER}/login?continue="), asked.url

    # The user registers on the way.
    email = f"ada-{time.time_ns()}@example.com"
    body = {"name": "Ada Lovelace", "email": email, "password": "correct horse battery staple"}
    headers = {"X-Session": "cookie", "Origin": ISSUER}
    browser.post(f"{ISSUER}/v1/register/password", json=body, headers=headers, timeout=30).raise_for_status()
    pending = requests.utils.urlparse(asked.url).query.split("continue=")[1].split("&")[0]
    home = browser.get(f"{ISSUER}/oauth/authorize?request={pending}", timeout=30)
    assert (home.url, f"Hello, Ada Lovelace ({email})" in home.text) == (f"{site}/", True), (home.url, home.text)
    assert browser.get(f"{site}/callback?code=x&state=forged", timeout=30).status_code == 400

    home = browser.post(f"{site}/logout", timeout=30)
    assert (home.url, "Sign in" in home.text) == (f"{site}/", True), (home.url, home.text)
    assert browser.get(f"{site}/login", timeout=30).url.startswith(f"{ISSUER}/login?"), "the session has ended"
finally:
    server.terminate()
    server.wait()
print("the example works")

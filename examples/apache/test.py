"""Signs a user in at a real Apache with the example's configuration, refreshes, and signs out, as a browser would."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import requests

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "tests"))

import apache  # noqa: E402

ISSUER, ADMIN_KEY = os.environ["ISSUER"], os.environ["ADMIN_KEY"]
MODULES = ["mpm_event", "unixd", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http", "auth_openidc"]


class Behind(BaseHTTPRequestHandler):
    """A site without a sign-in of its own: shows who Apache says it is."""

    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


program, modules = apache.find()
behind = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
threading.Thread(target=behind.serve_forever, daemon=True).start()
port = free_port()
site = f"http://localhost:{port}"
client = requests.post(
    f"{ISSUER}/v1/admin/clients",
    json={
        "name": "Intranet",
        "kind": "web",
        "redirect_uris": [f"{site}/oidc/callback"],
        "post_logout_redirect_uris": [f"{site}/"],
    },
    headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    timeout=30,
).json()

configuration = (HERE / "twostep.conf").read_text()
for name, value in {
    "ISSUER": ISSUER,
    "CLIENT_ID": client["client_id"],
    "CLIENT_SECRET": client["client_secret"],
    "PASSPHRASE": secrets.token_hex(32),
    "PORT": port,
    "BEHIND": f"http://127.0.0.1:{behind.server_port}",
}.items():
    configuration, found = re.subn(rf"(?m)^Define {name} .*$", f"Define {name} {value}", configuration)
    assert found == 1, name

folder = Path(tempfile.mkdtemp(prefix="apache-"))
folder.chmod(0o755)
# Modules that are missing are part of the program.
files = {name: Path(modules, f"mod_{name}.so") for name in MODULES}
loads = [f"LoadModule {name}_module {file}" for name, file in files.items() if file.exists()]
# What a distribution's own configuration has, and what the test looks into.
around = [
    "ServerName localhost",
    f'ServerRoot "{folder}"',
    f'DefaultRuntimeDir "{folder}"',
    "PidFile pid",
    "ErrorLog error.log",
    "LogLevel warn auth_openidc:info",
    *loads,
    *(["User nobody", "Group #65534"] if os.geteuid() == 0 else []),
    "OIDCInfoHook userinfo session",
]
(folder / "httpd.conf").write_text("\n".join([*around, configuration]))
server = subprocess.Popen([program, "-d", folder, "-f", folder / "httpd.conf", "-DFOREGROUND"])


def seen_by_the_site(answer):
    assert answer.status_code == 200 and answer.url == f"{site}/", (answer.url, answer.text)
    return answer.json()


try:
    browser = requests.Session()
    for _ in range(300):
        assert server.poll() is None, "Apache has stopped"
        try:
            asked = browser.get(f"{site}/", headers={"Accept": "text/html"}, timeout=30)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    browser.headers["Accept"] = "text/html"
    assert asked.url.startswith(f"{ISSUER}/login?continue="), (asked.url, asked.text)

    # The user registers on the way.
    email = f"ada-{time.time_ns()}@example.com"
    body = {"name": "Ada Lovelace", "email": email, "password": "correct horse battery staple"}
    headers = {"X-Session": "cookie", "Origin": ISSUER}
    registered = browser.post(f"{ISSUER}/v1/register/password", json=body, headers=headers, timeout=30)
    user = registered.json()["user"]
    pending = asked.url.split("continue=")[1].split("&")[0]
    seen = seen_by_the_site(browser.get(f"{ISSUER}/oauth/authorize?request={pending}", timeout=30))
    assert (seen["oidc_claim_sub"], seen["oidc_claim_email"]) == (user["id"], email), seen
    forged = {"OIDC_CLAIM_email": "admin@example.com", "OIDC-CLAIM-sub": "admin"}
    again = seen_by_the_site(browser.get(f"{site}/", headers=forged, timeout=30))
    assert again == seen, "a browser cannot say who it is"

    # What the userinfo endpoint said is kept apart from the ID token's claims.
    info = browser.get(f"{site}/oidc/callback?info=json", timeout=30).json()
    assert (info["userinfo"]["sub"], info["userinfo"]["name"]) == (user["id"], "Ada Lovelace"), info

    # A refresh gives the site another access token, of the same user.
    used = seen["oidc_access_token"]
    refreshed = browser.get(f"{site}/oidc/callback?refresh={quote(f'{site}/', '')}&access_token={used}", timeout=30)
    seen = seen_by_the_site(refreshed)
    assert seen["oidc_access_token"] != used and seen["oidc_claim_sub"] == user["id"], seen
    bearer = {"Authorization": f"Bearer {seen['oidc_access_token']}"}
    assert requests.get(f"{ISSUER}/oauth/userinfo", headers=bearer, timeout=30).json()["email"] == email

    # After the sign-out, the site asks for another sign-in, and the access token is worth nothing.
    asked = browser.get(f"{site}/oidc/callback?logout={quote(f'{site}/', '')}", timeout=30)
    visited = [each.url.split("?")[0] for each in asked.history]
    assert f"{ISSUER}/oauth/logout" in visited and f"{site}/" in visited, visited
    assert asked.url.startswith(f"{ISSUER}/login?"), asked.url
    assert requests.get(f"{ISSUER}/oauth/userinfo", headers=bearer, timeout=30).status_code == 401
except BaseException:
    log = folder / "error.log"
    print(log.read_text() if log.exists() else "Apache has no log", file=sys.stderr)
    raise
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(folder)
print("the example works")

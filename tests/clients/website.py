"""What the client libraries' tests share: a user with a session, a registered client, and a browser that doesn't follow redirects."""

import os
import time

import requests

ISSUER = os.environ["ISSUER"]
ADMIN_KEY = os.environ["ADMIN_KEY"]
REDIRECT_URI = "https://shop.example/callback"
AFTER_LOGOUT = "https://shop.example/bye"


def register_client(kind):
    """The client's ID and secret."""
    body = {"name": "Shop", "kind": kind, "redirect_uris": [REDIRECT_URI], "post_logout_redirect_uris": [AFTER_LOGOUT]}
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    answer = requests.post(f"{ISSUER}/v1/admin/clients", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    client = answer.json()
    return client["client_id"], client.get("client_secret")


class Browser:
    """A browser with a session on the service's own pages."""

    def __init__(self):
        self.email = f"ada-{os.getpid()}-{time.time_ns()}@example.com"
        body = {"name": "Ada Lovelace", "email": self.email, "password": "correct horse battery staple"}
        headers = {"X-Session": "cookie", "Origin": ISSUER}
        self.session = requests.Session()
        answer = self.session.post(f"{ISSUER}/v1/register/password", json=body, headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text
        self.user = answer.json()["user"]

    def goes_to(self, url):
        """The address that the service sends the browser to."""
        answer = self.session.get(url, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, (answer.status_code, answer.text)
        return answer.headers["Location"]

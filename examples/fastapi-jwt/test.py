"""Calls the API with tokens of the service, and with tokens of an issuer of the test's own that each have one thing wrong."""

import base64
import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER, ADMIN_KEY = os.environ["ISSUER"], os.environ["ADMIN_KEY"]
HERE = Path(__file__).parent


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Api:
    """The example, for tokens of one issuer."""

    def __init__(self, issuer, audience="twostep"):
        port = free_port()
        self.address = f"http://127.0.0.1:{port}/orders"
        environment = {**os.environ, "ISSUER": issuer, "AUDIENCE": audience}
        command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
        self.server = subprocess.Popen(command, cwd=HERE, env=environment)

    def wait(self):
        for _ in range(300):
            try:
                return requests.get(self.address, timeout=30)
            except requests.ConnectionError:
                assert self.server.poll() is None, "the API has stopped"
                time.sleep(0.1)
        raise AssertionError("the API did not start")

    def call(self, token):
        return requests.get(self.address, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def refuses(self, token, why):
        answer = self.call(token)
        expected = (401, 'Bearer error="invalid_token"')
        assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == expected, (why, answer.text)

    def stop(self):
        self.server.terminate()
        self.server.wait()


class Issuer(BaseHTTPRequestHandler):
    """An issuer whose key the test has."""

    def do_GET(self):
        body = json.dumps(DOCUMENTS[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def sign_in(scope):
    """The tokens of a user who signs in to a page."""
    browser = requests.Session()
    email = f"ada-{time.time_ns()}@example.com"
    body = {"name": "Ada Lovelace", "email": email, "password": "correct horse battery staple"}
    headers = {"X-Session": "cookie", "Origin": ISSUER}
    user = browser.post(f"{ISSUER}/v1/register/password", json=body, headers=headers, timeout=30).json()["user"]
    body = {"name": "Shop", "kind": "spa", "redirect_uris": ["https://shop.example/callback"]}
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    client = requests.post(f"{ISSUER}/v1/admin/clients", json=body, headers=headers, timeout=30).json()
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    request = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": "https://shop.example/callback",
        "scope": scope,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    back = browser.get(f"{ISSUER}/oauth/authorize", params=request, allow_redirects=False, timeout=30)
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back.headers["Location"]).query)["code"][0],
        "redirect_uri": "https://shop.example/callback",
        "code_verifier": verifier,
        "client_id": client["client_id"],
    }
    return user["id"], requests.post(f"{ISSUER}/oauth/token", data=form, timeout=30).json()


key, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
own = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
OWN = f"http://127.0.0.1:{own.server_port}"
PUBLIC = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
DOCUMENTS = {
    "/.well-known/openid-configuration": {"issuer": OWN, "jwks_uri": f"{OWN}/keys"},
    "/keys": {"keys": [{**PUBLIC, "kid": "1", "use": "sig", "alg": "RS256"}]},
}
threading.Thread(target=own.serve_forever, daemon=True).start()

user, tokens = sign_in("openid profile")
api, own_api, other_api = Api(ISSUER), Api(OWN), Api(ISSUER, "another API")
try:
    for each in (api, own_api, other_api):
        answer = each.wait()
        assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (401, "Bearer"), "a call without a token"

    # The service's own tokens.
    token = tokens["access_token"]
    answer = api.call(token)
    assert (answer.status_code, answer.json().get("user")) == (200, user), answer.text
    api.refuses(tokens["id_token"], "an ID token")
    other_api.refuses(token, "a token for another API")
    own_api.refuses(token, "a token of another issuer")
    api.refuses("noise", "no JWT at all")
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    richer = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "admin"}).encode()).decode().rstrip("=")
    api.refuses(f"{head}.{richer}.{signature}", "claims that were changed")
    narrow = api.call(sign_in("openid email")[1]["access_token"])
    expected = (403, 'Bearer error="insufficient_scope"')
    assert (narrow.status_code, narrow.headers.get("WWW-Authenticate")) == expected, narrow.text

    # One thing is wrong with each of these.
    now = int(time.time())
    good = {"iss": OWN, "aud": "twostep", "sub": "ada", "iat": now, "nbf": now, "exp": now + 600, "scope": "openid profile"}

    def signed(changes=None, header=None, algorithm="RS256", by=key):
        claims = {name: value for name, value in {**good, **(changes or {})}.items() if value is not None}
        return jwt.encode(claims, by, algorithm, headers={"typ": "at+jwt", "kid": "1", **(header or {})})

    assert own_api.call(signed()).status_code == 200
    assert own_api.call(signed({"scope": "openid profiles"})).status_code == 403
    for why, changes in {
        "another audience": {"aud": "another API"},
        "another issuer": {"iss": ISSUER},
        "expired": {"iat": now - 700, "nbf": now - 700, "exp": now - 100},
        "not valid yet": {"nbf": now + 100},
        "valid forever": {"exp": None},
        "of nobody": {"sub": None},
        "without a scope": {"scope": None},
    }.items():
        own_api.refuses(signed(changes), why)
    own_api.refuses(signed(header={"typ": "JWT"}), "another type")
    own_api.refuses(signed(header={"kid": "2"}), "an unknown key")
    own_api.refuses(signed(by=stranger), "another key of the same name")
    own_api.refuses(signed(by=None, algorithm="none"), "no signature")
    own_api.refuses(signed(algorithm="RS512"), "another algorithm")
    # The public key as the secret of an HMAC. PyJWT doesn't sign that, so it is signed by hand.
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "at+jwt", "kid": "1"}, good)]
    message = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(jwt.algorithms.HMACAlgorithm(hashlib.sha256).sign(message, pem)).rstrip(b"=")
    own_api.refuses((message + b"." + mac).decode(), "a signature with the public key")
finally:
    for each in (api, own_api, other_api):
        each.stop()
print("the example works")

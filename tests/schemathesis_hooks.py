"""Tells schemathesis what the OpenAPI file can't: valid phone numbers, tokens and keys, and the codes in the sandbox's inbox. Adds a
check that the file documents every error code."""

import base64
import itertools
import os
import time

import requests
import schemathesis
import yaml
from hypothesis import strategies as st

API = os.environ["API_URL"]
INBOX = os.environ["INBOX_URL"]
ADMIN_KEY = os.environ["ADMIN_KEY"]

WORDS = ["anchor", "basalt", "cobweb", "dynamo", "ermine", "fjords", "gazebo", "hyssop", "ingots", "jetsam", "kelpie"]

schemathesis.openapi.format("phone", st.integers(2_000_000, 9_999_999).map(lambda number: f"+1415{number}"))
schemathesis.openapi.format("email", st.integers(0, 10**12).map(lambda number: f"visitor{number}@example.com"))
schemathesis.openapi.format("country", st.sampled_from(["US", "ES", "GB"]))
schemathesis.openapi.format("person-name", st.text("Aabcdeéñ", min_size=1, max_size=20))
schemathesis.openapi.format(
    "new-password", st.lists(st.sampled_from(WORDS), min_size=4, max_size=6, unique=True).map(" ".join)
)
schemathesis.openapi.format("recovery-code", st.text("ABCDEFGHJKMNPQRSTVWXYZ0123456789", min_size=16, max_size=16))


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


class Bearer:
    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.auth(refresh_interval=240).apply_to(path_regex="^(/v1/profile|/oauth/userinfo)")
class Account(Bearer):
    """A new two-step account every four minutes, because changes need a sign-in that is at most five minutes old."""

    made = 0
    email = "nobody@example.com"
    password = "correct horse battery staple"
    phone = ""

    def get(self, case, context):
        Account.made += 1
        Account.email = f"owner{os.getpid()}-{Account.made}@example.com"
        Account.password = "correct horse battery staple"
        Account.phone = f"+1415{1_999_999 + 1_000 * Account.made + os.getpid() % 1_000 + 1}"
        body = {"name": "Grace Hopper", "email": Account.email, "password": Account.password}
        token = requests.post(f"{API}/v1/register/password", json=body, timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        body = {"phone": Account.phone}
        challenge = requests.put(f"{API}/v1/profile/phone", json=body, headers=headers, timeout=30).json()
        body = {"code": code_to(Account.phone)}
        answer = requests.post(f"{API}/v1/codes/{challenge['challenge_id']}/verify", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return token


@schemathesis.auth().apply_to(path_regex="^/v1/(settings|admin)")
class Admin(Bearer):
    def get(self, case, context):
        return ADMIN_KEY


class Basic:
    """A client of its own, which no other request changes."""

    def get(self, case, context):
        body = {"name": self.kind, "kind": self.kind}
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        client = requests.post(f"{API}/v1/admin/clients", json=body, headers=headers, timeout=30).json()
        pair = f"{client['client_id']}:{client['client_secret']}"
        return base64.b64encode(pair.encode()).decode()

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Basic {data}"


@schemathesis.auth(refresh_interval=3600).apply_to(path_regex="^/oauth/(token|revoke|introspect)")
class Website(Basic):
    kind = "web"


@schemathesis.auth(refresh_interval=3600).apply_to(path_regex="^/v1/verifications")
class Server(Basic):
    kind = "server"


def new_session():
    """The session of an account that no other call uses."""
    body = {"name": "Grace Hopper", "email": f"leaver{os.getpid()}-{next(NUMBERS)}@example.com", "password": Account.password}
    return requests.post(f"{API}/v1/register/password", json=body, timeout=30).json()


# Challenge ID to phone number.
PHONES = {}
# Unused registration tokens of verified codes.
REGISTRATION_TOKENS = []
# Unused refresh tokens. Some belong to sessions that have ended.
REFRESH_TOKENS = []
NUMBERS = itertools.count()


@schemathesis.hook
def after_call(context, case, response):
    label = case.operation.label
    if response.status_code == 202 and label in ("POST /v1/register/phone", "PUT /v1/profile/phone"):
        PHONES[response.json()["challenge_id"]] = case.body["phone"]
    if response.status_code == 202 and label == "POST /v1/verifications":
        PHONES[response.json()["verification_id"]] = case.body["phone"]
    if response.status_code == 202 and label == "POST /v1/login/password":
        PHONES[response.json()["challenge_id"]] = Account.phone
    if response.status_code == 200 and label.endswith("/verify") and "registration_token" in response.json():
        REGISTRATION_TOKENS.append(response.json()["registration_token"])
    if response.status_code in (200, 201) and label in ("POST /v1/register/complete", "POST /v1/session/refresh"):
        if "refresh_token" in response.json():
            REFRESH_TOKENS.append(response.json()["refresh_token"])
    if response.status_code == 204 and label == "PUT /v1/profile/password":
        Account.password = case.body["new_password"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Replaces values that depend on the service's state. Leaves negative tests unchanged."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    with_cookies = case.headers.get("X-Session") == "cookie"
    if with_cookies:
        case.headers["Origin"] = API
    if case.operation.label == "DELETE /v1/profile":
        # An account of its own: the others are still needed.
        token = new_session()["access_token"]
        case.headers["Authorization"] = f"Bearer {token}"
    if not isinstance(case.body, dict):
        return
    label, body = case.operation.label, case.body
    if label in ("POST /v1/admin/clients", "PATCH /v1/admin/clients/{id}"):
        # A name that consists of spaces and an address that isn't one are refused, which the schema can't express.
        body["name"] = "Shop"
        for field in ("redirect_uris", "post_logout_redirect_uris"):
            body.pop(field, None)
            if body.get("kind") != "server" and label.startswith("POST"):
                body[field] = ["https://shop.example/callback"]
    if label == "POST /v1/verifications":
        body["end_user_ip"] = "203.0.113.7"
        if body.get("reference"):
            body["reference"] = "order 7"
    if label.startswith("POST /oauth/"):
        # The client is in the header already.
        for field in ("client_id", "client_secret"):
            body.pop(field, None)
    if label == "POST /v1/verifications/{id}/check":
        phone = PHONES.get(case.path_parameters.get("id"))
        if phone and (code := code_to(phone)):
            body["code"] = code
    if with_cookies and label.startswith("POST /v1/session/"):
        body.clear()
    if with_cookies:
        body.pop("device_token", None)
    if label == "POST /v1/codes/{challenge_id}/verify":
        phone = PHONES.get(case.path_parameters.get("challenge_id"))
        if phone and (code := code_to(phone)):
            case.body = {"code": code}
    if label == "POST /v1/register/complete":
        body["email"] = f"visitor{next(NUMBERS)}@example.org"
        if REGISTRATION_TOKENS:
            body["registration_token"] = REGISTRATION_TOKENS.pop()
    if label == "POST /v1/session/refresh" and not with_cookies:
        body["refresh_token"] = REFRESH_TOKENS.pop() if REFRESH_TOKENS else new_session()["refresh_token"]
    if label == "POST /v1/login/password":
        body.update(email=Account.email, password=Account.password)
    if label == "PUT /v1/profile/password":
        body["current_password"] = Account.password
    if label == "PUT /v1/settings":
        # Keep the settings usable for the other routes.
        if body.get("two_step_enabled") is False:
            body["two_step_enabled"] = True
        if body.get("allowed_countries"):
            body["allowed_countries"] = ["*"]
        # Use an existing country, and send 1.0 as 1: JSON Schema accepts both as integers, the service doesn't.
        for part in ("budgets", "prices"):
            if body.get(part) and body[part].get("countries"):
                body[part]["countries"] = {"ES": next(iter(body[part]["countries"].values()))}
        case.body = whole(body)
        if case.body.get("budgets"):
            case.body["budgets"] = generous(case.body["budgets"])


with open("docs/openapi.yaml", encoding="utf-8") as file:
    REFERENCE = yaml.safe_load(file)


def resolved(node):
    """The target of a `$ref`, or the node itself."""
    if "$ref" not in node:
        return node
    target = REFERENCE
    for part in node["$ref"].split("/")[1:]:
        target = target[part]
    return target


@schemathesis.check
def problem_is_documented(context, response, case):
    """The reference lists the error code for this route and status."""
    if "application/problem+json" not in response.headers.get("content-type", [""])[0]:
        return
    operation = REFERENCE["paths"][case.operation.path].get(case.method.lower())
    # Another method than those of the reference is answered by the gateway, or as a preflight.
    if operation is None:
        return
    answer = resolved(operation["responses"].get(str(response.status_code), {}))
    examples = answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    code = response.json()["code"]
    assert code in {name.split(".")[0] for name in examples}, f"{code} is not documented for status {response.status_code}"


def generous(budgets):
    """Raises budgets so that the other routes can still send messages."""
    if isinstance(budgets, dict):
        return {key: generous(item) for key, item in budgets.items()}
    return None if budgets is None else max(budgets, 1_000_000)


def whole(value):
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def code_to(phone):
    """The newest code in the inbox of a number. Waits for its message."""
    for _ in range(50):
        headers = {"Accept": "application/json"}
        messages = requests.get(INBOX, params={"to": phone}, headers=headers, timeout=10).json()
        if messages:
            return messages[0]["content"][-6:]
        time.sleep(0.1)
    return None

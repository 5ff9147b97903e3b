"""What schemathesis cannot know of this service: numbers that may get a code, keys that open routes, and the code itself,
which is in the inbox of the Clickatell sandbox."""

import itertools
import os
import time

import requests
import schemathesis
from hypothesis import strategies as st

API = os.environ["API_URL"]
INBOX = os.environ["INBOX_URL"]
ADMIN_KEY = os.environ["ADMIN_KEY"]

WORDS = ["anchor", "basalt", "cobweb", "dynamo", "ermine", "fjords", "gazebo", "hyssop", "ingots", "jetsam", "kelpie"]

schemathesis.openapi.format("phone", st.integers(2_000_000, 9_999_999).map(lambda number: f"+1415{number}"))
schemathesis.openapi.format("email", st.integers(0, 10**12).map(lambda number: f"visitor{number}@example.com"))
schemathesis.openapi.format("person-name", st.text("Aabcdeéñ", min_size=1, max_size=20))
schemathesis.openapi.format(
    "new-password", st.lists(st.sampled_from(WORDS), min_size=4, max_size=6, unique=True).map(" ".join)
)
schemathesis.openapi.format("recovery-code", st.text("ABCDEFGHJKMNPQRSTVWXYZ0123456789", min_size=16, max_size=16))


class Bearer:
    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.auth(refresh_interval=240).apply_to(path_regex="^/v1/profile")
class Account(Bearer):
    """A fresh account of two steps every four minutes: after five a change of it would ask for another sign-in."""

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


@schemathesis.auth().apply_to(path_regex="^/v1/settings")
class Admin(Bearer):
    def get(self, case, context):
        return ADMIN_KEY


# The numbers that challenges were made for.
PHONES = {}
# What right codes have given, for one use each.
REGISTRATION_TOKENS = []
NUMBERS = itertools.count()


@schemathesis.hook
def after_call(context, case, response):
    label = case.operation.label
    if response.status_code == 202 and label in ("POST /v1/register/phone", "PUT /v1/profile/phone"):
        PHONES[response.json()["challenge_id"]] = case.body["phone"]
    if response.status_code == 202 and label == "POST /v1/login/password":
        PHONES[response.json()["challenge_id"]] = Account.phone
    if response.status_code == 200 and label.endswith("/verify") and "registration_token" in response.json():
        REGISTRATION_TOKENS.append(response.json()["registration_token"])
    if response.status_code == 204 and label == "PUT /v1/profile/password":
        Account.password = case.body["new_password"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes good what only the service's own state could tell. What is meant to be bad stays bad."""
    if case.meta is None or case.meta.generation.mode.is_negative or not isinstance(case.body, dict):
        return
    label, body = case.operation.label, case.body
    if label == "POST /v1/codes/{challenge_id}/verify":
        phone = PHONES.get(case.path_parameters.get("challenge_id"))
        if phone and (code := code_to(phone)):
            case.body = {"code": code}
    if label == "POST /v1/register/complete":
        body["email"] = f"visitor{next(NUMBERS)}@example.org"
        if REGISTRATION_TOKENS:
            body["registration_token"] = REGISTRATION_TOKENS.pop()
    if label == "POST /v1/login/password":
        body.update(email=Account.email, password=Account.password)
    if label == "PUT /v1/profile/password":
        body["current_password"] = Account.password
    if label == "PUT /v1/settings":
        # Anything that leaves the other routes something to do.
        if body.get("two_step_enabled") is False:
            body["two_step_enabled"] = True
        if body.get("allowed_countries"):
            body["allowed_countries"] = ["*"]


@schemathesis.hook
def filter_case(context, case):
    """The emulator answers what is not UTF-8 by itself, with 500. API Gateway hands it on, and a test of `http::body` says
    what then happens."""
    body = case.body
    if isinstance(body, bytes):
        try:
            body.decode()
        except UnicodeDecodeError:
            return False
    return True


def code_to(phone):
    """The newest code to a number; its message is on its way."""
    for _ in range(50):
        headers = {"Accept": "application/json"}
        messages = requests.get(INBOX, params={"to": phone}, headers=headers, timeout=10).json()
        if messages:
            return messages[0]["content"][-6:]
        time.sleep(0.1)
    return None

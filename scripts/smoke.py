"""Uses a deployment as a user would: registers a test account, signs in, refreshes, signs out, and deletes the account again.

    .venv/bin/python scripts/smoke.py --params deploy.toml [--phone +14155552671]

`make deploy` runs it at its end. With --phone, it also requests a code for the number, which costs a message, and signs in with the code
that you type; without a terminal, it only waits until the message is sent.
"""

import argparse
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import callback
import parameters

# Right after the first deployment, the keys don't exist for some seconds. A new DNS record takes longer.
PATIENCE = 180
PAUSE = 3
TIMEOUT = 30


class Failed(Exception):
    """The step that failed, and what the service answered."""


class Service:
    """The HTTP API at an address."""

    def __init__(self, url, sleep=time.sleep):
        self.url = url.rstrip("/")
        self.sleep = sleep

    def request(self, method, path, body=None, token=None):
        """The status and the parsed body of a response."""
        headers = {"accept": "application/json", "user-agent": "twostep-smoke-test"}
        if body is not None:
            headers["content-type"] = "application/json"
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return response.status, parsed(response.read())
        except urllib.error.HTTPError as answer:
            return answer.code, parsed(answer.read())
        except OSError as failure:
            return 0, {"code": str(getattr(failure, "reason", failure))}

    def expect(self, status, method, path, body=None, token=None):
        """The body of a response with this status. Responses that ask to wait are tried again for a while."""
        waited = 0
        while True:
            got, content = self.request(method, path, body, token)
            if got == status:
                return content
            if got not in (0, 403, 429, 502, 503, 504) or waited >= PATIENCE:
                reason = content.get("code") or content.get("message") or "" if isinstance(content, dict) else ""
                raise Failed(f"{method} {path} responded with {got or 'nothing'} {reason}".rstrip())
            self.sleep(PAUSE)
            waited += PAUSE


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return {}


def sign_in(service, say):
    """Everything that needs no message. Returns the account's id and email address."""
    say("pages and keys")
    service.expect(200, "GET", "/login")
    service.expect(200, "GET", "/v1/site")
    issuer = service.expect(200, "GET", "/.well-known/openid-configuration")["issuer"]
    if issuer != service.url:
        raise Failed(f"tokens name {issuer} as their issuer, but the service is at {service.url}")
    if not service.expect(200, "GET", "/.well-known/jwks.json")["keys"]:
        raise Failed("there are no signing keys")

    say("registration and sign-in with a password")
    # SES accepts email for this address and delivers it nowhere, so a test never bounces.
    # Source: Amazon SES Developer Guide, "Using the Amazon SES mailbox simulator".
    email = f"success+{secrets.token_hex(8)}@simulator.amazonses.com"
    password = secrets.token_urlsafe(24)
    account = service.expect(201, "POST", "/v1/register/password", {"name": "Smoke Test", "email": email, "password": password})
    session = service.expect(200, "POST", "/v1/login/password", {"email": email, "password": password})
    if session.get("outcome") != "signed_in":
        raise Failed(f"the sign-in ended with {session.get('outcome')}")
    session = service.expect(200, "POST", "/v1/session/refresh", {"refresh_token": session["refresh_token"]})
    profile = service.expect(200, "GET", "/v1/profile", token=session["access_token"])
    if profile["email"] != email:
        raise Failed("the profile belongs to another account")
    service.expect(204, "POST", "/v1/session/logout", {"refresh_token": session["refresh_token"]})
    return account["user"]["id"], email


def code_for(service, phone, read, say):
    """Requests a code for a number, and uses it if it can be typed."""
    say(f"a code for {phone[:3]}…{phone[-2:]}")
    challenge = service.expect(202, "POST", "/v1/register/phone", {"phone": phone})
    path = f"/v1/codes/{challenge['challenge_id']}"
    for _ in range(PATIENCE // PAUSE):
        state = service.expect(200, "GET", path)
        if state["delivery"] == "failed":
            raise Failed(f"the message failed: {state.get('failure')}")
        if state["delivery"] in ("sent", "delivered"):
            break
        service.sleep(PAUSE)
    else:
        raise Failed("the message wasn't sent in time")
    if read is not None:
        service.expect(200, "POST", f"{path}/verify", {"code": read("The code: ").strip()})


def delete(dynamodb, table, user_id, email):
    """Deletes the test account. Its session ends at its next refresh."""
    keys = (f"USER#{user_id}", f"EMAIL#{email}")
    dynamodb.transact_write_items(
        TransactItems=[{"Delete": {"TableName": table, "Key": {"pk": {"S": key}}}} for key in keys]
    )


def check(deployment, phone=None, client=None, say=print):
    """The whole test of a deployment."""
    client = client or (lambda service: boto3.client(service, region_name=deployment.region))
    cloudformation = client("cloudformation")
    found = callback.outputs(cloudformation, deployment.stack_name)
    url = found["PagesAddress"].removesuffix("/login")
    service = Service(url)
    user_id, email = sign_in(service, say)
    resource = cloudformation.describe_stack_resource(StackName=deployment.stack_name, LogicalResourceId="UsersTable")
    delete(client("dynamodb"), resource["StackResourceDetail"]["PhysicalResourceId"], user_id, email)
    if phone:
        code_for(service, phone, input if sys.stdin.isatty() else None, say)
    say(f"The service at {url} works.")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = arguments.add_mutually_exclusive_group(required=True)
    where.add_argument("--params", type=Path, help="the deployment's parameter file")
    where.add_argument("--url", help="an address instead, whose test account stays")
    arguments.add_argument("--phone", help="a number to send a code to")
    options = arguments.parse_args()
    try:
        if options.url:
            service = Service(options.url)
            sign_in(service, print)
            if options.phone:
                code_for(service, options.phone, input, print)
            return
        check(parameters.read(options.params, *parameters.of_templates()), options.phone)
    except (parameters.Wrong, Failed, ClientError, BotoCoreError) as failure:
        parameters.stop(failure)


if __name__ == "__main__":
    main()

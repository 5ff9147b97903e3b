"""A hook that sends by Twilio's Messages API: a WSGI application, for example behind gunicorn."""

import base64
import json
import os
import socket
import urllib.error
import urllib.parse
import urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

ACCOUNT = os.environ["TWILIO_ACCOUNT_SID"]
URL = f"{os.environ.get('TWILIO_URL', 'https://api.twilio.com')}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
KEY = base64.b64encode(f"{ACCOUNT}:{os.environ['TWILIO_AUTH_TOKEN']}".encode()).decode()
# Errors of the number. Source: Twilio's error dictionary.
NUMBER = {21211: "invalid_number", 21612: "invalid_number", 21614: "invalid_number", 21610: "opted_out"}
hook = Webhook(os.environ["SECRET"])


def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    try:
        status, answer = send(hook.verify(body, headers))
    except WebhookVerificationError:
        status, answer = 401, {"code": "invalid_signature"}
    start_response(f"{status} .", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def send(message):
    form = {"To": message["to"], "From": os.environ["TWILIO_FROM"], "Body": message["content"]}
    request = urllib.request.Request(URL, urllib.parse.urlencode(form).encode(), {"Authorization": f"Basic {KEY}"})
    try:
        with urllib.request.urlopen(request, timeout=8) as response:
            return 202, {"message_id": json.load(response)["sid"]}
    except urllib.error.HTTPError as error:
        code = json.loads(error.read() or b"{}").get("code")
        if code in NUMBER:
            return 422, {"code": NUMBER[code]}
        return (error.code if error.code in (401, 403, 429, 503) else 400 if error.code < 500 else 502), {"code": str(code)}
    except urllib.error.URLError as error:
        is_unsent = isinstance(error.reason, ConnectionRefusedError | socket.gaierror)
        return (503 if is_unsent else 504), {"code": "no_answer"}
    except TimeoutError:
        return 504, {"code": "timeout"}

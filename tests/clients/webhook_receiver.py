"""A receiver that verifies events with the official Python library of Standard Webhooks."""

import json
import os
import queue
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

ISSUER, ADMIN_KEY = os.environ["ISSUER"], os.environ["ADMIN_KEY"]
received = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, path, body, key=ADMIN_KEY):
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = Request(f"{ISSUER}/v1{path}", data=json.dumps(body).encode() if body else None, headers=headers, method=method)
    with urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://localhost:{server.server_port}/events"
webhook = call("POST", "/admin/webhooks", {"url": url, "events": ["user.created"]})
official = Webhook(webhook["secret"])

tested = call("POST", f"/admin/webhooks/{webhook['id']}/test", None)
assert tested == {"delivered": True, "response_status": 204}, tested
headers, body = received.get(timeout=10)
assert official.verify(body, headers)["type"] == "webhook.test"

# Functions learn of a new webhook within half a minute.
deadline = time.monotonic() + 60
while True:
    email = f"{uuid.uuid4().hex}@example.com"
    user = call("POST", "/register/password", {"name": "Ada", "email": email, "password": "correct horse battery staple"})["user"]
    try:
        headers, body = received.get(timeout=3)
        break
    except queue.Empty:
        assert time.monotonic() < deadline, "no event"
event = official.verify(body, headers)
assert event["type"] == "user.created" and event["data"]["user"]["id"] == event["data"]["user_id"], event
assert event["data"]["user"]["email"].endswith("@example.com") and event["timestamp"].endswith("Z")
for altered in (body.replace(b"created", b"deleted"), body + b" "):
    try:
        official.verify(altered, headers)
    except WebhookVerificationError:
        continue
    raise AssertionError("an altered event was accepted")
print("standardwebhooks is content")

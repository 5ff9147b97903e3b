"""The adapters of examples/senders, against the wire format of their providers, with requests that the service would sign."""

import base64
import datetime
import importlib
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
MESSAGE = {"to": "+14155552671", "content": "Example: your code is 123456.", "reference": "abc.1", "country": "US"}


@pytest.fixture
def adapter(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples" / "senders"))
    monkeypatch.setenv("SECRET", SECRET)

    def load(name, **environment):
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return load


def signed(message=MESSAGE):
    body = json.dumps(message)
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    signature = Webhook(SECRET).sign("abc.1", now, body)
    headers = {"webhook-id": "abc.1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return body, headers


class Aws:
    def __init__(self, module):
        self.module = module
        self.stub = Stubber(module.sms)
        self.stub.activate()

    def call(self, body, headers):
        answer = self.module.handler({"body": body, "headers": headers}, None)
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def aws_hook(adapter):
    return Aws(adapter("aws_end_user_messaging", ORIGINATION_IDENTITY="pool-1", AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x"))


def test_aws_sends_what_is_signed(aws_hook):
    expected = {
        "DestinationPhoneNumber": MESSAGE["to"],
        "MessageBody": MESSAGE["content"],
        "MessageType": "TRANSACTIONAL",
        "OriginationIdentity": "pool-1",
    }
    aws_hook.stub.add_response("send_text_message", {"MessageId": "m-1"}, expected)
    assert aws_hook.call(*signed()) == (202, {"message_id": "m-1"})
    body, headers = signed()
    assert aws_hook.call(body.replace("123456", "654321"), headers)[0] == 401


@pytest.mark.parametrize(
    ("code", "reason", "status", "answer"),
    [
        ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", 422, "opted_out"),
        ("ValidationException", "INVALID_PHONE_NUMBER", 422, "invalid_number"),
        ("ThrottlingException", "", 503, "throttled"),
        ("InternalServerException", "", 500, "internal_error"),
        ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", 400, "ServiceQuotaExceededException"),
        ("AccessDeniedException", "INSUFFICIENT_ACCOUNT_REPUTATION", 400, "AccessDeniedException"),
    ],
)
def test_aws_says_whose_fault_a_refusal_is(aws_hook, code, reason, status, answer):
    aws_hook.stub.add_client_error("send_text_message", code, modeled_fields={"Reason": reason} if reason else None)
    assert aws_hook.call(*signed()) == (status, {"code": answer})


def test_aws_that_is_not_reached_has_sent_nothing(aws_hook, monkeypatch):
    def unreachable(**_):
        raise EndpointConnectionError(endpoint_url="https://sms-voice.us-east-1.amazonaws.com")

    monkeypatch.setattr(aws_hook.module.sms, "send_text_message", unreachable)
    assert aws_hook.call(*signed())[0] == 503


class Twilio(BaseHTTPRequestHandler):
    """Twilio's Messages API. Source: Twilio, "Messages resource"."""

    answers = []
    requests = []

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        Twilio.requests.append((self.path, self.headers["authorization"], form))
        status, body = Twilio.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def twilio(adapter):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Twilio.answers, Twilio.requests = [], []
    module = adapter("twilio", TWILIO_URL=f"http://127.0.0.1:{server.server_port}", TWILIO_ACCOUNT_SID="AC1", TWILIO_AUTH_TOKEN="t", TWILIO_FROM="+12025550100")

    def call(body, headers):
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        environ |= {"wsgi.input": io.BytesIO(body.encode()), "CONTENT_LENGTH": str(len(body))}
        statuses = []
        answer = b"".join(module.application(environ, lambda status, _: statuses.append(int(status.split()[0]))))
        return statuses[0], json.loads(answer)

    yield call, server
    server.shutdown()


def test_twilio_sends_what_is_signed(twilio):
    call, _ = twilio
    Twilio.answers = [(201, {"sid": "SM1", "status": "queued"})]
    assert call(*signed()) == (202, {"message_id": "SM1"})
    path, key, form = Twilio.requests[0]
    assert (path, key) == ("/2010-04-01/Accounts/AC1/Messages.json", "Basic " + base64.b64encode(b"AC1:t").decode())
    assert form == {"To": [MESSAGE["to"]], "From": ["+12025550100"], "Body": [MESSAGE["content"]]}
    body, headers = signed()
    assert call(body + " ", headers)[0] == 401


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((400, {"code": 21211}), (422, "invalid_number")),
        ((400, {"code": 21610}), (422, "opted_out")),
        ((401, {"code": 20003}), (401, "20003")),
        ((400, {"code": 21606}), (400, "21606")),
        ((429, {"code": 20429}), (429, "20429")),
        ((503, {}), (503, "None")),
        ((500, {}), (502, "None")),
    ],
)
def test_twilio_says_whose_fault_a_refusal_is(twilio, answer, expected):
    call, _ = twilio
    Twilio.answers = [answer]
    status, body = call(*signed())
    assert (status, body["code"]) == expected


def test_twilio_that_is_not_reached_has_sent_nothing(twilio):
    call, server = twilio
    server.shutdown()
    server.server_close()
    assert call(*signed())[0] == 503

"""A hook that sends by AWS End User Messaging: a Lambda function behind a function URL. Its role needs `sms-voice:SendTextMessage`."""

import base64
import json
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

# A repetition could send twice, so the SDK makes none.
sms = boto3.client("pinpoint-sms-voice-v2", config=Config(retries={"total_max_attempts": 1}, read_timeout=8))
hook = Webhook(os.environ["SECRET"])


def handler(event, _):
    body = base64.b64decode(event["body"]) if event.get("isBase64Encoded") else event["body"].encode()
    try:
        message = hook.verify(body, event["headers"])
    except WebhookVerificationError:
        return answer(401, code="invalid_signature")
    try:
        sent = sms.send_text_message(
            DestinationPhoneNumber=message["to"],
            MessageBody=message["content"],
            MessageType="TRANSACTIONAL",
            OriginationIdentity=os.environ["ORIGINATION_IDENTITY"],
        )
    except (EndpointConnectionError, ConnectTimeoutError):
        return answer(503, code="not_reached")
    except ClientError as error:
        return refusal(error.response)
    return answer(202, message_id=sent["MessageId"])


def refusal(response):
    code, reason = response["Error"]["Code"], response.get("Reason", "")
    if code == "ThrottlingException":
        return answer(503, code="throttled")
    if code == "InternalServerException":
        return answer(500, code="internal_error")
    if reason == "DESTINATION_PHONE_NUMBER_OPTED_OUT":
        return answer(422, code="opted_out")
    if reason in ("INVALID_PHONE_NUMBER", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED", "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"):
        return answer(422, code="invalid_number")
    return answer(400, code=code)


def answer(status, **body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}

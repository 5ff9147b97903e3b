"""The smoke test waits for what takes time, deletes its account, and gives up with a reason."""

from datetime import datetime

import pytest

import parameters
import smoke
from recorded import Recorded

DEPLOYMENT = parameters.Deployment("twostep", "eu-west-1", {}, {})


def service(answers):
    """A service with these answers, one after the other. `slept` counts its pauses."""
    made = smoke.Service("https://auth.example.com", sleep=lambda _: made.pauses.append(1))
    made.pauses = []
    left = list(answers)
    made.request = lambda *_: left.pop(0) if len(left) > 1 else left[0]
    return made


def test_keys_and_dns_records_may_take_their_time():
    waiting = service([(0, {}), (503, {}), (403, {}), (200, {"keys": []})])
    assert waiting.expect(200, "GET", "/v1/site") == {"keys": []}
    assert len(waiting.pauses) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, {"code": "invalid_email"}), "GET /x responded with 400 invalid_email"),
        ((404, {"message": "Not Found"}), "GET /x responded with 404 Not Found"),
        ((503, {"code": "temporarily_unavailable"}), "GET /x responded with 503 temporarily_unavailable"),
        ((0, {"code": "Name or service not known"}), "GET /x responded with nothing Name or service not known"),
    ],
)
def test_a_failure_names_the_request_and_the_reason(answer, said):
    with pytest.raises(smoke.Failed, match=said):
        service([answer]).expect(200, "GET", "/x")


def test_the_account_is_deleted_with_its_email_address(monkeypatch):
    resource = {
        "LogicalResourceId": "UsersTable",
        "PhysicalResourceId": "twostep-UsersTable-1",
        "ResourceType": "AWS::DynamoDB::Table",
        "LastUpdatedTimestamp": datetime(2026, 1, 1),
        "ResourceStatus": "CREATE_COMPLETE",
    }
    outputs = [{"OutputKey": "PagesAddress", "OutputValue": "https://auth.example.com/login"}]
    stack = {"StackName": "twostep", "StackStatus": "CREATE_COMPLETE", "CreationTime": datetime(2026, 1, 1), "Outputs": outputs}
    recorded = Recorded(
        {
            "cloudformation.DescribeStacks": {"Stacks": [stack]},
            "cloudformation.DescribeStackResource": {"StackResourceDetail": resource},
            "dynamodb.TransactWriteItems": {},
        }
    )
    used = []
    monkeypatch.setattr(smoke, "sign_in", lambda service, _: used.append(service.url) or ("id", "smoke@example.com"))
    smoke.check(DEPLOYMENT, client=recorded, say=lambda _: None)
    assert used == ["https://auth.example.com"]
    [(_, sent)] = [call for call in recorded.calls if call[0] == "dynamodb.TransactWriteItems"]
    deleted = [item["Delete"] for item in sent["TransactItems"]]
    assert {delete["TableName"] for delete in deleted} == {"twostep-UsersTable-1"}
    assert [delete["Key"]["pk"]["S"] for delete in deleted] == ["USER#id", "EMAIL#smoke@example.com"]

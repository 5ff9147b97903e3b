"""What a failed first deployment leaves is removed, and nothing else ever is."""

from datetime import datetime

import pytest

import parameters
from recorded import Recorded
from undo_failed_deploy import Leftovers

ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/twostep/1"
THEN = datetime(2026, 1, 1)


def events(*statuses):
    stack = [
        {
            "StackId": ID,
            "EventId": str(number),
            "StackName": "twostep",
            "ResourceType": "AWS::CloudFormation::Stack",
            "PhysicalResourceId": ID,
            "ResourceStatus": status,
            "Timestamp": THEN,
        }
        for number, status in enumerate(statuses)
    ]
    # A resource may well have been complete.
    table = {**stack[0], "ResourceType": "AWS::DynamoDB::Table", "PhysicalResourceId": "users", "ResourceStatus": "CREATE_COMPLETE"}
    return {"StackEvents": [*stack, table]}


def resource(kind, name, status="DELETE_FAILED"):
    return {
        "LogicalResourceId": name,
        "PhysicalResourceId": name,
        "ResourceType": kind,
        "ResourceStatus": status,
        "LastUpdatedTimestamp": THEN,
    }


def account(status="ROLLBACK_FAILED", happened=("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED"), items=0):
    deleted = []

    def stacks(_):
        return {"Stacks": [{"StackName": "twostep", "StackId": ID, "StackStatus": "DELETE_COMPLETE" if deleted else status, "CreationTime": THEN}]}

    def delete(_):
        deleted.append(True)
        return {}

    return Recorded(
        {
            "cloudformation.DescribeStacks": stacks,
            "cloudformation.DescribeStackEvents": events(*happened),
            "cloudformation.ListStackResources": {
                "StackResourceSummaries": [
                    resource("AWS::DynamoDB::Table", "users"),
                    resource("AWS::SecretsManager::Secret", "keys"),
                    resource("AWS::Logs::LogGroup", "/aws/vendedlogs/twostep/web"),
                    resource("AWS::DynamoDB::Table", "codes", "DELETE_COMPLETE"),
                ]
            },
            "cloudformation.DeleteStack": delete,
            "dynamodb.Scan": {"Count": items, "Items": []},
            "dynamodb.UpdateTable": {},
            "dynamodb.DeleteTable": {},
            "secretsmanager.DeleteSecret": {},
            "logs.DeleteLogGroup": "ResourceNotFoundException",
        }
    )


CHANGES = ("Delete", "Update")


def changes(recorded):
    return [(name, sent) for name, sent in recorded.calls if name.split(".")[1].startswith(CHANGES)]


def test_the_stack_and_what_is_left_of_it_are_deleted():
    recorded = account()
    leftovers = Leftovers("twostep", recorded)
    leftovers.find()
    assert changes(recorded) == []
    leftovers.remove()
    assert changes(recorded) == [
        ("dynamodb.UpdateTable", {"TableName": "users", "DeletionProtectionEnabled": False}),
        ("cloudformation.DeleteStack", {"StackName": ID}),
        ("dynamodb.DeleteTable", {"TableName": "users"}),
        ("secretsmanager.DeleteSecret", {"SecretId": "keys", "RecoveryWindowInDays": 7}),
        ("logs.DeleteLogGroup", {"logGroupName": "/aws/vendedlogs/twostep/web"}),
    ]


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        (account(status="CREATE_COMPLETE"), "its creation didn't fail"),
        (account(status="UPDATE_ROLLBACK_FAILED"), "its creation didn't fail"),
        (account("DELETE_FAILED", ("CREATE_IN_PROGRESS", "CREATE_COMPLETE", "DELETE_FAILED")), "was complete once"),
        (account("DELETE_FAILED", ("CREATE_IN_PROGRESS", "UPDATE_COMPLETE", "DELETE_FAILED")), "was complete once"),
        (account("DELETE_FAILED", ("DELETE_IN_PROGRESS", "DELETE_FAILED")), "don't go back to its creation"),
        (account(items=1), "The table users has items"),
    ],
)
def test_a_stack_that_may_have_been_used_is_refused(recorded, said):
    with pytest.raises(parameters.Wrong, match=said):
        Leftovers("twostep", recorded).find()
    assert changes(recorded) == []


def test_without_a_stack_there_is_nothing_to_undo():
    recorded = account()
    recorded.answers["cloudformation.DescribeStacks"] = "ValidationError"
    with pytest.raises(parameters.Wrong, match="nothing to undo"):
        Leftovers("twostep", recorded).find()

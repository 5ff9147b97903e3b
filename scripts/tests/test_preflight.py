"""What the preflight says about accounts, by recorded answers of AWS."""

from datetime import datetime

import pytest

import parameters
import preflight
from recorded import Recorded

KNOWN = parameters.of_template()
# A parameter of the service's email, which a template without email lacks.
WITH_EMAIL = {**KNOWN, "EmailFrom": parameters.Parameter("EmailFrom", "", "")}


def stack(status, **parameters_of_stack):
    return {
        "Stacks": [
            {
                "StackName": "twostep",
                "StackStatus": status,
                "CreationTime": datetime(2026, 1, 1),
                "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters_of_stack.items()],
            }
        ]
    }


def limits(concurrent, unreserved):
    return {"AccountLimit": {"ConcurrentExecutions": concurrent, "UnreservedConcurrentExecutions": unreserved}}


# An account that has been used for a while.
GOOD = {
    "sts.GetCallerIdentity": {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ops", "UserId": "x"},
    "cloudformation.DescribeStacks": "ValidationError",
    "logs.DescribeLogGroups": {"logGroups": []},
    "lambda.GetAccountSettings": limits(1000, 1000),
    "iam.GetAccountSummary": {"SummaryMap": {"Roles": 40, "RolesQuota": 1000}},
    "kms.ListKeys": {"Keys": []},
    "sesv2.GetAccount": {"SendingEnabled": True, "ProductionAccessEnabled": True},
    "sesv2.GetEmailIdentity": {"VerifiedForSendingStatus": True},
    "route53.GetHostedZone": {"HostedZone": {"Id": "Z1", "Name": "example.com.", "CallerReference": "x"}},
}


def findings(answers, known=KNOWN, edge=None, **values):
    deployment = parameters.Deployment("twostep", "eu-west-1", values, edge or {})
    found = preflight.Preflight(deployment, known, Recorded({**GOOD, **answers})).run()
    return [("error: " if finding.error else "warning: ") + finding.text for finding in found]


def test_nothing_stands_in_the_way_in_a_good_account():
    assert findings({}) == []
    everything = {"AlarmEmail": "ops@example.com", "SendSmsConcurrency": "5", "EmailFrom": "Example <no-reply@example.com>"}
    assert findings({}, WITH_EMAIL, {"HostedZoneId": "Z1", "DomainName": "auth.example.com"}, **everything) == []


def test_a_new_account_gets_the_defaults_with_a_warning():
    [warning] = findings({"lambda.GetAccountSettings": limits(10, 10)})
    assert warning.startswith("warning: This account runs at most 10 functions at once")


@pytest.mark.parametrize(
    ("answers", "values", "said"),
    [
        ({"sts.GetCallerIdentity": "ExpiredToken"}, {}, "AWS rejects the credentials: ExpiredToken"),
        ({"sts.GetCallerIdentity": "InvalidClientTokenId"}, {}, "enable the region"),
        ({"lambda.GetAccountSettings": limits(1000, 102)}, {"SendSmsConcurrency": "5"}, "lets this account reserve 2"),
        ({"lambda.GetAccountSettings": limits(1000, 50)}, {"SendSmsConcurrency": "5"}, "lets this account reserve 0"),
        ({"cloudformation.DescribeStacks": stack("ROLLBACK_COMPLETE")}, {}, "make undo-failed-deploy"),
        ({"cloudformation.DescribeStacks": stack("UPDATE_ROLLBACK_FAILED")}, {}, "continue-update-rollback"),
        ({"cloudformation.DescribeStacks": stack("UPDATE_IN_PROGRESS")}, {}, "Wait until"),
        (
            {"logs.DescribeLogGroups": {"logGroups": [{"logGroupName": "/aws/vendedlogs/twostep/web"}]}},
            {},
            "These log groups exist although the stack doesn't: /aws/vendedlogs/twostep/web",
        ),
        ({"iam.GetAccountSummary": {"SummaryMap": {"Roles": 995, "RolesQuota": 1000}}}, {}, "5 more IAM roles"),
        ({"kms.ListKeys": "AccessDeniedException"}, {"AlarmEmail": "ops@example.com"}, "KMS refuses"),
    ],
)
def test_what_would_fail_is_an_error_that_says_what_to_do(answers, values, said):
    found = findings(answers, **values)
    assert any(finding.startswith("error: ") and said in finding for finding in found), found


def test_a_stack_may_keep_the_concurrency_that_it_has():
    complete = stack("UPDATE_COMPLETE", SendSmsConcurrency="5")
    account = {"cloudformation.DescribeStacks": complete, "lambda.GetAccountSettings": limits(1000, 100)}
    assert findings(account, SendSmsConcurrency="5") == []
    assert len(findings(account, SendSmsConcurrency="6")) == 1


def test_a_key_of_the_alarms_topic_that_is_about_to_be_deleted_is_an_error():
    resource = {
        "StackResourceDetail": {
            "LogicalResourceId": "AlarmKey",
            "PhysicalResourceId": "key",
            "ResourceType": "AWS::KMS::Key",
            "LastUpdatedTimestamp": datetime(2026, 1, 1),
            "ResourceStatus": "CREATE_COMPLETE",
        }
    }
    answers = {
        "cloudformation.DescribeStacks": stack("CREATE_COMPLETE"),
        "cloudformation.DescribeStackResource": resource,
        "kms.DescribeKey": {"KeyMetadata": {"KeyId": "key", "KeyState": "PendingDeletion"}},
    }
    [finding] = findings(answers, AlarmEmail="ops@example.com")
    assert finding.startswith("error: The KMS key of the alarms topic is PendingDeletion")
    answers["kms.DescribeKey"] = {"KeyMetadata": {"KeyId": "key", "KeyState": "Enabled"}}
    assert findings(answers, AlarmEmail="ops@example.com") == []


def test_email_needs_a_verified_sender_and_production_access():
    sender = {"EmailFrom": "Example <no-reply@example.com>"}
    sandbox = {"sesv2.GetAccount": {"SendingEnabled": True, "ProductionAccessEnabled": False}}
    [finding] = findings(sandbox, WITH_EMAIL, **sender)
    assert finding.startswith("warning: SES is in its sandbox")
    [finding] = findings({"sesv2.GetEmailIdentity": "NotFoundException"}, WITH_EMAIL, **sender)
    assert finding.startswith("error: SES may not send as no-reply@example.com")
    paused = {"sesv2.GetAccount": {"SendingEnabled": False, "ProductionAccessEnabled": True}}
    [finding] = findings(paused, WITH_EMAIL, **sender)
    assert finding.startswith("error: SES has paused sending")


def test_the_hosted_zone_must_be_public_and_contain_the_domain():
    edge = {"HostedZoneId": "Z1", "DomainName": "auth.example.org"}
    [finding] = findings({}, edge=edge)
    assert finding.startswith("error: The domain auth.example.org isn't in the hosted zone example.com.")
    private = {"HostedZone": {"Id": "Z1", "Name": "example.org.", "CallerReference": "x", "Config": {"PrivateZone": True}}}
    [finding] = findings({"route53.GetHostedZone": private}, edge=edge)
    assert "is private" in finding


def test_a_check_that_may_not_read_is_a_warning():
    [finding] = findings({"iam.GetAccountSummary": "AccessDenied"})
    assert finding == "warning: The check of roles couldn't run (AccessDenied); the deployment may fail there."


def test_the_report_says_whether_a_deployment_can_work():
    said = []
    assert preflight.report([preflight.warning("slow")], said.append)
    assert not preflight.report([preflight.error("broken")], said.append)
    assert said[1].startswith("preflight: nothing stands") and said[3].startswith("preflight: the deployment can't work")

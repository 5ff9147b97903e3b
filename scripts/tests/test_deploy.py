"""The order of a deployment: questions, checks, build, deployment."""

import sys
from datetime import datetime

import pytest

import deploy
import edge
import parameters
import preflight
import smoke
from recorded import Recorded


@pytest.fixture
def deployment(monkeypatch, tmp_path):
    """Runs `deploy.py` without building or AWS. Returns what it would have run, and its exit status."""
    file = tmp_path / "deploy.toml"
    ran = []

    def run(arguments, content=None, findings=(), failing=None, unusable=None):
        if content is not None:
            file.write_text(content)
        monkeypatch.setattr(sys, "argv", ["deploy.py", "--params", str(file), *arguments])
        monkeypatch.setattr(preflight.Preflight, "run", lambda _: list(findings))

        def command(line, **_):
            ran.append(line)
            return type("Ended", (), {"returncode": 1 if line[1] == failing else 0})

        def used(*_):
            ran.append(["", "smoke"])
            if unusable:
                raise smoke.Failed(unusable)

        monkeypatch.setattr(deploy.subprocess, "run", command)
        monkeypatch.setattr(smoke, "check", used)
        monkeypatch.setattr(edge.Edge, "deploy", lambda _: ran.append(["", "edge"]))
        monkeypatch.setattr(edge.Edge, "accepted", lambda _: "")
        try:
            deploy.main()
        except SystemExit as ended:
            return ran, ended.code, file
        return ran, None, file

    return run


GOOD = 'stack_name = "twostep"\nregion = "eu-west-1"\n[parameters]\nSiteName = "Ada"\n'


def test_it_builds_and_deploys_without_a_question(deployment):
    ran, status, _ = deployment([], GOOD)
    assert status is None
    assert [line[1] for line in ran] == ["build", "deploy", "smoke"]
    assert "--no-confirm-changeset" in ran[1] and 'SiteName="Ada"' in ran[1]
    kept = parameters.of_template().keys() - {"SiteName", "Release"}
    assert {f'{name}="{parameters.of_template()[name].default}"' for name in kept} <= set(ran[1])


def test_code_template_and_parameters_make_the_release(tmp_path):
    known = parameters.of_template()

    def made(**values):
        given = deploy.overrides(parameters.Deployment("twostep", "eu-west-1", values, {}), known, tmp_path)
        [value] = [each.split('"')[1] for each in given if each.startswith("Release=")]
        assert known["Release"].problem(value) is None
        return value

    (tmp_path / "WebFunction").mkdir()
    (tmp_path / "WebFunction" / "bootstrap").write_bytes(b"code")
    first = made()
    assert made() == first, "an unchanged deployment changes nothing"
    assert made(Release="f" * 64) == first, "an operator's value has no effect"
    changed = made(AllowedCountries="US")
    (tmp_path / "WebFunction" / "bootstrap").write_bytes(b"mode")
    assert len({first, changed, made()}) == 3


def test_nothing_is_built_with_wrong_values_or_where_the_account_forbids_it(deployment):
    ran, status, _ = deployment([], GOOD + 'LogLevel = "loud"\n')
    assert ran == [] and "LogLevel must be" in status
    ran, status, _ = deployment([], GOOD, [preflight.error("No credentials.")])
    assert ran == [] and status == 1


def test_a_failed_build_ends_it(deployment):
    ran, status, _ = deployment([], GOOD, failing="build")
    assert [line[1] for line in ran] == ["build"] and "make undo-failed-deploy" in status


def test_the_first_deployment_asks_keeps_the_answers_and_shows_the_changes(deployment, monkeypatch):
    answers = iter(["prod", "eu-west-1", "Ada"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers, ""))
    monkeypatch.setattr(parameters.ask_all, "__defaults__", (lambda _: next(answers, ""), lambda _: None))
    ran, status, file = deployment(["--first"])
    assert status is None and "--confirm-changeset" in ran[1]
    assert parameters.read(file, parameters.of_template()).parameters == {"SiteName": "Ada"}
    ran, status, _ = deployment(["--first"])
    assert "exists" in status, "an existing file is never overwritten"


def test_the_edge_follows_the_stack_and_the_test_follows_both(deployment):
    with_domain = GOOD + '[edge]\nDomainName = "auth.example.com"\nHostedZoneId = "Z0123456789"\n'
    ran, status, _ = deployment([], with_domain)
    assert status is None and [line[1] for line in ran] == ["build", "deploy", "edge", "smoke"]
    ran, status, _ = deployment([], GOOD, unusable="GET /login responded with 500")
    assert "GET /login responded with 500" in status and "previous tag" in status


ARN = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/samcli-deploy1/1"
NEWER = ARN.replace("/samcli-deploy1/", "/samcli-deploy2/")


def change(action, name, replacement=None):
    of = {"Action": action, "LogicalResourceId": name, "ResourceType": "AWS::DynamoDB::Table"}
    return {"Type": "Resource", "ResourceChange": {**of, **({"Replacement": replacement} if replacement else {})}}


def account(execution="AVAILABLE", stack="UPDATE_COMPLETE"):
    then = datetime(2026, 1, 1)

    def stacks(_):
        executed = any(name == "cloudformation.ExecuteChangeSet" for name, _ in recorded.calls)
        status = {True: "CREATE_COMPLETE" if stack == "REVIEW_IN_PROGRESS" else "UPDATE_COMPLETE", False: stack}[executed]
        return {"Stacks": [{"StackName": "twostep", "StackStatus": status, "CreationTime": then}]}

    recorded = Recorded(
        {
            "cloudformation.ListChangeSets": {
                "Summaries": [
                    {"ChangeSetId": ARN, "ExecutionStatus": "AVAILABLE", "CreationTime": then},
                    {"ChangeSetId": NEWER, "ExecutionStatus": execution, "CreationTime": then.replace(day=2)},
                ]
            },
            "cloudformation.DescribeChangeSet": {
                "ExecutionStatus": execution,
                "Changes": [change("Add", "A"), change("Modify", "B", "False"), change("Remove", "C"), change("Modify", "D", "True")],
            },
            "cloudformation.ExecuteChangeSet": {},
            "cloudformation.DescribeStacks": stacks,
        }
    )
    return recorded


def test_the_newest_change_set_is_proposed_with_its_dangerous_changes_first():
    found, changes = deploy.proposed(account()("cloudformation"), "twostep")
    assert found == NEWER
    rows = deploy.summary(changes).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == ["D", "C", "B", "A"]


def test_a_proposal_is_left_for_the_runner(deployment, monkeypatch, tmp_path):
    recorded = account()
    monkeypatch.setattr(preflight, "clients", lambda _region: recorded)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    ran, status, _ = deployment(["--propose"], GOOD)
    assert status is None and [line[1] for line in ran] == ["build", "deploy"]
    assert "--no-execute-changeset" in ran[1]
    assert (tmp_path / "output").read_text() == f"change-set={NEWER}\n"
    assert "| Remove | `C` |" in (tmp_path / "summary").read_text()


@pytest.mark.parametrize("stack", ["UPDATE_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_an_approved_change_set_is_executed_and_the_deployment_used(deployment, monkeypatch, stack):
    recorded = account(stack=stack)
    monkeypatch.setattr(preflight, "clients", lambda _region: recorded)
    ran, status, _ = deployment(["--apply", NEWER], GOOD)
    assert status is None and [line[1] for line in ran] == ["smoke"]
    assert ("cloudformation.ExecuteChangeSet", {"ChangeSetName": NEWER, "StackName": "twostep"}) in recorded.calls


def test_a_change_set_that_was_executed_is_not_executed_again(deployment, monkeypatch):
    recorded = account(execution="EXECUTE_COMPLETE")
    monkeypatch.setattr(preflight, "clients", lambda _region: recorded)
    ran, status, _ = deployment(["--apply", NEWER], GOOD)
    assert ran == [] and "Propose the changes again" in status

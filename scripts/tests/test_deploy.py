"""The order of a deployment: questions, checks, build, deployment."""

import sys

import pytest

import deploy
import parameters
import preflight


@pytest.fixture
def deployment(monkeypatch, tmp_path):
    """Runs `deploy.py` without building or AWS. Returns what it would have run, and its exit status."""
    file = tmp_path / "deploy.toml"
    ran = []

    def run(arguments, content=None, findings=(), failing=None):
        if content is not None:
            file.write_text(content)
        monkeypatch.setattr(sys, "argv", ["deploy.py", "--params", str(file), *arguments])
        monkeypatch.setattr(preflight.Preflight, "run", lambda _: list(findings))

        def command(line, **_):
            ran.append(line)
            return type("Ended", (), {"returncode": 1 if line[1] == failing else 0})

        monkeypatch.setattr(deploy.subprocess, "run", command)
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
    assert [line[1] for line in ran] == ["build", "deploy"]
    assert "--no-confirm-changeset" in ran[1] and 'SiteName="Ada"' in ran[1]
    assert {f'{name}="{parameter.default}"' for name, parameter in parameters.of_template().items() if name != "SiteName"} <= set(ran[1])


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

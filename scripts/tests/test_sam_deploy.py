"""`sam deploy --guided`, answered with Enter, and `make deploy` without anyone to answer, against a stand-in of AWS."""

import os
import re
import shutil
import subprocess
import zipfile

import pytest
from samcli.cli.types import CfnParameterOverridesType, CfnTags

import callback
import deploy
import parameters
import release
from aws import ROOT

KNOWN = parameters.of_template()
SAM = ROOT / ".venv/bin/sam"
# Stack and region before the parameters; change set, roles and rollback, then file, its name and its environment after them.
QUESTIONS = 2 + 3 + 3
# What the stand-in doesn't create. docs/operations.md lists it.
SKIPPED = {
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::SecretsManager::RotationSchedule",
}


@pytest.fixture
def project(tmp_path):
    """The files that the SAM CLI reads. It uploads the folders of functions as they are, without a build."""
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    return tmp_path


def run(command, project, aws, answers=""):
    environment = {**os.environ, **aws.environment(), "SAM_CLI_TELEMETRY": "0"}
    ended = subprocess.run(
        command, cwd=project, env=environment, input=answers, text=True, capture_output=True, timeout=300, check=False
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    return said


def values(aws, stack_name):
    stack = aws.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"][0]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}


def versions(aws, stack_name):
    """The resources of the stack that are versions of functions."""
    resources = aws.client("cloudformation").describe_stack_resources(StackName=stack_name)["StackResources"]
    return {resource["LogicalResourceId"] for resource in resources if resource.get("ResourceType") == "AWS::Lambda::Version"}


def aliases(aws, stack_name):
    """The functions of the stack whose routes invoke the alias `live`."""
    client = aws.client("lambda")
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    own = [name for name in names if name.startswith(f"{stack_name}-")]
    return [name for name in own if [alias["Name"] for alias in client.list_aliases(FunctionName=name)["Aliases"]] == ["live"]]


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_enter_leads_to_the_last_question_and_a_deployed_stack(project, aws):
    aws.make_bucket_of_sam()
    enters = "\n" * (QUESTIONS + len(KNOWN))
    said = run([SAM, "deploy", "--guided"], project, aws, enters + "y\n")
    assert "has no authentication" not in said
    for name in KNOWN:
        assert f"Parameter {name} [" in said, f"{name} is asked for and has a default"
    assert said.count("Deploy this changeset?") == 1, said
    assert values(aws, "twostep") == {name: parameter.default for name, parameter in KNOWN.items()}

    functions = aws.client("lambda").list_functions()["Functions"]
    assert len(functions) == len(list((ROOT / "functions").iterdir()))
    tables = aws.client("dynamodb").list_tables()["TableNames"]
    assert any(table.startswith("twostep-UsersTable-") for table in tables)
    [api] = aws.client("apigatewayv2").get_apis()["Items"]
    routes = aws.client("apigatewayv2").get_routes(ApiId=api["ApiId"])["Items"]
    assert "POST /v1/login/phone" in [route["RouteKey"] for route in routes]
    assert aws.skipped <= SKIPPED | {"AWS::S3::BucketPolicy"}, "the operations guide lists what the stand-in skips"


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_a_parameter_file_deploys_and_upgrades_two_stacks_without_a_question(project, aws):
    aws.make_bucket_of_sam()
    cloudformation, secrets = aws.client("cloudformation"), aws.client("secretsmanager")
    tokens = {}
    for stack_name in ("first", "second"):
        chosen = {"SiteName": "Ada & Sons", "AllowedCountries": "US,ES"}
        deployment = parameters.Deployment(stack_name, "us-east-1", chosen, {}, {"team": "web and mobile"})
        deploy_command = deploy.deploy_command(deployment, KNOWN, confirm=False)
        run([SAM, *deploy_command[1:]], project, aws)
        assert values(aws, stack_name)["SiteName"] == "Ada & Sons"
        tokens[stack_name] = callback.url(callback.outputs(cloudformation, stack_name), secrets)
    for url in tokens.values():
        assert re.fullmatch(r"https://[a-z0-9.-]+/v1/sms/status/[A-Za-z0-9]{48}", url), url
    assert len(set(tokens.values())) == 2

    # An upgrade keeps the callback token, and a value that is no longer in the file returns to its default.
    before = versions(aws, "first")
    assert len(aliases(aws, "first")) == len(before) > 20
    deployment = parameters.Deployment("first", "us-east-1", {"SmsPerHour": "500", "TrafficShifting": "Canary10Percent5Minutes"}, {})
    run([SAM, *deploy.deploy_command(deployment, KNOWN, confirm=False)[1:]], project, aws)
    # Changed parameters alone make new versions. The stand-in publishes them before it changes the functions.
    after = versions(aws, "first")
    assert len(after) == len(before) and after.isdisjoint(before)
    assert len(aliases(aws, "first")) == len(after)
    assert {"AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup"} <= aws.skipped
    assert values(aws, "first")["SmsPerHour"] == "500"
    assert values(aws, "first")["SiteName"] == KNOWN["SiteName"].default
    found = callback.outputs(cloudformation, "first")
    assert callback.url(found, secrets) == tokens["first"]

    callback.rotate(secrets, found["CallbackSecretName"])
    assert callback.url(found, secrets) != tokens["first"]
    former = secrets.get_secret_value(SecretId=found["CallbackSecretName"], VersionStage="AWSPREVIOUS")["SecretString"]
    assert tokens["first"].endswith(former), "accepted until the next replacement"


def test_values_and_tags_with_spaces_reach_the_sam_cli_whole():
    deployment = parameters.Deployment("first", "us-east-1", {"SiteName": "Ada & Sons, O'Neil"}, {}, {"team": "web and mobile"})
    command = deploy.deploy_command(deployment, KNOWN, confirm=False)
    tags, values = command.index("--tags"), command.index("--parameter-overrides")
    expected = {"application": "twostep", "stack": "first", "team": "web and mobile"}
    assert CfnTags().convert(tuple(command[tags + 1 : values]), None, None) == expected
    read = CfnParameterOverridesType().convert(tuple(command[values + 1 :]), None, None)
    assert read["SiteName"] == "Ada & Sons, O'Neil" and read.keys() == KNOWN.keys()


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_a_release_is_deployed_without_a_build(project, aws, monkeypatch, tmp_path):
    aws.make_bucket_of_sam()
    built, folder = tmp_path / "built", tmp_path / "release"
    for name in release.functions():
        (built / name).mkdir(parents=True)
        with zipfile.ZipFile(built / name / "bootstrap.zip", "w") as archive:
            archive.writestr("bootstrap", name)
    release.make(built, folder, lambda: {"packages": [], "resolve": {"nodes": []}, "workspace_members": []})
    monkeypatch.setattr(release, "FOLDER", folder)
    release.verify(folder)
    only = deploy.deploy_command(parameters.Deployment("released", "us-east-1", {}, {}), KNOWN, confirm=False)
    run([SAM, *only[1:]], project, aws)
    functions = aws.client("lambda").list_functions()["Functions"]
    sizes = {function["FunctionName"].split("-")[1]: function["CodeSize"] for function in functions}
    assert sizes["WebFunction"] == (folder / "web.zip").stat().st_size, "the archive itself is uploaded"

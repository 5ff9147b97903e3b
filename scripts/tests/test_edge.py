"""The edge is deployed before its secret is demanded, and the secret is replaced without a moment in which none is accepted."""

import hashlib
import re
from datetime import datetime

import pytest

import deploy
import parameters
from edge import CURRENT, NEXT, Edge
from recorded import Recorded

KNOWN, EDGE_KNOWN = parameters.of_templates()
DOMAIN = {"DomainName": "auth.example.com", "HostedZoneId": "Z0123456789ABCDEFGHIJ"}


class World:
    """An account with the API's stack, and perhaps the edge's. `story` tells what is sent and what is accepted, in order."""

    def __init__(self, fail_at=None):
        self.stacks = {"twostep": {"OriginSecretHashes": "", "Release": "0" * 64}}
        self.versions = {}
        self.story = []
        self.fail_at = fail_at
        self.sent = None
        answers = {
            "cloudformation.DescribeStacks": self.describe,
            "cloudformation.CreateChangeSet": self.change,
            "cloudformation.DescribeChangeSet": {"Status": "CREATE_COMPLETE"},
            "cloudformation.ExecuteChangeSet": {},
            "secretsmanager.GetSecretValue": self.get,
            "secretsmanager.CreateSecret": self.create,
            "secretsmanager.PutSecretValue": self.create,
            "secretsmanager.DescribeSecret": lambda _: {
                "VersionIdsToStages": {id: list(stages) for id, (_, stages) in self.versions.items() if stages}
            },
            "secretsmanager.UpdateSecretVersionStage": self.move,
        }
        self.recorded = Recorded(answers)
        self.edge = Edge(parameters.Deployment("twostep", "eu-west-1", {}, DOMAIN), lambda service, _region: self.recorded(service))

    def describe(self, sent):
        name = sent["StackName"]
        if name not in self.stacks:
            return "ValidationError"
        values = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.stacks[name].items()]
        outputs = [{"OutputKey": "ApiAddress", "OutputValue": "https://api1.execute-api.eu-west-1.amazonaws.com"}]
        stack = {"StackName": name, "StackStatus": "UPDATE_COMPLETE", "CreationTime": datetime(2026, 1, 1)}
        if not self.created.get(name, True):
            stack["StackStatus"] = "CREATE_COMPLETE"
            self.created[name] = True
        return {"Stacks": [{**stack, "Parameters": values, "Outputs": outputs}]}

    created = {}

    def change(self, sent):
        name = sent["StackName"]
        if self.fail_at == len(self.story):
            self.fail_at = None
            return "Throttling"
        assert (sent["ChangeSetType"] == "UPDATE") == (name in self.stacks)
        if name == "twostep-edge" and name not in self.stacks:
            self.created[name] = False
        values = {parameter["ParameterKey"]: parameter.get("ParameterValue") for parameter in sent["Parameters"]}
        if name == "twostep-edge":
            assert values["ApiDomain"] == "api1.execute-api.eu-west-1.amazonaws.com"
            assert values["DomainName"] == "auth.example.com"
            self.sent = values["OriginSecret"]
        before = dict(self.stacks.get(name, {}))
        self.stacks.setdefault(name, {}).update({key: value for key, value in values.items() if value is not None})
        if name == "twostep":
            # Without another release, the functions' aliases would stay with the former hashes.
            changed = {key for key, value in self.stacks[name].items() if before[key] != value}
            assert changed == {"OriginSecretHashes", "Release"}
            assert KNOWN["Release"].problem(self.stacks[name]["Release"]) is None
        self.story.append((self.sent, self.stacks["twostep"]["OriginSecretHashes"]))
        return {"Id": "arn:change-set", "StackId": name}

    def get(self, sent):
        for text, stages in self.versions.values():
            if sent["VersionStage"] in stages:
                return {"SecretString": text}
        return "ResourceNotFoundException"

    def create(self, sent):
        stages = set(sent.get("VersionStages", [CURRENT]))
        self.versions[f"{len(self.versions)}" * 32] = (sent["SecretString"], stages)
        return {}

    def move(self, sent):
        if "RemoveFromVersionId" in sent:
            self.versions[sent["RemoveFromVersionId"]][1].discard(sent["VersionStage"])
        if "MoveToVersionId" in sent:
            self.versions[sent["MoveToVersionId"]][1].add(sent["VersionStage"])
        return {}

    def secret(self, stage):
        return next((text for text, stages in self.versions.values() if stage in stages), None)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    World.created = {}
    monkeypatch.setattr("botocore.waiter.time.sleep", lambda _: None)


def is_served(sent, demanded):
    """Whether the functions serve what CloudFront sends."""
    return not demanded or hashlib.sha256((sent or "").encode()).hexdigest() in demanded.split(",")


def test_the_secret_is_demanded_once_cloudfront_sends_it():
    world = World()
    assert world.edge.accepted() == "", "before the edge exists"
    world.edge.deploy()
    assert all(is_served(*moment) for moment in world.story), world.story
    assert world.story[-1][1] == hashlib.sha256(world.sent.encode()).hexdigest()
    assert re.fullmatch("[A-Za-z0-9]{64}", world.sent)
    assert EDGE_KNOWN["OriginSecret"].problem(world.sent) is None
    assert KNOWN["OriginSecretHashes"].problem(world.story[-1][1]) is None
    # The next deployment keeps it.
    assert world.edge.accepted() == world.story[-1][1]
    before = world.sent
    world.edge.deploy()
    assert world.sent == before


@pytest.mark.parametrize("fail_at", [None, 2, 3, 4])
def test_a_replacement_never_refuses_cloudfront_also_if_it_is_interrupted(fail_at):
    world = World()
    world.edge.deploy()
    before = world.sent
    world.fail_at = fail_at
    if fail_at is not None:
        with pytest.raises(Exception, match="Throttling"):
            world.edge.rotate()
        # A deployment in between accepts both.
        assert is_served(world.sent, world.edge.accepted())
    world.edge.rotate()
    assert all(is_served(*moment) for moment in world.story), world.story
    assert world.sent != before and not is_served(before, world.story[-1][1])
    assert world.secret(CURRENT) == world.sent and world.secret(NEXT) is None


def test_a_stack_of_a_version_without_aliases_has_no_release_to_change():
    world = World()
    sent = []
    world.edge.api.described = lambda: {"Parameters": [{"ParameterKey": "OriginSecretHashes", "ParameterValue": ""}]}
    world.edge.api.change = sent.append
    world.edge.demand("ab")
    assert sent == [{"OriginSecretHashes": "ab"}]


def test_nothing_is_replaced_without_an_edge():
    with pytest.raises(parameters.Wrong, match="no edge yet"):
        World().edge.rotate()


def test_a_deployment_with_a_domain_has_it_as_issuer_and_keeps_demanding_the_secret(tmp_path):
    world = World()
    world.edge.deploy()
    overrides = deploy.overrides(world.edge.deployment, KNOWN, tmp_path, world.edge)
    assert 'Issuer="https://auth.example.com"' in overrides
    assert f'OriginSecretHashes="{world.edge.accepted()}"' in overrides
    chosen = parameters.Deployment("twostep", "eu-west-1", {"Issuer": "https://id.example.com"}, DOMAIN)
    assert 'Issuer="https://id.example.com"' in deploy.overrides(chosen, KNOWN, tmp_path, world.edge)


def test_an_edge_needs_a_domain_and_a_zone_or_a_certificate(tmp_path):
    file = tmp_path / "deploy.toml"
    for lines, said in (
        ("HostedZoneId = 'Z0123456789'", "needs a DomainName"),
        ("DomainName = 'auth.example.com'", "needs a HostedZoneId, or a CertificateArn"),
        ("DomainName = 'https://auth.example.com'\nHostedZoneId = 'Z0123456789'", "DomainName must be"),
    ):
        file.write_text(f'stack_name = "twostep"\nregion = "eu-west-1"\n[edge]\n{lines}\n')
        with pytest.raises(parameters.Wrong, match=said):
            parameters.read(file, KNOWN, EDGE_KNOWN)

"""The edge in front of the API: CloudFront, WAF, certificate and DNS (edge.yaml), and the secret between CloudFront and the functions.

    .venv/bin/python scripts/edge.py --params deploy.toml rotate     replaces the secret without an outage

`make deploy` deploys the edge when the parameter file has a domain:

    [edge]
    DomainName = "auth.example.com"
    HostedZoneId = "Z0123456789ABCDEFGHIJ"

The functions demand the secret only once CloudFront sends it, and accept both secrets while it is replaced. They know only hashes. So
each step can be interrupted, and the same command run again.
"""

import argparse
import hashlib
import secrets
import string
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

import callback
import parameters

# Where CloudFront's certificates and web ACLs have to be.
REGION = "us-east-1"
TEMPLATE = parameters.ROOT / "edge.yaml"
ALPHABET = string.ascii_letters + string.digits
LENGTH = 64
CURRENT = "AWSCURRENT"
# The label of the secret that a replacement brings.
NEXT = "NEXT"
HASHES = "OriginSecretHashes"
RELEASE = "Release"


def hashes(*texts):
    return ",".join(hashlib.sha256(text.encode()).hexdigest() for text in texts if text)


class Stack:
    """A stack that is changed through change sets, which also works for templates with transforms."""

    def __init__(self, cloudformation, name, tags):
        self.cloudformation = cloudformation
        self.name = name
        self.tags = [{"Key": key, "Value": value} for key, value in tags.items()]

    def described(self):
        """The stack, or None. A stack without resources yet counts as none."""
        try:
            stack = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as failure:
            if failure.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return None if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else stack

    def change(self, values, template=None):
        """Makes or updates the stack. Without a template, the stack keeps its own, and the parameters that aren't named."""
        stack = self.described()
        if template is None:
            named = {"UsePreviousTemplate": True}
            kept = [parameter["ParameterKey"] for parameter in stack["Parameters"] if parameter["ParameterKey"] not in values]
        else:
            named, kept = {"TemplateBody": template}, []
        change_set = self.cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=f"twostep-{secrets.token_hex(8)}",
            ChangeSetType="UPDATE" if stack else "CREATE",
            Parameters=[
                *({"ParameterKey": name, "ParameterValue": value} for name, value in values.items()),
                *({"ParameterKey": name, "UsePreviousValue": True} for name in kept),
            ],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=self.tags,
            **named,
        )["Id"]
        try:
            self.cloudformation.get_waiter("change_set_create_complete").wait(ChangeSetName=change_set, StackName=self.name)
        except WaiterError as failure:
            reason = failure.last_response.get("StatusReason", "")
            # CloudFormation has no code for this.
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                self.cloudformation.delete_change_set(ChangeSetName=change_set, StackName=self.name)
                return
            raise parameters.Wrong(f"{self.name} can't be changed: {reason or failure}") from None
        self.cloudformation.execute_change_set(ChangeSetName=change_set, StackName=self.name)
        waiter = self.cloudformation.get_waiter("stack_update_complete" if stack else "stack_create_complete")
        # A distribution takes minutes, and a certificate waits for its DNS record.
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 15, "MaxAttempts": 240})


class Edge:
    """The edge of a deployment. `client` makes a boto3 client for a service in a region."""

    def __init__(self, deployment, client):
        self.deployment = deployment
        self.secretsmanager = client("secretsmanager", deployment.region)
        self.secret_name = f"{deployment.stack_name}/origin-secret"
        self.api = Stack(client("cloudformation", deployment.region), deployment.stack_name, deployment.all_tags())
        self.stack = Stack(client("cloudformation", REGION), f"{deployment.stack_name}-edge", deployment.all_tags())

    def issuer(self):
        return f"https://{self.deployment.edge['DomainName']}"

    def secret(self, stage):
        """The secret with a label, or None."""
        try:
            return self.secretsmanager.get_secret_value(SecretId=self.secret_name, VersionStage=stage)["SecretString"]
        except ClientError as failure:
            if failure.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise

    def accepted(self):
        """The hashes that the functions may demand already: none until CloudFront sends the secret."""
        if not self.stack.described():
            return ""
        return hashes(self.secret(CURRENT), self.secret(NEXT))

    def deploy(self):
        """Deploys the edge behind an API that is deployed, then lets the functions demand its secret."""
        secret = self.secret(CURRENT)
        if secret is None:
            secret = new_secret()
            self.secretsmanager.create_secret(
                Name=self.secret_name, SecretString=secret, Description="What CloudFront proves itself with to TwoStep's functions."
            )
        self.send(secret)
        self.demand(hashes(secret, self.secret(NEXT)))

    def send(self, secret):
        address = callback.outputs(self.api.cloudformation, self.api.name)["ApiAddress"]
        values = {**self.deployment.edge, "ApiDomain": address.removeprefix("https://"), "OriginSecret": secret}
        self.stack.change(values, TEMPLATE.read_text(encoding="utf-8"))

    def demand(self, wanted):
        stack = self.api.described()
        present = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
        if present.get(HASHES) == wanted:
            return
        values = {HASHES: wanted}
        # Aliases stay with their versions, and these with their hashes, until there is another release.
        if RELEASE in present:
            values[RELEASE] = hashlib.sha256(f"{present[RELEASE]} {wanted}".encode()).hexdigest()
        self.api.change(values)

    def rotate(self):
        """Replaces the secret: first both are accepted, then the new one is sent, then only that is accepted."""
        current = self.secret(CURRENT)
        if current is None or not self.stack.described():
            raise parameters.Wrong("There is no edge yet. Run `make deploy` with a domain first.")
        following = self.secret(NEXT)
        if following is None:
            following = new_secret()
            self.secretsmanager.put_secret_value(SecretId=self.secret_name, SecretString=following, VersionStages=[NEXT])
        self.demand(hashes(current, following))
        self.send(following)
        self.promote()
        self.demand(hashes(following))

    def promote(self):
        versions = self.secretsmanager.describe_secret(SecretId=self.secret_name)["VersionIdsToStages"]
        of_stage = {stage: version for version, stages in versions.items() for stage in stages}
        if of_stage[NEXT] != of_stage[CURRENT]:
            self.secretsmanager.update_secret_version_stage(
                SecretId=self.secret_name,
                VersionStage=CURRENT,
                MoveToVersionId=of_stage[NEXT],
                RemoveFromVersionId=of_stage[CURRENT],
            )
        self.secretsmanager.update_secret_version_stage(
            SecretId=self.secret_name, VersionStage=NEXT, RemoveFromVersionId=of_stage[NEXT]
        )


def new_secret():
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def clients(service, region):
    return boto3.client(service, region_name=region)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--params", type=Path, required=True)
    arguments.add_argument("action", choices=["rotate"])
    options = arguments.parse_args()
    try:
        deployment = parameters.read(options.params, *parameters.of_templates())
        if not deployment.edge:
            raise parameters.Wrong(f"{options.params} has no [edge].")
        Edge(deployment, clients).rotate()
        print("The secret is replaced.")
    except (parameters.Wrong, ClientError, BotoCoreError, WaiterError) as failure:
        parameters.stop(failure)


if __name__ == "__main__":
    main()

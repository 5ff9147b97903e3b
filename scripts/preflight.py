"""What would keep a deployment from working, found before anything is built.

    .venv/bin/python scripts/preflight.py --params deploy.toml

Reads only. Each check names the documentation that it relies on.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import parameters
import release

# Lambda keeps this much of an account's concurrency unreserved. Source: AWS Lambda Developer Guide, "Configuring reserved concurrency".
UNRESERVED = 100
# Below this concurrency limit, sign-ins of a few people at once are throttled. New accounts start with 10.
LITTLE_CONCURRENCY = 100
# How many roles and managed policies the stack makes: one role for each function, some room, and the boundary.
ROOM_FOR_ROLES = len(list((parameters.ROOT / "functions").iterdir())) + 2


@dataclass(frozen=True)
class Finding:
    """What was found. An error makes the deployment fail; a warning is for the operator to judge."""

    error: bool
    text: str


def error(text):
    return Finding(True, text)


def warning(text):
    return Finding(False, text)


def code_of(failure):
    return failure.response["Error"]["Code"] if isinstance(failure, ClientError) else type(failure).__name__


class Preflight:
    """The checks of one deployment. `client` makes a boto3 client for a service."""

    def __init__(self, deployment, known, client):
        self.deployment = deployment
        self.known = known
        self.client = client

    def value(self, name):
        return self.deployment.value(name, self.known) if name in self.known else ""

    def run(self):
        """All findings. Without credentials, no other check can run."""
        findings = list(self.tools())
        account = list(self.account())
        findings += account
        if any(finding.error for finding in account):
            return findings
        for check in (self.stack, self.logs, self.concurrency, self.roles, self.keys, self.email, self.domain):
            try:
                findings += check()
            except (ClientError, BotoCoreError) as failure:
                name = check.__name__
                findings.append(warning(f"The check of {name} couldn't run ({code_of(failure)}); the deployment may fail there."))
        return findings

    def tools(self):
        # An operator who deploys a release has its artefacts and needs no compiler.
        if release.FOLDER.is_dir():
            return
        for tool, source in (("cargo", "https://rustup.rs"), ("cc", "your system's C compiler package")):
            if shutil.which(tool) is None:
                yield error(f"`{tool}` isn't installed; get it from {source}.")

    def account(self):
        region = self.deployment.region
        try:
            self.client("sts").get_caller_identity()
        except ClientError as failure:
            if code_of(failure) in ("InvalidClientTokenId", "UnrecognizedClientException"):
                # Source: AWS Account Management Reference Guide, "Enable or disable AWS Regions in your account".
                yield error(f"AWS rejects the credentials in {region}. If they work elsewhere, enable the region for the account first.")
            else:
                yield error(f"AWS rejects the credentials: {code_of(failure)}. Sign in again.")
        except BotoCoreError as failure:
            yield error(f"No AWS credentials can be used: {failure} Run `aws configure` or `aws sso login`.")

    def existing(self):
        """The stack as it is, or None."""
        try:
            return self.client("cloudformation").describe_stacks(StackName=self.deployment.stack_name)["Stacks"][0]
        except ClientError as failure:
            # Source: CloudFormation API Reference, DescribeStacks.
            if code_of(failure) == "ValidationError":
                return None
            raise

    def stack(self):
        stack = self.existing()
        status = stack["StackStatus"] if stack else ""
        name = self.deployment.stack_name
        # Source: CloudFormation User Guide, "Stack status codes".
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
            yield error(f"The stack {name} is {status}, so it can't be updated. Run `make undo-failed-deploy`, then deploy again.")
        elif status == "UPDATE_ROLLBACK_FAILED":
            yield error(f"The stack {name} is {status}. Run `aws cloudformation continue-update-rollback --stack-name {name}` first.")
        elif status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            yield error(f"The stack {name} is {status}. Wait until that has ended.")

    def logs(self):
        """Log groups of a deleted stack of this name: CloudFormation can't create what exists."""
        if self.existing():
            return
        prefix = f"/aws/vendedlogs/{self.deployment.stack_name}/"
        groups = self.client("logs").describe_log_groups(logGroupNamePrefix=prefix, limit=50)["logGroups"]
        if groups:
            names = ", ".join(group["logGroupName"] for group in groups)
            yield error(f"These log groups exist although the stack doesn't: {names}. Delete them, or choose another stack name.")

    def concurrency(self):
        limit = self.client("lambda").get_account_settings()["AccountLimit"]
        reserved = int(self.value("SendSmsConcurrency") or 0)
        stack = self.existing()
        before = 0
        for parameter in (stack or {}).get("Parameters", []):
            if parameter["ParameterKey"] == "SendSmsConcurrency":
                before = int(parameter["ParameterValue"])
        free = limit["UnreservedConcurrentExecutions"] + before - UNRESERVED
        if reserved > max(free, 0):
            yield error(
                f"SendSmsConcurrency is {reserved}, but Lambda lets this account reserve {max(free, 0)}: {UNRESERVED} of its "
                f"{limit['ConcurrentExecutions']} must stay unreserved. Set it to 0, or request a higher limit in Service Quotas "
                "(Lambda, Concurrent executions)."
            )
        if limit["ConcurrentExecutions"] < LITTLE_CONCURRENCY:
            yield warning(
                f"This account runs at most {limit['ConcurrentExecutions']} functions at once, so busy moments end in 503. Request at "
                "least 1000 in Service Quotas (Lambda, Concurrent executions); that can take days."
            )

    def roles(self):
        if self.existing():
            return
        summary = self.client("iam").get_account_summary()["SummaryMap"]
        left = summary["RolesQuota"] - summary["Roles"]
        if left < ROOM_FOR_ROLES:
            yield error(f"The account can have {left} more IAM roles, but the stack needs {ROOM_FOR_ROLES}. Request more in Service Quotas.")

    def keys(self):
        """The KMS key of the alarms topic: an account can forbid KMS, and a key can be disabled or about to be deleted."""
        if not self.value("AlarmEmail"):
            return
        kms = self.client("kms")
        try:
            kms.list_keys(Limit=1)
        except ClientError as failure:
            yield error(f"AlarmEmail needs a KMS key, but KMS refuses: {code_of(failure)}. Allow kms:CreateKey, or leave AlarmEmail empty.")
            return
        if not self.existing():
            return
        try:
            resource = self.client("cloudformation").describe_stack_resource(
                StackName=self.deployment.stack_name, LogicalResourceId="AlarmKey"
            )["StackResourceDetail"]
        except ClientError as failure:
            if code_of(failure) == "ValidationError":
                return
            raise
        state = kms.describe_key(KeyId=resource["PhysicalResourceId"])["KeyMetadata"]["KeyState"]
        if state != "Enabled":
            yield error(f"The KMS key of the alarms topic is {state}, so alarms aren't delivered. Enable it, or cancel its deletion.")

    def email(self):
        """SES, if the service sends email. Source: Amazon SES Developer Guide, "Request production access"."""
        sender = self.value("EmailFrom")
        if not sender:
            return
        ses = self.client("sesv2")
        account = ses.get_account()
        if not account.get("SendingEnabled", False):
            yield error("SES has paused sending for this account in this region. See the SES console.")
        if not account.get("ProductionAccessEnabled", False):
            yield warning(
                "SES is in its sandbox in this region, so only verified addresses get email. Request production access in the SES "
                "console; that can take a day."
            )
        address = sender.rstrip(">").rsplit("<", 1)[-1].strip()
        for identity in (address, address.rsplit("@", 1)[-1]):
            try:
                if ses.get_email_identity(EmailIdentity=identity).get("VerifiedForSendingStatus", False):
                    return
            except ClientError as failure:
                if code_of(failure) != "NotFoundException":
                    raise
        yield error(f"SES may not send as {address} in this region: verify the address or its domain in the SES console.")

    def domain(self):
        """The hosted zone of the edge's domain."""
        edge = self.deployment.edge
        if not edge.get("HostedZoneId"):
            return
        zone = self.client("route53").get_hosted_zone(Id=edge["HostedZoneId"])["HostedZone"]
        if zone.get("Config", {}).get("PrivateZone"):
            yield error(f"The hosted zone {edge['HostedZoneId']} is private; the certificate needs a public one.")
        if not f".{edge['DomainName']}.".endswith("." + zone["Name"]):
            yield error(f"The domain {edge['DomainName']} isn't in the hosted zone {zone['Name']}")


def report(findings, out=print):
    """Prints the findings. Returns whether a deployment can work."""
    for finding in findings:
        out(f"{'error' if finding.error else 'warning'}: {finding.text}")
    failed = any(finding.error for finding in findings)
    out("preflight: the deployment can't work yet" if failed else "preflight: nothing stands in the way of a deployment")
    return not failed


def clients(region):
    """Makes clients of a region, with few attempts so that missing network access is reported soon."""
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
    return lambda service: boto3.client(service, region_name=region, config=config)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--params", type=Path, required=True)
    options = arguments.parse_args()
    known, edge_known = parameters.of_templates()
    try:
        deployment = parameters.read(options.params, known, edge_known)
    except parameters.Wrong as wrong:
        parameters.stop(wrong)
    if not report(Preflight(deployment, known, clients(deployment.region)).run()):
        sys.exit(1)


if __name__ == "__main__":
    main()

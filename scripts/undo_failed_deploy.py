"""Removes what a failed first deployment left, so that the next attempt starts from nothing.

    .venv/bin/python scripts/undo_failed_deploy.py --params deploy.toml [--yes]

A rollback deletes what it created (RetainExceptOnCreate), except what can't be deleted, such as tables with deletion protection. This
script refuses if the stack was ever complete, or if a table has items: then there may be accounts.
"""

import argparse
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

import parameters

STACK = "AWS::CloudFormation::Stack"
# The states that a stack can be in after its creation failed. Source: CloudFormation User Guide, "Stack status codes".
FAILED = ("REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
# A secret that nothing used can still be restored for this long.
RECOVERY_DAYS = 7


class Leftovers:
    """A failed stack and what it left. `client` makes a boto3 client for a service."""

    def __init__(self, stack_name, client):
        self.cloudformation = client("cloudformation")
        self.dynamodb = client("dynamodb")
        self.secretsmanager = client("secretsmanager")
        self.logs = client("logs")
        self.stack_name = stack_name
        self.stack_id = None
        self.resources = []

    def find(self):
        """Finds the stack and its resources. Raises parameters.Wrong unless its creation failed and nothing was used."""
        try:
            stack = self.cloudformation.describe_stacks(StackName=self.stack_name)["Stacks"][0]
        except ClientError as failure:
            if failure.response["Error"]["Code"] == "ValidationError":
                raise parameters.Wrong(f"There is no stack {self.stack_name}, so there is nothing to undo.") from None
            raise
        self.stack_id = stack["StackId"]
        if stack["StackStatus"] not in FAILED:
            raise parameters.Wrong(f"The stack {self.stack_name} is {stack['StackStatus']}: its creation didn't fail. Nothing was changed.")
        self.refuse_if_ever_complete()
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack_id)
        for page in pages:
            for resource in page["StackResourceSummaries"]:
                if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != "DELETE_COMPLETE":
                    self.resources.append((resource["ResourceType"], resource["PhysicalResourceId"]))
        for table in self.of("AWS::DynamoDB::Table"):
            if self.has_items(table):
                raise parameters.Wrong(f"The table {table} has items. Nothing was changed.")

    def refuse_if_ever_complete(self):
        began = False
        for page in self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.stack_id):
            for event in page["StackEvents"]:
                if event["ResourceType"] != STACK or event["PhysicalResourceId"] != self.stack_id:
                    continue
                status = event["ResourceStatus"]
                began = began or status in ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS")
                if status == "CREATE_COMPLETE" or status.startswith("UPDATE_"):
                    raise parameters.Wrong(f"The stack {self.stack_name} was complete once ({status}), so it may have accounts. Nothing was changed.")
        # CloudFormation keeps events for 90 days.
        if not began:
            raise parameters.Wrong(f"The events of {self.stack_name} don't go back to its creation, so it may have been complete. Nothing was changed.")

    def of(self, kind):
        return [name for found, name in self.resources if found == kind]

    def has_items(self, table):
        try:
            return self.dynamodb.scan(TableName=table, Limit=1, ConsistentRead=True)["Count"] > 0
        except self.dynamodb.exceptions.ResourceNotFoundException:
            return False

    def remove(self):
        """Deletes the stack, then what CloudFormation keeps."""
        for table in self.of("AWS::DynamoDB::Table"):
            self.only_if_there(self.dynamodb.update_table, TableName=table, DeletionProtectionEnabled=False)
        self.cloudformation.delete_stack(StackName=self.stack_id)
        self.cloudformation.get_waiter("stack_delete_complete").wait(StackName=self.stack_id)
        for table in self.of("AWS::DynamoDB::Table"):
            self.only_if_there(self.dynamodb.delete_table, TableName=table)
        for secret in self.of("AWS::SecretsManager::Secret"):
            self.only_if_there(self.secretsmanager.delete_secret, SecretId=secret, RecoveryWindowInDays=RECOVERY_DAYS)
        for group in self.of("AWS::Logs::LogGroup"):
            self.only_if_there(self.logs.delete_log_group, logGroupName=group)

    @staticmethod
    def only_if_there(call, **arguments):
        try:
            call(**arguments)
        except ClientError as failure:
            if failure.response["Error"]["Code"] != "ResourceNotFoundException":
                raise


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--params", type=Path, required=True)
    arguments.add_argument("--yes", action="store_true", help="don't ask")
    options = arguments.parse_args()
    try:
        deployment = parameters.read(options.params, *parameters.of_templates())
        leftovers = Leftovers(deployment.stack_name, lambda service: boto3.client(service, region_name=deployment.region))
        leftovers.find()
        print(f"The stack {deployment.stack_name} and, where they are left:")
        for kind in ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"):
            for name in leftovers.of(kind):
                print(f"  {name}")
        if not options.yes and input("Delete them? [y/N] ").strip().lower() != "y":
            sys.exit("Nothing was changed.")
        leftovers.remove()
        print("Deleted. Deploy again with `make deploy`.")
    except (parameters.Wrong, ClientError, BotoCoreError, WaiterError) as failure:
        parameters.stop(failure)


if __name__ == "__main__":
    main()

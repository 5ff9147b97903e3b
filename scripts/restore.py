"""Copies lost items from a restored table back into the live one.

    .venv/bin/python scripts/restore.py --from RESTORED --to LIVE --region REGION            shows what it would do
    .venv/bin/python scripts/restore.py --from RESTORED --to LIVE --region REGION --write    does it

DynamoDB restores only into a new table, and imports only into a new table, so the items have to be copied. Items of the live table are
newer than those of the restored one and always win: an item is written only if its key is free. An account is restored as a whole, in one
transaction: the account and the email addresses and numbers that belong to it. If one of these has a new owner, the account isn't
restored, and the script names it.

It can be interrupted and run again: it continues after the last complete page, and nothing is written twice. The file named by --state
keeps the place.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import parameters

# An account's item in the table `users`, and the uniqueness items that name its owner.
ACCOUNT = "USER#"
# A transaction has at most 100 items. Source: Amazon DynamoDB Developer Guide, "Quotas".
LARGEST_TRANSACTION = 100
ATTEMPTS = 8


class Restore:
    """One run. `outcomes` counts what happened to the items."""

    def __init__(self, dynamodb, source, target, write, state=None, page=200):
        self.dynamodb = dynamodb
        self.source = source
        self.target = target
        self.write = write
        self.state = state
        self.page = page
        self.outcomes = Counter()
        self.conflicts = []

    def run(self):
        self.keys = self.keys_of(self.source)
        if self.keys_of(self.target) != self.keys:
            raise parameters.Wrong(f"{self.source} and {self.target} have different keys.")
        owners = self.owned()
        start = self.remembered()
        while True:
            arguments = {"ExclusiveStartKey": start} if start else {}
            page = self.dynamodb.scan(TableName=self.source, ConsistentRead=True, Limit=self.page, **arguments)
            for item in page["Items"]:
                self.item(item, owners)
            start = page.get("LastEvaluatedKey")
            self.remember(start)
            if not start:
                return

    def keys_of(self, table):
        schema = self.dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
        return [key["AttributeName"] for key in schema]

    def owned(self):
        """The restored items that belong to an account, by the account's id. Notes the restored accounts too."""
        owners = {}
        self.accounts = set()
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.source, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                if self.name(item).startswith(ACCOUNT):
                    self.accounts.add(self.name(item).removeprefix(ACCOUNT))
                elif self.is_owned(item):
                    owners.setdefault(item["user_id"]["S"], []).append(item)
        return owners

    def key(self, item):
        return {name: item[name] for name in self.keys}

    def name(self, item):
        """The key as text. Only an account's is compared; others are shown."""
        return "/".join(str(value) for attribute in self.key(item).values() for value in attribute.values())

    def is_owned(self, item):
        # In a table with a sort key, such as a log by user, items don't reserve names.
        return len(self.keys) == 1 and "user_id" in item and not self.name(item).startswith(ACCOUNT)

    def item(self, item, owners):
        name = self.name(item)
        if name.startswith(ACCOUNT):
            self.together([item, *owners.get(name.removeprefix(ACCOUNT), [])])
        elif not self.is_owned(item):
            self.together([item])
        elif item["user_id"]["S"] not in self.accounts:
            # Its account isn't restored, so it would reserve a name for nobody.
            self.outcomes["skipped"] += 1

    def together(self, items):
        """Writes the items if none of their keys is taken."""
        taken = [self.name(item) for item in items if self.is_there(item)]
        if self.name(items[0]) in taken:
            self.outcomes["kept"] += len(items)
        elif taken:
            self.conflict(items[0], taken)
        elif len(items) > LARGEST_TRANSACTION:
            self.conflict(items[0], [f"{len(items)} items"])
        elif not self.write:
            self.outcomes["missing"] += len(items)
        elif self.transact(items):
            self.outcomes["restored"] += len(items)
        else:
            # Someone took a name since it was read.
            self.conflict(items[0], ["a name that was taken just now"])

    def conflict(self, item, taken):
        self.outcomes["conflicts"] += 1
        self.conflicts.append((self.name(item), taken))

    def is_there(self, item):
        return "Item" in self.dynamodb.get_item(TableName=self.target, Key=self.key(item), ConsistentRead=True)

    def transact(self, items):
        puts = [
            {
                "Put": {
                    "TableName": self.target,
                    "Item": item,
                    "ConditionExpression": "attribute_not_exists(#key)",
                    "ExpressionAttributeNames": {"#key": self.keys[0]},
                }
            }
            for item in items
        ]
        for attempt in range(ATTEMPTS):
            try:
                self.dynamodb.transact_write_items(TransactItems=puts)
                return True
            except self.dynamodb.exceptions.TransactionCanceledException as canceled:
                reasons = {reason["Code"] for reason in canceled.response["CancellationReasons"]}
                if "ConditionalCheckFailed" in reasons:
                    return False
                # A conflict with another transaction, or a throttled table.
                time.sleep(min(0.05 * 2**attempt, 2))
        raise parameters.Wrong(f"{self.target} is too busy. Run the same command again: it continues where it stopped.")

    def remembered(self):
        """Where the last run of the same copy stopped. A dry run starts from the beginning."""
        if not self.write or self.state is None or not self.state.exists():
            return None
        kept = json.loads(self.state.read_text(encoding="utf-8"))
        if (kept["from"], kept["to"]) != (self.source, self.target):
            raise parameters.Wrong(f"{self.state} belongs to another copy ({kept['from']} to {kept['to']}). Delete it, or name another file.")
        return kept["after"]

    def remember(self, after):
        if not self.write or self.state is None:
            return
        if after is None:
            self.state.unlink(missing_ok=True)
        else:
            self.state.write_text(json.dumps({"from": self.source, "to": self.target, "after": after}), encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--from", dest="source", required=True, help="the restored table")
    arguments.add_argument("--to", dest="target", required=True, help="the live table")
    arguments.add_argument("--region", required=True)
    arguments.add_argument("--write", action="store_true", help="write; without it, only count")
    arguments.add_argument("--state", type=Path, help="the file that keeps the place (default: restore-LIVE.json)")
    arguments.add_argument("--page", type=int, default=200, help="items per page")
    options = arguments.parse_args()
    state = options.state or Path(f"restore-{options.target}.json")
    restore = Restore(
        boto3.client("dynamodb", region_name=options.region), options.source, options.target, options.write, state, options.page
    )
    try:
        restore.run()
    except (parameters.Wrong, ClientError, BotoCoreError) as failure:
        parameters.stop(failure)
    for name, count in sorted(restore.outcomes.items()):
        print(f"{count} {name}")
    for name, taken in restore.conflicts:
        print(f"not restored: {name}, because the live table has {', '.join(taken)}")
    if not options.write:
        print("This was a dry run. Add --write to restore the missing items.")
    sys.exit(1 if restore.conflicts else 0)


if __name__ == "__main__":
    main()

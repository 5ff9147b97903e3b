"""Deploys TwoStep: checks the parameters and the account, builds, deploys, and uses the deployment once.

    .venv/bin/python scripts/deploy.py --params deploy.toml                   unattended
    .venv/bin/python scripts/deploy.py --params deploy.toml --first           asks for the values and writes the file
    .venv/bin/python scripts/deploy.py --params deploy.toml --propose         makes a change set for someone to approve
    .venv/bin/python scripts/deploy.py --params deploy.toml --apply ARN       makes the changes of an approved change set

Every value is checked before the build, because the build takes minutes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

import edge
import parameters
import preflight
import release
import smoke

BUILT = parameters.ROOT / ".aws-sam" / "build"


def fingerprint(folder, values):
    """What the functions are made from, as a hash: their code, the template, and the values of its parameters."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    parts = [[(str(file.relative_to(folder)), release.digest(file)) for file in files], sorted(values.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def overrides(deployment, known, folder, front=None):
    """The parameters for `sam deploy`. All are named, so that a value that is removed from the file returns to its default:
    CloudFormation keeps a stack's former value of a parameter that isn't named."""
    values = {name: deployment.value(name, known) for name in known}
    if front is not None:
        # Tokens name the public address, unless the operator chose another issuer.
        values["Issuer"] = values["Issuer"] or front.issuer()
        values[edge.HASHES] = front.accepted()
    values[edge.RELEASE] = fingerprint(folder, {name: value for name, value in values.items() if name != edge.RELEASE})
    # The SAM CLI reads quoted values; no parameter's pattern allows quotes or backslashes.
    return [f'{name}="{value}"' for name, value in values.items()]


def deploy_command(deployment, known, confirm, front=None, propose=False):
    """The deployment of what is built."""
    is_release = release.FOLDER.is_dir()
    # The SAM CLI looks for it beside the template.
    config = ["--config-file", str(parameters.ROOT / "samconfig.toml")]
    return [
        "sam",
        "deploy",
        *(["--template-file", str(release.FOLDER / "template.yaml"), *config] if is_release else []),
        "--stack-name",
        deployment.stack_name,
        "--s3-prefix",
        deployment.stack_name,
        "--region",
        deployment.region,
        "--confirm-changeset" if confirm else "--no-confirm-changeset",
        *(["--no-execute-changeset"] if propose else []),
        "--tags",
        *(f'{name}="{value}"' for name, value in deployment.all_tags().items()),
        "--parameter-overrides",
        *overrides(deployment, known, release.FOLDER if is_release else BUILT, front),
    ]


def proposed(cloudformation, stack_name):
    """The newest change set of a stack that can be executed: its ARN and its changes, or None if nothing changes."""
    pages = cloudformation.get_paginator("list_change_sets").paginate(StackName=stack_name)
    found = [summary for page in pages for summary in page["Summaries"] if summary.get("ExecutionStatus") == "AVAILABLE"]
    if not found:
        return None
    newest = max(found, key=lambda summary: summary["CreationTime"])["ChangeSetId"]
    changes = []
    for page in cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=newest, StackName=stack_name):
        changes += [change["ResourceChange"] for change in page["Changes"] if "ResourceChange" in change]
    return newest, changes


def summary(changes):
    """A table of changes in Markdown, the dangerous ones first."""
    lines = ["| action | resource | type | replaced |", "|---|---|---|---|"]
    risky = {"Remove": 0, "Modify": 1, "Add": 2}
    for change in sorted(changes, key=lambda change: (change.get("Replacement") != "True", risky.get(change["Action"], 3))):
        cells = (change["Action"], f"`{change['LogicalResourceId']}`", change["ResourceType"], change.get("Replacement", ""))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def tell(variable, text):
    """Leaves text for GitHub's runner, or prints it."""
    file = os.environ.get(variable)
    if file is None:
        print(text)
        return
    with open(file, "a", encoding="utf-8") as appended:
        appended.write(text + "\n")


def apply(cloudformation, stack_name, change_set):
    """Executes a change set and waits for its end."""
    described = cloudformation.describe_change_set(ChangeSetName=change_set, StackName=stack_name)
    if described["ExecutionStatus"] != "AVAILABLE":
        raise parameters.Wrong(f"The change set is {described['ExecutionStatus']}. Propose the changes again.")
    status = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]["StackStatus"]
    cloudformation.execute_change_set(ChangeSetName=change_set, StackName=stack_name)
    waiter = "stack_create_complete" if status == "REVIEW_IN_PROGRESS" else "stack_update_complete"
    cloudformation.get_waiter(waiter).wait(StackName=stack_name, WaiterConfig={"Delay": 10, "MaxAttempts": 360})


def first(path, known):
    """Asks for the values of a first deployment and keeps them in a new file."""
    if path.exists():
        raise parameters.Wrong(f"{path} exists. Edit it and run `make deploy`, or name another file with PARAMS=.")
    deployment = parameters.ask_all(known)
    parameters.write(path, deployment)
    print(f"\nThe answers are in {path}. Keep the file: `make deploy` reads it for every upgrade.\n")


def sam(command):
    print("$ " + " ".join(command[:2]), flush=True)
    if subprocess.run(command, cwd=parameters.ROOT, check=False).returncode != 0:
        raise parameters.Wrong(f"`{' '.join(command[:2])}` failed. If this was the first deployment, run `make undo-failed-deploy`.")


def build_and_deploy(deployment, known, front, confirm, propose):
    """Runs the SAM CLI. A release is built already."""
    if not release.FOLDER.is_dir():
        sam(["sam", "build"])
    sam(deploy_command(deployment, known, confirm, front, propose))


def finish(deployment, front):
    """What follows once the stack is complete: the edge, and a test."""
    if front is not None:
        print(f"Deploying the edge at {front.issuer()}; the first time takes up to 30 minutes.", flush=True)
        front.deploy()
    try:
        smoke.check(deployment)
    except smoke.Failed as failure:
        raise parameters.Wrong(f"The deployment doesn't work: {failure}. To roll back, check out the previous tag and run `make deploy`.") from None


def run(options):
    known, edge_known = parameters.of_templates()
    if options.first:
        first(options.params, known)
    deployment = parameters.read(options.params, known, edge_known)
    cloudformation = preflight.clients(deployment.region)("cloudformation")
    front = edge.Edge(deployment, edge.clients) if deployment.edge else None
    if options.apply:
        apply(cloudformation, deployment.stack_name, options.apply)
        finish(deployment, front)
        return
    if release.FOLDER.is_dir():
        release.verify()
    checks = preflight.Preflight(deployment, known, preflight.clients(deployment.region))
    if not preflight.report(checks.run()):
        sys.exit(1)
    build_and_deploy(deployment, known, front, options.confirm or options.first, options.propose)
    if not options.propose:
        finish(deployment, front)
    elif found := proposed(cloudformation, deployment.stack_name):
        tell("GITHUB_STEP_SUMMARY", summary(found[1]))
        tell("GITHUB_OUTPUT", f"change-set={found[0]}")
    else:
        tell("GITHUB_STEP_SUMMARY", "Nothing changes.")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--params", type=Path, required=True)
    arguments.add_argument("--first", action="store_true", help="ask for the values and write the file")
    arguments.add_argument("--confirm", action="store_true", help="show the changes and ask before making them")
    arguments.add_argument("--propose", action="store_true", help="make a change set and don't execute it")
    arguments.add_argument("--apply", metavar="ARN", help="execute a change set instead of building")
    options = arguments.parse_args()
    try:
        run(options)
    except EOFError:
        parameters.stop("There is no terminal to answer on. Write the parameter file by hand; see scripts/parameters.py.")
    except (parameters.Wrong, ClientError, BotoCoreError, WaiterError) as failure:
        parameters.stop(failure)


if __name__ == "__main__":
    main()

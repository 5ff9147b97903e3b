"""Deploys TwoStep: checks the parameters and the account, builds, and deploys.

    .venv/bin/python scripts/deploy.py --params deploy.toml             unattended
    .venv/bin/python scripts/deploy.py --params deploy.toml --first     asks for the values and writes the file

Every value is checked before the build, because the build takes minutes.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

import edge
import parameters
import preflight


def overrides(deployment, known, front=None):
    """The parameters for `sam deploy`. All are named, so that a value that is removed from the file returns to its default:
    CloudFormation keeps a stack's former value of a parameter that isn't named."""
    values = {name: deployment.value(name, known) for name in known}
    if front is not None:
        # Tokens name the public address, unless the operator chose another issuer.
        values["Issuer"] = values["Issuer"] or front.issuer()
        values[edge.HASHES] = front.accepted()
    # The SAM CLI reads quoted values; no parameter's pattern allows quotes or backslashes.
    return [f'{name}="{value}"' for name, value in values.items()]


def commands(deployment, known, confirm, front=None):
    """What runs, in order."""
    build = ["sam", "build"]
    deploy = [
        "sam",
        "deploy",
        "--stack-name",
        deployment.stack_name,
        "--s3-prefix",
        deployment.stack_name,
        "--region",
        deployment.region,
        "--confirm-changeset" if confirm else "--no-confirm-changeset",
        "--parameter-overrides",
        *overrides(deployment, known, front),
    ]
    return [build, deploy]


def first(path, known):
    """Asks for the values of a first deployment and keeps them in a new file."""
    if path.exists():
        raise parameters.Wrong(f"{path} exists. Edit it and run `make deploy`, or name another file with PARAMS=.")
    deployment = parameters.ask_all(known)
    parameters.write(path, deployment)
    print(f"\nThe answers are in {path}. Keep the file: `make deploy` reads it for every upgrade.\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--params", type=Path, required=True)
    arguments.add_argument("--first", action="store_true", help="ask for the values and write the file")
    arguments.add_argument("--confirm", action="store_true", help="show the changes and ask before making them")
    options = arguments.parse_args()
    known, edge_known = parameters.of_templates()
    try:
        if options.first:
            first(options.params, known)
        deployment = parameters.read(options.params, known, edge_known)
    except parameters.Wrong as wrong:
        parameters.stop(wrong)
    except EOFError:
        parameters.stop("There is no terminal to answer on. Write the parameter file by hand; see scripts/parameters.py.")
    checks = preflight.Preflight(deployment, known, preflight.clients(deployment.region))
    if not preflight.report(checks.run()):
        sys.exit(1)
    front = edge.Edge(deployment, edge.clients) if deployment.edge else None
    try:
        steps = commands(deployment, known, options.confirm or options.first, front)
    except (ClientError, BotoCoreError) as failure:
        parameters.stop(failure)
    for command in steps:
        print("$ " + " ".join(command[:2]), flush=True)
        if subprocess.run(command, cwd=parameters.ROOT, check=False).returncode != 0:
            parameters.stop(f"`{' '.join(command[:2])}` failed. If this was the first deployment, run `make undo-failed-deploy`.")
    if front is not None:
        print(f"Deploying the edge at {front.issuer()}; the first time takes up to 30 minutes.", flush=True)
        try:
            front.deploy()
        except (parameters.Wrong, ClientError, BotoCoreError, WaiterError) as failure:
            parameters.stop(f"The edge failed, and the API serves without it: {failure}. Run the same command again.")


if __name__ == "__main__":
    main()

"""Prints the URL for Clickatell's delivery reports, or replaces its token first (--rotate).

    .venv/bin/python scripts/callback.py --params deploy.toml [--rotate]

After a replacement, the previous URL works until the next one, so that no report is lost while you change the URL in Clickatell's
portal. If a token has leaked, replace it twice.
"""

import argparse
import secrets
import string
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import parameters

# As the template's GenerateSecretString: only letters and digits, because it is part of a URL.
ALPHABET = string.ascii_letters + string.digits
LENGTH = 48


def outputs(cloudformation, stack_name):
    """The outputs of a stack, by name."""
    stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def rotate(secretsmanager, secret):
    token = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    # Secrets Manager keeps the former version as AWSPREVIOUS, which sms-status accepts too.
    secretsmanager.put_secret_value(SecretId=secret, SecretString=token)


def url(found, secretsmanager):
    """The whole URL. Behind an edge, it is on the edge's domain."""
    token = secretsmanager.get_secret_value(SecretId=found["CallbackSecretName"])["SecretString"]
    return found["CallbackAddress"] + token


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--params", type=Path, required=True)
    arguments.add_argument("--rotate", action="store_true", help="replace the token first")
    options = arguments.parse_args()
    try:
        deployment = parameters.read(options.params, *parameters.of_templates())
        found = outputs(boto3.client("cloudformation", region_name=deployment.region), deployment.stack_name)
        secretsmanager = boto3.client("secretsmanager", region_name=deployment.region)
        if options.rotate:
            rotate(secretsmanager, found["CallbackSecretName"])
        print(url(found, secretsmanager))
        if options.rotate:
            print("Wait five minutes, until all functions know the new token, before you change the URL in Clickatell's portal.")
    except (parameters.Wrong, ClientError, BotoCoreError) as failure:
        parameters.stop(failure)


if __name__ == "__main__":
    main()

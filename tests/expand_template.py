"""Expands the SAM template offline, as CloudFormation would, and prints it as JSON for linters and tests.

    .venv/bin/python tests/expand_template.py template.yaml [PARAMETER=VALUE…]
"""

import json
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# The managed policies that the transform attaches itself, and would look up in IAM.
MANAGED_POLICIES = {
    name: f"arn:aws:iam::aws:policy/{path}"
    for name, path in {
        "AWSLambdaBasicExecutionRole": "service-role/AWSLambdaBasicExecutionRole",
        "AWSXRayDaemonWriteAccess": "AWSXRayDaemonWriteAccess",
        "AWSXrayWriteOnlyAccess": "AWSXrayWriteOnlyAccess",
    }.items()
}


class Region:
    """Replaces a boto session. The transform reads only the region, for the partition."""

    region_name = "us-east-1"


def expand(path, values):
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file)
    return transform(template, values)


def expand_text(text, values):
    """The same for the text of a template, as JSON."""
    return json.dumps(transform(yaml_parse(text), values))


def transform(template, values):
    """`values` are those of parameters that have not their default. The transform sees them; conditions stay as they are."""
    for resource in template["Resources"].values():
        # Replace local folders, as `sam build` does with its uploads.
        properties = resource.get("Properties", {})
        code = properties.get("CodeUri", "s3://")
        if not code.startswith("s3://"):
            properties["CodeUri"] = {"Bucket": "built", "Key": code}
    translator = Translator(MANAGED_POLICIES, Parser(), boto_session=Region())
    return translator.translate(template, values)


if __name__ == "__main__":
    json.dump(expand(sys.argv[1], dict(pair.split("=", 1) for pair in sys.argv[2:])), sys.stdout, indent=1, sort_keys=True)

"""Expands the SAM template as CloudFormation would, offline, and prints it as JSON: what linters and tests look at."""

import json
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# What the transform would ask IAM for: the managed policies that it attaches by itself.
MANAGED_POLICIES = {
    name: f"arn:aws:iam::aws:policy/{path}"
    for name, path in {
        "AWSLambdaBasicExecutionRole": "service-role/AWSLambdaBasicExecutionRole",
        "AWSXRayDaemonWriteAccess": "AWSXRayDaemonWriteAccess",
        "AWSXrayWriteOnlyAccess": "AWSXrayWriteOnlyAccess",
    }.items()
}


class Region:
    """Stands in for a boto session: the transform only wants to know which partition it is in."""

    region_name = "us-east-1"


def expand(path):
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file)
    for resource in template["Resources"].values():
        # What `sam build` would upload.
        properties = resource.get("Properties", {})
        if "CodeUri" in properties:
            properties["CodeUri"] = {"Bucket": "built", "Key": properties["CodeUri"]}
    translator = Translator(MANAGED_POLICIES, Parser(), boto_session=Region())
    return translator.translate(template, {})


if __name__ == "__main__":
    json.dump(expand(sys.argv[1]), sys.stdout, indent=1, sort_keys=True)

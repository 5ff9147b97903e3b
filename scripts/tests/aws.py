"""A stand-in of AWS: moto's server, with the SAM transform and the types of resources that its CloudFormation lacks.

`skipped` collects the types that it doesn't create."""

import json
import secrets
import string
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse
from urllib.request import Request, urlopen

import boto3
from moto.apigatewayv2.models import apigatewayv2_backends
from moto.awslambda.models import LambdaVersion, lambda_backends
from moto.cloudformation import parsing
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.responses import CloudFormationResponse
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.common_models import CloudFormationModel
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.server import ThreadedMotoServer
from samcli.lib.bootstrap.bootstrap import _get_stack_template

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from expand_template import expand_text  # noqa: E402

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "stand-in", "AWS_SECRET_ACCESS_KEY": "stand-in"}


def uploaded(response, url):
    """The template behind an S3 URL with the bucket in its path, expanded with the parameters of the request."""
    bucket, key = unquote(urlparse(url).path).lstrip("/").split("/", 1)
    text = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key).value.decode()
    values = response._get_param("Parameters") or []
    return expand_text(text, {value["ParameterKey"]: value["ParameterValue"] for value in values if "ParameterValue" in value})


class OfStack:
    """A type of resource that moto's CloudFormation lacks."""

    @staticmethod
    def cloudformation_name_type():
        return "Name"

    @classmethod
    def has_cfn_attr(cls, attr):
        return attr in cls.attributes

    def get_cfn_attribute(self, attr):
        return self.attributes[attr](self)

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_kwargs):
        return cls(account_id, region_name, resource_name, cloudformation_json.get("Properties", {}))

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, *_args, **_kwargs):
        return original_resource

    def is_created(self):
        return True


class Secret(OfStack, CloudFormationModel):
    """A secret, with a generated value where the template asks for one."""

    # moto reads the name of the service from the second part.
    __module__ = "tests.secretsmanager"
    attributes = {"Id": lambda secret: secret.physical_resource_id}

    def __init__(self, account_id, region, name, properties):
        generate = properties.get("GenerateSecretString", {})
        text = properties.get("SecretString")
        if generate:
            alphabet = string.ascii_letters + string.digits
            text = "".join(secrets.choice(alphabet) for _ in range(generate["PasswordLength"]))
        backend = secretsmanager_backends[account_id][region]
        backend.create_secret(name, text, None, properties.get("Description"), None, None, None, [], False)
        self.physical_resource_id = backend.describe_secret(name).arn

    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::Secret"


class Api(OfStack, CloudFormationModel):
    """An HTTP API with the routes of its body."""

    __module__ = "tests.apigatewayv2"
    attributes = {"ApiEndpoint": lambda api: f"https://{api.physical_resource_id}.execute-api.{REGION}.amazonaws.com"}

    def __init__(self, account_id, region, name, properties):
        backend = apigatewayv2_backends[account_id][region]
        api = backend.create_api("", {}, "", "", "false", name, "HTTP", "", {}, "1")
        backend.reimport_api(api.api_id, json.dumps(properties["Body"]), False)
        self.physical_resource_id = api.api_id

    @staticmethod
    def cloudformation_type():
        return "AWS::ApiGatewayV2::Api"


class Alias(OfStack, CloudFormationModel):
    """An alias of a function, which moves to another version at once."""

    __module__ = "tests.awslambda"
    attributes = {}

    def __init__(self, account_id, region, name, properties):
        self.backend, self.name, self.function = lambda_backends[account_id][region], properties["Name"], properties["FunctionName"]
        alias = self.backend.create_alias(self.name, self.function, properties["FunctionVersion"], "", "")
        self.physical_resource_id = alias.arn

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, cloudformation_json, **_kwargs):
        version = cloudformation_json["Properties"]["FunctionVersion"]
        original_resource.backend.update_alias(original_resource.name, original_resource.function, version, "", "")
        return original_resource

    @staticmethod
    def cloudformation_type():
        return "AWS::Lambda::Alias"


class Aws:
    """A running stand-in."""

    def __init__(self, server):
        host, port = server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.skipped = set()

    def environment(self):
        """For programs that call AWS."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION}

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="stand-in", aws_secret_access_key="stand-in"
        )

    def make_bucket_of_sam(self):
        """The stack with the SAM CLI's bucket. moto loses the outputs and tags of stacks that change sets make."""
        self.client("cloudformation").create_stack(
            StackName="aws-sam-cli-managed-default",
            TemplateBody=_get_stack_template(),
            Tags=[{"Key": "ManagedStackSource", "Value": "AwsSamCli"}],
        )


@contextmanager
def running(monkeypatch):
    monkeypatch.setattr(CloudFormationResponse, "_get_stack_from_s3_url", uploaded)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    aws = Aws(server)
    # moto's state belongs to the process.
    urlopen(Request(f"{aws.url}/moto-api/reset", method="POST"), timeout=10).close()
    execute = CloudFormationBackend.execute_change_set

    def with_outputs(backend, change_set_name, stack_name=None):
        """moto loses the outputs of stacks that change sets make."""
        execute(backend, change_set_name, stack_name)
        for stack in backend.stacks.values():
            stack._parse_template()
            stack.output_map = stack._create_output_map()

    monkeypatch.setattr(CloudFormationBackend, "execute_change_set", with_outputs)
    clean = parsing.clean_json

    def without_no_value(value, resources):
        """moto leaves a null in a list where the template has AWS::NoValue."""
        cleaned = clean(value, resources)
        return [item for item in cleaned if item is not None] if isinstance(cleaned, list) else cleaned

    monkeypatch.setattr(parsing, "clean_json", without_no_value)
    # Aliases name it.
    monkeypatch.setattr(LambdaVersion, "get_cfn_attribute", lambda version, _: str(version.version), raising=False)
    known = parsing.resource_class_from_type

    def noted(kind):
        found = known(kind)
        if found is None:
            aws.skipped.add(kind)
        return found

    monkeypatch.setattr(parsing, "resource_class_from_type", noted)
    try:
        yield aws
    finally:
        server.stop()

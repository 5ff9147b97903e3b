"""The template's parameters: their rules, a file with their values, and questions about them.

A parameter file is TOML: where to deploy, and the parameters that differ from the template's defaults.

    stack_name = "twostep"
    region = "eu-west-1"

    [parameters]
    SiteName = "Example"
    SmsPerHour = 500

    # Tags of all resources, besides application and stack.
    [tags]
    team = "web"

    # Only with an edge: the parameters of edge.yaml.
    [edge]
    DomainName = "auth.example.com"
    HostedZoneId = "Z0123456789ABCDEFGHIJ"
"""

import json
import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent

# CloudFormation's rule for stack names, with the length that leaves room for the names derived from it.
STACK_NAME = r"[A-Za-z][A-Za-z0-9-]{0,39}"
# The characters that all services accept in tags. Source: AWS, "Tagging AWS resources: best practices and strategies".
TAG = r"[A-Za-z0-9 +=._:/@-]{1,128}"
REGION = r"[a-z]{2}(-[a-z]+)+-[0-9]"


class Wrong(Exception):
    """What the operator has to change, in one or more sentences."""


def stop(message):
    sys.exit(f"error: {message}")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a template."""

    name: str
    description: str
    default: str
    kind: str = "String"
    pattern: str | None = None
    values: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    rule: str = ""

    @classmethod
    def read(cls, name, properties):
        return cls(
            name=name,
            description=" ".join(properties["Description"].split()),
            default=str(properties.get("Default", "")),
            kind=properties["Type"],
            pattern=properties.get("AllowedPattern"),
            values=tuple(str(value) for value in properties.get("AllowedValues", ())),
            least=properties.get("MinValue"),
            most=properties.get("MaxValue"),
            rule=properties.get("ConstraintDescription", ""),
        )

    def problem(self, value):
        """Why CloudFormation would refuse the value, or None."""
        if self.kind == "Number":
            if not re.fullmatch(r"-?[0-9]+", value):
                return self.rule
            number = int(value)
            if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
                return self.rule
        if self.values and value not in self.values:
            return self.rule
        # CloudFormation matches a pattern against the whole value.
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return self.rule
        return None


def of_template(path=ROOT / "template.yaml"):
    """The parameters of a template, by name."""
    template = yaml_parse(path.read_text(encoding="utf-8"))
    return {name: Parameter.read(name, properties) for name, properties in template["Parameters"].items()}


def of_templates():
    """The parameters of the stack, and those of the edge's stack."""
    edge = ROOT / "edge.yaml"
    return of_template(), of_template(edge) if edge.exists() else {}


@dataclass
class Deployment:
    """Where to deploy, and with which values."""

    stack_name: str
    region: str
    parameters: dict[str, str]
    edge: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)

    def all_tags(self):
        """The tags of every resource, for cost reports and searches."""
        return {"application": "twostep", "stack": self.stack_name, **self.tags}

    def value(self, name, known):
        return self.parameters.get(name, known[name].default)


def read(path, known, edge_known=None):
    """A parameter file whose values all fit the template.

    Raises Wrong with every fault, so that one attempt shows them all."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Wrong(f"{path} doesn't exist. Run `make deploy-first`, which asks for the values and writes it.") from None
    except tomllib.TOMLDecodeError as error:
        raise Wrong(f"{path} is not valid TOML: {error}.") from None
    faults = []
    for name in content.keys() - {"stack_name", "region", "parameters", "edge", "tags"}:
        faults.append(f"{name} is not known here; the template's parameters belong under [parameters].")
    for name, pattern in (("stack_name", STACK_NAME), ("region", REGION)):
        value = content.get(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            faults.append(f"{name} must be set, and match {pattern}.")
    parameters = checked(content.get("parameters", {}), known, faults)
    edge = checked(content.get("edge", {}), edge_known or {}, faults)
    if edge and not edge.get("DomainName"):
        faults.append("[edge] needs a DomainName.")
    if edge and not edge.get("HostedZoneId") and not edge.get("CertificateArn"):
        faults.append("[edge] needs a HostedZoneId, or a CertificateArn if the domain's DNS isn't in Route 53.")
    tags = {name: str(value) for name, value in content.get("tags", {}).items()}
    for name, value in tags.items():
        if not re.fullmatch(TAG, name) or name.lower().startswith("aws:") or not re.fullmatch(TAG, value):
            faults.append(f"{name} under [tags] must be letters, digits, spaces or + - = . _ : / @, and not begin with aws:.")
    if faults:
        raise Wrong(f"{path}:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return Deployment(content["stack_name"], content["region"], parameters, edge, tags)


def checked(values, known, faults):
    """The values as CloudFormation gets them."""
    result = {}
    for name, value in values.items():
        text = {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        if name not in known:
            faults.append(f"{name} is not a parameter of the template.")
        elif problem := known[name].problem(text):
            faults.append(f"{name} {problem}")
        else:
            result[name] = text
    return result


def write(path, deployment):
    """Writes a parameter file."""
    lines = [
        "# Where and how to deploy TwoStep. It contains no secrets. See docs/operations.md.",
        f"stack_name = {json.dumps(deployment.stack_name)}",
        f"region = {json.dumps(deployment.region)}",
    ]
    for section, values in (("parameters", deployment.parameters), ("edge", deployment.edge), ("tags", deployment.tags)):
        if values:
            lines += ["", f"[{section}]"]
            # JSON's strings are TOML's basic strings.
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def ask(question, default, problem, reader=input, out=print):
    """Asks until the answer has no problem. Enter takes the default."""
    while True:
        shown = f" [{default}]" if default else ""
        answer = reader(f"{question}{shown}: ").strip() or default
        fault = problem(answer)
        if fault is None:
            return answer
        out(f"  {fault}")


def ask_all(known, reader=input, out=print):
    """Asks for everything that a first deployment needs. Each question shows what the parameter does and its rule."""

    def named(pattern, rule):
        return lambda value: None if re.fullmatch(pattern, value) else rule

    out("Enter takes the value in brackets.\n")
    stack = ask("Name of the stack", "twostep", named(STACK_NAME, f"It must match {STACK_NAME}."), reader, out)
    region = ask("AWS region", "us-east-1", named(REGION, "It must be a region such as eu-west-1."), reader, out)
    values = {}
    for parameter in known.values():
        out(f"\n{parameter.description}")
        answer = ask(parameter.name, parameter.default, parameter.problem, reader, out)
        if answer != parameter.default:
            values[parameter.name] = answer
    return Deployment(stack, region, values, {})

"""Clients of AWS with recorded answers: no request leaves the machine.

An answer is what the operation returns, or the code of an error. Answers must fit the operation's shape in AWS's own models."""

from types import SimpleNamespace

import boto3
from botocore.validate import validate_parameters


class Recorded:
    """Makes clients for `answers`, by `service.Operation`. `calls` lists what was called, with its parameters."""

    def __init__(self, answers):
        self.answers = answers
        self.calls = []

    def __call__(self, service):
        client = boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        sent = {}

        def note(params, model, **_):
            sent[model.name] = dict(params)

        def answer(model, **_):
            name = f"{service}.{model.name}"
            self.calls.append((name, sent.get(model.name, {})))
            recorded = self.answers.get(name)
            if recorded is None:
                raise AssertionError(f"no answer is recorded for {name}")
            if callable(recorded):
                recorded = recorded(sent.get(model.name, {}))
            if isinstance(recorded, str):
                error = {"Error": {"Code": recorded, "Message": recorded}}
                return SimpleNamespace(status_code=400), error
            if model.output_shape is not None:
                validate_parameters(recorded, model.output_shape)
            return SimpleNamespace(status_code=200), {**recorded, "ResponseMetadata": {}}

        client.meta.events.register_first(f"provide-client-params.{client.meta.service_model.service_id.hyphenize()}.*", note)
        client.meta.events.register_first(f"before-call.{client.meta.service_model.service_id.hyphenize()}.*", answer)
        return client

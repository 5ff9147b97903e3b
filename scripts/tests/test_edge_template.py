"""edge.yaml: what CloudFront forwards, caches and adds, and what the linters say."""

import json
import subprocess

from samtranslator.yaml_helper import yaml_parse

from aws import ROOT

TEMPLATE = yaml_parse((ROOT / "edge.yaml").read_text(encoding="utf-8"))
RESOURCES = {name: resource.get("Properties", {}) for name, resource in TEMPLATE["Resources"].items()}
DISTRIBUTION = RESOURCES["Distribution"]["DistributionConfig"]
BEHAVIORS = [DISTRIBUTION["DefaultCacheBehavior"], *DISTRIBUTION["CacheBehaviors"]]
# AWS's managed policy without caching.
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"


def test_every_request_carries_the_secret_and_the_viewers_address_but_not_the_public_host():
    [origin] = DISTRIBUTION["Origins"]
    assert origin["OriginCustomHeaders"] == [{"HeaderName": "X-Origin-Secret", "HeaderValue": {"Ref": "OriginSecret"}}]
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    for behavior in BEHAVIORS:
        assert behavior["OriginRequestPolicyId"] == {"Ref": "ToOrigin"}
        [function] = behavior["FunctionAssociations"]
        assert function["EventType"] == "viewer-request"
    # API Gateway refuses requests for a host that isn't its own.
    headers = RESOURCES["ToOrigin"]["OriginRequestPolicyConfig"]["HeadersConfig"]
    assert headers == {"HeaderBehavior": "allExcept", "Headers": ["Host"]}
    assert TEMPLATE["Parameters"]["OriginSecret"]["NoEcho"] is True


def test_the_function_overwrites_what_the_viewer_claims():
    code = RESOURCES["ViewerAddress"]["FunctionCode"]
    request = {"request": {"headers": {"x-viewer-address": {"value": "127.0.0.1"}}}, "viewer": {"ip": "203.0.113.7"}}
    run = f"{code}\nprocess.stdout.write(JSON.stringify(handler({json.dumps(request)})))"
    try:
        ended = subprocess.run(["node", "-e", run], capture_output=True, text=True, check=True, timeout=20)
    except FileNotFoundError:
        # Without a JavaScript engine, at least the assignment has to be there.
        assert "request.headers['x-viewer-address'] = { value: event.viewer.ip }" in code
        return
    assert json.loads(ended.stdout)["headers"]["x-viewer-address"]["value"] == "203.0.113.7"


def test_only_public_responses_are_cached_and_only_as_long_as_they_say():
    assert DISTRIBUTION["DefaultCacheBehavior"]["CachePolicyId"] == CACHING_DISABLED
    cached = {behavior["PathPattern"]: behavior["CachePolicyId"] for behavior in DISTRIBUTION["CacheBehaviors"]}
    assert cached == {path: {"Ref": "Cacheable"} for path in ("/assets/*", "/v1/site", "/.well-known/*")}
    policy = RESOURCES["Cacheable"]["CachePolicyConfig"]
    assert (policy["MinTTL"], policy["DefaultTTL"]) == (0, 0)
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key["CookiesConfig"]["CookieBehavior"] == "none" and key["HeadersConfig"]["Headers"] == ["Origin"]


def test_viewers_need_tls_and_are_told_to_keep_it():
    for behavior in BEHAVIORS:
        assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
        assert behavior["ResponseHeadersPolicyId"] == {"Ref": "Hsts"}
    hsts = RESOURCES["Hsts"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]["StrictTransportSecurity"]
    assert hsts["AccessControlMaxAgeSec"] >= 31_536_000


def test_a_flood_from_one_address_gets_429_with_retry_after_and_nothing_is_sampled():
    rules = {rule["Name"]: rule for rule in RESOURCES["WebAcl"]["Rules"]}
    response = rules["requests-of-one-address"]["Action"]["Block"]["CustomResponse"]
    assert response["ResponseCode"] == 429
    assert response["ResponseHeaders"] == [{"Name": "Retry-After", "Value": "300"}]
    assert len(rules) == 3
    for visible in (RESOURCES["WebAcl"], *rules.values()):
        assert visible["VisibilityConfig"]["SampledRequestsEnabled"] is False, "samples would show headers of sign-ins"


def run(program, *arguments):
    ended = subprocess.run([ROOT / program, *arguments], capture_output=True, text=True, timeout=300, check=False)
    return json.loads(ended.stdout)


def test_the_linters_find_exactly_the_exceptions():
    found = run(".venv/bin/cfn-lint", "--template", str(ROOT / "edge.yaml"), "--regions", "us-east-1", "--format", "json")
    # The default of CertificateArn is no ARN; it is used only where the operator gives one.
    assert {finding["Rule"]["Id"] for finding in found} == {"W1030"}
    found = run(
        ".venv/checkov/bin/checkov", "-f", str(ROOT / "edge.yaml"), "--framework", "cloudformation", "--skip-download", "-o", "json"
    )
    assert found["summary"]["parsing_errors"] == 0
    # Paths contain challenge IDs and the callback token, and an access log would keep them.
    assert {check["check_id"] for check in found["results"]["failed_checks"]} == {"CKV_AWS_86"}

//! IAM's documented rules, one case per rule. Each case names its page in the IAM User Guide
//! (docs.aws.amazon.com/IAM/latest/UserGuide) or in another guide.

use serde_json::{Value, json};

use super::{
    condition::ConditionKey,
    evaluation::{Decision, Denial, decide},
    policy::Policy,
    request::Request,
};

const LOGIC: &str = "reference_policies_evaluation-logic_policy-eval-denyallow";
const INTERPLAY: &str = "reference_policies_evaluation-logic_AccessPolicyLanguage_Interplay";
const BOUNDARIES: &str = "access_policies_boundaries";
const ACTION: &str = "reference_policies_elements_action";
const NOT_ACTION: &str = "reference_policies_elements_notaction";
const RESOURCE: &str = "reference_policies_elements_resource";
const NOT_RESOURCE: &str = "reference_policies_elements_notresource";
const CONDITION: &str = "reference_policies_elements_condition";
const OPERATORS: &str = "reference_policies_elements_condition_operators";
const MULTIPLE: &str = "reference_policies_condition-logic-multiple-context-keys-or-values";
const SETS: &str = "reference_policies_condition-single-vs-multi-valued-context-keys";
const SET_EXAMPLES: &str = "reference_policies_condition_examples-multi-valued-context-keys";
const TRANSACTIONS: &str = "DynamoDB Developer Guide: transaction-apis-iam";
const FINE_GRAINED: &str = "DynamoDB Developer Guide: specifying-conditions";
const GRAMMAR: &str = "reference_policies_grammar";
const VERSION: &str = "reference_policies_elements_version";

const USERS: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/users";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:later";

const KEYS: [ConditionKey; 9] = [
    ConditionKey::single("aws:PrincipalArn"),
    ConditionKey::single("aws:RequestedRegion"),
    ConditionKey::single("aws:SecureTransport"),
    ConditionKey::many("aws:TagKeys"),
    ConditionKey::many("dynamodb:Attributes"),
    ConditionKey::many("dynamodb:EnclosingOperation"),
    ConditionKey::many("dynamodb:LeadingKeys"),
    ConditionKey::single("dynamodb:Select"),
    ConditionKey::single("s3:max-keys"),
];

use Outcome::{Allowed, DeniedBoundary, DeniedIdentity, NoBoundary, NoIdentity};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Allowed,
    DeniedIdentity,
    DeniedBoundary,
    NoIdentity,
    NoBoundary,
}

fn statement(effect: &str, action: &str, resource: &str) -> Value {
    json!({ "Effect": effect, "Action": action, "Resource": resource })
}

fn document(statements: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn parse(name: &str, statements: &Value) -> Policy {
    Policy::parse(name, &document(statements), &KEYS).unwrap()
}

fn outcome(identity: &[Policy], boundary: Option<&Policy>, request: &Request) -> Outcome {
    match decide(identity, boundary, request) {
        Decision::Allowed(_) => Allowed,
        Decision::Denied(Denial::ByIdentityPolicy) => DeniedIdentity,
        Decision::Denied(Denial::ByBoundary) => DeniedBoundary,
        Decision::Denied(Denial::NotInIdentityPolicies) => NoIdentity,
        Decision::Denied(Denial::NotInBoundary) => NoBoundary,
    }
}

#[test]
fn identity_policies_and_the_boundary_are_weighed_as_documented() {
    // Page, rule, the identity's policies, boundary, outcome of dynamodb:GetItem on the table.
    type Case = (&'static str, &'static str, Vec<Value>, Option<Value>, Outcome);
    let allow = |action: &str, resource: &str| statement("Allow", action, resource);
    let deny = |action: &str, resource: &str| statement("Deny", action, resource);
    let any = allow("*", "*");
    let get = allow("dynamodb:GetItem", USERS);
    let no_get = deny("dynamodb:GetItem", USERS);
    let put = allow("dynamodb:PutItem", USERS);
    let cases: [Case; 14] = [
        (LOGIC, "without a policy, everything is denied", vec![], None, NoIdentity),
        (LOGIC, "a policy for another action doesn't allow it", vec![json!([put])], None, NoIdentity),
        (LOGIC, "an allow is enough without a boundary", vec![json!([get])], None, Allowed),
        (LOGIC, "a single statement needs no list", vec![get.clone()], None, Allowed),
        (LOGIC, "one matching policy is enough", vec![json!([put]), json!([get])], None, Allowed),
        (INTERPLAY, "an explicit deny overrides an allow", vec![json!([get, no_get])], None, DeniedIdentity),
        (INTERPLAY, "an explicit deny wins in any order", vec![json!([no_get, get])], None, DeniedIdentity),
        (
            INTERPLAY,
            "a deny in one policy overrides all other policies",
            vec![json!([any]), json!([no_get])],
            None,
            DeniedIdentity,
        ),
        (
            INTERPLAY,
            "a deny of another action has no effect",
            vec![json!([get, deny("dynamodb:PutItem", "*")])],
            None,
            Allowed,
        ),
        (BOUNDARIES, "identity and boundary must both allow", vec![json!([get])], Some(json!([get])), Allowed),
        (BOUNDARIES, "a boundary grants nothing by itself", vec![json!([put])], Some(json!([any])), NoIdentity),
        (BOUNDARIES, "the boundary limits the identity", vec![json!([any])], Some(json!([put])), NoBoundary),
        (BOUNDARIES, "an empty boundary allows nothing", vec![json!([any])], Some(json!([])), NoBoundary),
        (BOUNDARIES, "a deny in the boundary wins", vec![json!([any])], Some(json!([any, no_get])), DeniedBoundary),
    ];
    let request = Request::new("dynamodb:GetItem", USERS);
    for (page, rule, identity, boundary, expected) in cases {
        let identity: Vec<Policy> = identity.iter().map(|statements| parse("identity", statements)).collect();
        let boundary = boundary.map(|statements| parse("boundary", &statements));
        assert_eq!(outcome(&identity, boundary.as_ref(), &request), expected, "{rule} ({page})");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of rules")]
fn actions_and_resources_match_as_documented() {
    let other = "arn:aws:dynamodb:us-east-1:123456789012:table/Users";
    let index = "arn:aws:dynamodb:us-east-1:123456789012:table/users/index/by-email";
    // Page, rule, elements of an Allow statement, action, resource, whether the request is allowed.
    let cases: [(&str, &str, Value, &str, &str, bool); 23] = [
        (
            ACTION,
            "an action's prefix and name are case-insensitive",
            json!({ "Action": "DynamoDB:getitem", "Resource": USERS }),
            "dynamodb:GetItem",
            USERS,
            true,
        ),
        (
            ACTION,
            "* matches any characters of an action",
            json!({ "Action": "dynamodb:*Item", "Resource": USERS }),
            "dynamodb:PutItem",
            USERS,
            true,
        ),
        (
            ACTION,
            "* matches an empty string",
            json!({ "Action": "dynamodb:GetItem*", "Resource": USERS }),
            "dynamodb:GetItem",
            USERS,
            true,
        ),
        (
            ACTION,
            "a pattern must match the whole action",
            json!({ "Action": "dynamodb:*Item", "Resource": USERS }),
            "dynamodb:BatchGetItems",
            USERS,
            false,
        ),
        (
            ACTION,
            "? matches one character",
            json!({ "Action": "dynamodb:?etItem", "Resource": USERS }),
            "dynamodb:GetItem",
            USERS,
            true,
        ),
        (
            ACTION,
            "? doesn't match an empty string",
            json!({ "Action": "dynamodb:GetItem?", "Resource": USERS }),
            "dynamodb:GetItem",
            USERS,
            false,
        ),
        (
            ACTION,
            "a service's wildcard matches all its actions",
            json!({ "Action": "dynamodb:*", "Resource": USERS }),
            "dynamodb:Scan",
            USERS,
            true,
        ),
        (
            ACTION,
            "a service's wildcard matches no other service",
            json!({ "Action": "dynamodb:*", "Resource": "*" }),
            "sqs:SendMessage",
            QUEUE,
            false,
        ),
        (
            ACTION,
            "one matching action of a list is enough",
            json!({ "Action": ["sqs:*", "dynamodb:GetItem"], "Resource": "*" }),
            "dynamodb:GetItem",
            USERS,
            true,
        ),
        (
            NOT_ACTION,
            "NotAction matches unlisted actions",
            json!({ "NotAction": "sqs:*", "Resource": "*" }),
            "dynamodb:GetItem",
            USERS,
            true,
        ),
        (
            NOT_ACTION,
            "NotAction doesn't match listed actions",
            json!({ "NotAction": ["sqs:*", "dynamodb:Get*"], "Resource": "*" }),
            "dynamodb:GetItem",
            USERS,
            false,
        ),
        (
            NOT_ACTION,
            "Resource also limits NotAction",
            json!({ "NotAction": "sqs:*", "Resource": USERS }),
            "dynamodb:GetItem",
            other,
            false,
        ),
        (
            RESOURCE,
            "resources are case-sensitive",
            json!({ "Action": "*", "Resource": USERS }),
            "dynamodb:GetItem",
            other,
            false,
        ),
        (RESOURCE, "* matches anything", json!({ "Action": "*", "Resource": "*" }), "dynamodb:ListStreams", "*", true),
        (
            RESOURCE,
            "an action without resources needs *",
            json!({ "Action": "*", "Resource": USERS }),
            "dynamodb:ListStreams",
            "*",
            false,
        ),
        (
            RESOURCE,
            "a table's ARN doesn't match its indexes",
            json!({ "Action": "*", "Resource": USERS }),
            "dynamodb:Query",
            index,
            false,
        ),
        (
            RESOURCE,
            "* at the end matches all child resources",
            json!({ "Action": "*", "Resource": format!("{USERS}/index/*") }),
            "dynamodb:Query",
            index,
            true,
        ),
        (
            RESOURCE,
            "* matches within a segment",
            json!({ "Action": "*", "Resource": "arn:aws:dynamodb:*:123456789012:table/u*s" }),
            "dynamodb:GetItem",
            USERS,
            true,
        ),
        (
            RESOURCE,
            "* within a segment does not cross a colon",
            json!({ "Action": "*", "Resource": "arn:aws:dynamodb:us*012:a:b:table/users" }),
            "dynamodb:GetItem",
            USERS,
            false,
        ),
        (
            RESOURCE,
            "* at the end of a segment crosses colons",
            json!({ "Action": "*", "Resource": "arn:aws:dynamodb:*:*:table/users*" }),
            "dynamodb:GetItem",
            "arn:aws:dynamodb:us-east-1:123456789012:table/users:x",
            true,
        ),
        (
            RESOURCE,
            "? matches one character of a resource",
            json!({ "Action": "*", "Resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:twostep/keys-??????" }),
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:twostep/keys-Laptop",
            true,
        ),
        (
            NOT_RESOURCE,
            "NotResource matches unlisted resources",
            json!({ "Action": "*", "NotResource": [QUEUE] }),
            "dynamodb:GetItem",
            USERS,
            true,
        ),
        (
            NOT_RESOURCE,
            "NotResource doesn't match listed resources",
            json!({ "Action": "*", "NotResource": [QUEUE, "arn:aws:dynamodb:*:*:table/*"] }),
            "dynamodb:GetItem",
            USERS,
            false,
        ),
    ];
    for (page, rule, elements, action, resource, allowed) in cases {
        let mut statement = elements.clone();
        statement["Effect"] = json!("Allow");
        let policy = parse("identity", &json!([statement]));
        let expected = if allowed { Allowed } else { NoIdentity };
        assert_eq!(outcome(&[policy], None, &Request::new(action, resource)), expected, "{rule} ({page}): {elements}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of rules")]
fn conditions_hold_as_documented() {
    type Carried<'a> = &'a [(&'a str, &'a [&'a str])];
    const NOTHING: Carried = &[];
    let region: Carried = &[("aws:RequestedRegion", &["eu-west-1"])];
    let tls: Carried = &[("aws:SecureTransport", &["true"])];
    let most: Carried = &[("s3:max-keys", &["10"])];
    let role: Carried = &[("aws:PrincipalArn", &["arn:aws:iam::123456789012:role/team/web"])];
    let tags: Carried = &[("aws:TagKeys", &["key1a", "key2b"])];
    let empty_tags: Carried = &[("aws:TagKeys", &[""])];
    let both: Carried = &[("aws:RequestedRegion", &["eu-west-1"]), ("aws:SecureTransport", &["false"])];
    // Page, rule, condition, the request's condition keys, whether the condition holds.
    let cases: [(&str, &str, Value, Carried, bool); 49] = [
        (
            CONDITION,
            "key names are case-insensitive",
            json!({ "StringEquals": { "AWS:requestedregion": "eu-west-1" } }),
            region,
            true,
        ),
        (
            MULTIPLE,
            "one matching value is enough",
            json!({ "StringEquals": { "aws:RequestedRegion": ["us-east-1", "eu-west-1"] } }),
            region,
            true,
        ),
        (
            MULTIPLE,
            "all keys of an operator must match",
            json!({ "StringEquals": { "aws:RequestedRegion": "eu-west-1", "dynamodb:Select": "COUNT" } }),
            region,
            false,
        ),
        (
            MULTIPLE,
            "all operators must match",
            json!({ "StringEquals": { "aws:RequestedRegion": "eu-west-1" }, "Bool": { "aws:SecureTransport": "true" } }),
            both,
            false,
        ),
        (
            MULTIPLE,
            "a negated operator excludes all of its values",
            json!({ "StringNotEquals": { "aws:RequestedRegion": ["us-east-1", "eu-west-1"] } }),
            region,
            false,
        ),
        (
            OPERATORS,
            "StringEquals compares case-sensitively",
            json!({ "StringEquals": { "aws:RequestedRegion": "EU-west-1" } }),
            region,
            false,
        ),
        (
            OPERATORS,
            "StringEquals has no wildcards",
            json!({ "StringEquals": { "aws:RequestedRegion": "eu-*" } }),
            region,
            false,
        ),
        (
            OPERATORS,
            "StringNotEquals negates StringEquals",
            json!({ "StringNotEquals": { "aws:RequestedRegion": "us-east-1" } }),
            region,
            true,
        ),
        (
            OPERATORS,
            "StringEqualsIgnoreCase",
            json!({ "StringEqualsIgnoreCase": { "aws:RequestedRegion": "EU-West-1" } }),
            region,
            true,
        ),
        (
            OPERATORS,
            "StringNotEqualsIgnoreCase",
            json!({ "StringNotEqualsIgnoreCase": { "aws:RequestedRegion": "EU-West-1" } }),
            region,
            false,
        ),
        (
            OPERATORS,
            "StringLike supports * and ?",
            json!({ "StringLike": { "aws:RequestedRegion": "eu-*-?" } }),
            region,
            true,
        ),
        (
            OPERATORS,
            "StringLike is case-sensitive",
            json!({ "StringLike": { "aws:RequestedRegion": "EU-*" } }),
            region,
            false,
        ),
        (OPERATORS, "StringNotLike", json!({ "StringNotLike": { "aws:RequestedRegion": "eu-*" } }), region, false),
        (
            OPERATORS,
            "NumericEquals compares numbers",
            json!({ "NumericEquals": { "s3:max-keys": "10.0" } }),
            most,
            true,
        ),
        (OPERATORS, "NumericNotEquals", json!({ "NumericNotEquals": { "s3:max-keys": 10 } }), most, false),
        (OPERATORS, "NumericLessThan", json!({ "NumericLessThan": { "s3:max-keys": "10" } }), most, false),
        (OPERATORS, "NumericLessThanEquals", json!({ "NumericLessThanEquals": { "s3:max-keys": "10" } }), most, true),
        (
            OPERATORS,
            "NumericGreaterThan compares numbers, not strings",
            json!({ "NumericGreaterThan": { "s3:max-keys": "9" } }),
            most,
            true,
        ),
        (
            OPERATORS,
            "NumericGreaterThanEquals",
            json!({ "NumericGreaterThanEquals": { "s3:max-keys": "11" } }),
            most,
            false,
        ),
        (OPERATORS, "Bool", json!({ "Bool": { "aws:SecureTransport": "true" } }), tls, true),
        (OPERATORS, "Bool with the other value", json!({ "Bool": { "aws:SecureTransport": false } }), tls, false),
        (
            OPERATORS,
            "ArnLike supports wildcards within segments",
            json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/team/*" } }),
            role,
            true,
        ),
        (
            OPERATORS,
            "ArnLike compares each segment separately",
            json!({ "ArnLike": { "aws:PrincipalArn": "arn:*:role/team/web" } }),
            role,
            false,
        ),
        (
            OPERATORS,
            "ArnEquals behaves like ArnLike",
            json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::*:role/team/*" } }),
            role,
            true,
        ),
        (
            OPERATORS,
            "ArnNotEquals",
            json!({ "ArnNotEquals": { "aws:PrincipalArn": "arn:aws:iam::*:role/*" } }),
            role,
            false,
        ),
        (OPERATORS, "ArnNotLike", json!({ "ArnNotLike": { "aws:PrincipalArn": "arn:aws:iam::*:user/*" } }), role, true),
        (
            OPERATORS,
            "Null true: the key is absent",
            json!({ "Null": { "aws:RequestedRegion": "true" } }),
            NOTHING,
            true,
        ),
        (OPERATORS, "Null true with the key", json!({ "Null": { "aws:RequestedRegion": "true" } }), region, false),
        (
            OPERATORS,
            "Null false: the key is present",
            json!({ "Null": { "aws:RequestedRegion": "false" } }),
            region,
            true,
        ),
        (
            OPERATORS,
            "Null false without the key",
            json!({ "Null": { "aws:RequestedRegion": "false" } }),
            NOTHING,
            false,
        ),
        (
            OPERATORS,
            "an absent key matches nothing",
            json!({ "StringEquals": { "aws:RequestedRegion": "eu-west-1" } }),
            NOTHING,
            false,
        ),
        (
            OPERATORS,
            "an absent key matches no pattern",
            json!({ "StringLike": { "aws:RequestedRegion": "*" } }),
            NOTHING,
            false,
        ),
        (
            OPERATORS,
            "an absent key satisfies a negated operator",
            json!({ "StringNotEquals": { "aws:RequestedRegion": "eu-west-1" } }),
            NOTHING,
            true,
        ),
        (
            OPERATORS,
            "an absent key satisfies ArnNotLike",
            json!({ "ArnNotLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/*" } }),
            NOTHING,
            true,
        ),
        (
            OPERATORS,
            "an absent key doesn't count as false",
            json!({ "Bool": { "aws:SecureTransport": "false" } }),
            NOTHING,
            false,
        ),
        (
            OPERATORS,
            "IfExists holds without the key",
            json!({ "StringEqualsIfExists": { "dynamodb:Select": "COUNT" } }),
            NOTHING,
            true,
        ),
        (
            OPERATORS,
            "IfExists compares a present key",
            json!({ "StringEqualsIfExists": { "dynamodb:Select": "COUNT" } }),
            &[("dynamodb:Select", &["ALL_ATTRIBUTES"])],
            false,
        ),
        (OPERATORS, "BoolIfExists", json!({ "BoolIfExists": { "aws:SecureTransport": "true" } }), NOTHING, true),
        (
            SETS,
            "ForAllValues holds if every carried value matches",
            json!({ "ForAllValues:StringLike": { "aws:TagKeys": ["key1*", "key2*"] } }),
            tags,
            true,
        ),
        (
            SETS,
            "ForAllValues fails if one carried value doesn't match",
            json!({ "ForAllValues:StringLike": { "aws:TagKeys": ["key1*"] } }),
            tags,
            false,
        ),
        (
            SETS,
            "ForAllValues holds without the key",
            json!({ "ForAllValues:StringEquals": { "aws:TagKeys": "key1" } }),
            NOTHING,
            true,
        ),
        (
            SET_EXAMPLES,
            "ForAllValues holds for an empty value",
            json!({ "ForAllValues:StringEquals": { "aws:TagKeys": "key1" } }),
            empty_tags,
            true,
        ),
        (
            SET_EXAMPLES,
            "Null false also requires a value",
            json!({ "ForAllValues:StringEquals": { "aws:TagKeys": "key1" }, "Null": { "aws:TagKeys": "false" } }),
            empty_tags,
            false,
        ),
        (
            SETS,
            "ForAnyValue holds if one carried value matches",
            json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": ["key2b", "x"] } }),
            tags,
            true,
        ),
        (
            SETS,
            "ForAnyValue fails if no carried value matches",
            json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": ["x"] } }),
            tags,
            false,
        ),
        (
            SETS,
            "ForAnyValue fails without the key",
            json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": "key1" } }),
            NOTHING,
            false,
        ),
        (
            SETS,
            "a negated ForAnyValue also fails without the key",
            json!({ "ForAnyValue:StringNotEquals": { "aws:TagKeys": "key1" } }),
            NOTHING,
            false,
        ),
        (
            TRANSACTIONS,
            "a policy can require a transaction",
            json!({ "ForAnyValue:StringEquals": { "dynamodb:EnclosingOperation": ["TransactWriteItems", "TransactGetItems"] } }),
            &[("dynamodb:EnclosingOperation", &["TransactWriteItems"])],
            true,
        ),
        (
            FINE_GRAINED,
            "a policy can limit access to one owner's items",
            json!({ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["USER#1"] } }),
            &[("dynamodb:LeadingKeys", &["USER#1", "USER#2"])],
            false,
        ),
    ];
    for (page, rule, condition, carried, holds) in cases {
        let request = |request: Request| {
            carried.iter().fold(request, |request, (key, values)| request.with(key, values.iter().copied()))
        };
        let request = request(Request::new("dynamodb:GetItem", USERS));
        let with = |effect: &str| {
            let statement = json!({ "Effect": effect, "Action": "*", "Resource": "*", "Condition": condition });
            parse("identity", &json!([statement]))
        };
        let expected = if holds { Allowed } else { NoIdentity };
        assert_eq!(outcome(&[with("Allow")], None, &request), expected, "{rule} ({page}): {condition}");
        // The same condition must hold for a deny.
        let any = parse("any", &statement("Allow", "*", "*"));
        let expected = if holds { DeniedIdentity } else { Allowed };
        assert_eq!(outcome(&[any, with("Deny")], None, &request), expected, "{rule} ({page}), denying: {condition}");
    }
}

#[test]
fn a_document_that_is_not_wholly_understood_is_refused() {
    let with = |element: &str, value: Value| {
        let mut statement = statement("Allow", "*", "*");
        statement[element] = value;
        document(&json!([statement]))
    };
    let condition = |operator: &str, key: &str, value: &str| with("Condition", json!({ operator: { key: value } }));
    // Page, document, what the error must name.
    let cases: [(&str, Value, &str); 22] = [
        (VERSION, json!({ "Statement": [] }), "Version"),
        (VERSION, json!({ "Version": "2008-10-17", "Statement": [] }), "Version"),
        (GRAMMAR, json!({ "Version": "2012-10-17", "Statements": [] }), "Statements"),
        (GRAMMAR, json!({ "Version": "2012-10-17", "Statement": "x" }), "object"),
        (GRAMMAR, with("Principal", json!("*")), "Principal"),
        (GRAMMAR, with("Effect", json!("allow")), "Effect"),
        (NOT_ACTION, with("NotAction", json!("*")), "NotAction"),
        (NOT_RESOURCE, with("NotResource", json!("*")), "NotResource"),
        (GRAMMAR, document(&json!([{ "Effect": "Allow", "Action": "*" }])), "Resource"),
        (ACTION, with("Action", json!("GetItem")), "GetItem"),
        (ACTION, with("Action", json!("dynamo*:GetItem")), "dynamo*:GetItem"),
        (RESOURCE, with("Resource", json!("users")), "users"),
        (RESOURCE, with("Resource", json!({ "Ref": "UsersTable" })), "UsersTable"),
        (RESOURCE, with("Resource", json!("arn:aws:s3:::bucket/${aws:username}")), "aws:username"),
        (OPERATORS, condition("StringMatches", "aws:RequestedRegion", "x"), "StringMatches"),
        (OPERATORS, condition("IpAddress", "aws:RequestedRegion", "10.0.0.0/8"), "IpAddress"),
        (OPERATORS, condition("NullIfExists", "aws:RequestedRegion", "true"), "NullIfExists"),
        (OPERATORS, condition("Bool", "aws:SecureTransport", "yes"), "yes"),
        (OPERATORS, condition("NumericEquals", "s3:max-keys", "ten"), "ten"),
        (OPERATORS, condition("StringEquals", "aws:RequestedRegion", "${aws:username}"), "aws:username"),
        (CONDITION, condition("StringEquals", "aws:SourceVpc", "vpc-1"), "aws:SourceVpc"),
        (SETS, condition("StringEquals", "aws:TagKeys", "key1"), "ForAllValues"),
    ];
    for (page, document, named) in cases {
        let error = Policy::parse("identity", &document, &KEYS).unwrap_err().to_string();
        assert!(error.contains("policy identity") && error.contains(named), "{document} ({page}): {error}");
    }
}

#[test]
fn a_grant_names_the_first_statement_that_allows() {
    let policy = parse(
        "P",
        &json!([
            statement("Deny", "sqs:*", "*"),
            { "Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:Get*"], "Resource": [QUEUE, USERS] },
            statement("Allow", "*", "*"),
        ]),
    );
    let Decision::Allowed(grant) = decide(&[policy], None, &Request::new("dynamodb:GetItem", USERS)) else {
        panic!("the request is denied")
    };
    assert_eq!(grant.to_string(), format!("dynamodb:Get* on {USERS} (P[1])"));
}

//! Tests the expanded template: least privilege, throttles, retention, alarms. Runs the scanners too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    sync::LazyLock,
};

use serde_json::{Value, json};
use twostep_crypto::key_ring::KeysSecret;
use twostep_tests::{
    paths::root,
    template::{Route, expand, expanded, expanded_file, functions, resources, routes},
};

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// The allowed (action, logical ID of its resource) pairs of a function's own policies.
fn rights(function: &Value) -> BTreeSet<(String, String)> {
    let role = function["Role"]["Fn::GetAtt"][0].as_str().unwrap();
    let mut rights = BTreeSet::new();
    for policy in list(&expanded()["Resources"][role]["Properties"]["Policies"]) {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            assert_eq!(statement["Effect"], "Allow");
            for action in list(&statement["Action"]) {
                for resource in list(&statement["Resource"]) {
                    rights.insert((action.as_str().unwrap().to_owned(), target(resource)));
                }
            }
        }
    }
    rights
}

/// The logical ID of a table, its stream or index, a secret or a log group of this template, or `ses` for what sends emails.
fn target(resource: &Value) -> String {
    if resource["Fn::Sub"] == "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:*" {
        return "ses".to_owned();
    }
    let by_ref = resource["Ref"].as_str().map(str::to_owned);
    let attribute = || match resource["Fn::GetAtt"].as_array()?.as_slice() {
        [name, attribute] if attribute == "Arn" => name.as_str().map(str::to_owned),
        [name, attribute] if attribute == "StreamArn" => Some(format!("{}.stream", name.as_str()?)),
        _ => None,
    };
    let index = || {
        let (table, index) = resource["Fn::Sub"].as_str()?.strip_prefix("${")?.split_once(".Arn}/index/")?;
        Some(format!("{table}/{index}"))
    };
    by_ref.or_else(attribute).or_else(index).unwrap_or_else(|| panic!("not a resource of this template: {resource}"))
}

#[test]
fn functions_are_allowed_only_single_operations_on_their_tables_and_secrets() {
    const ITEM: [&str; 6] = ["GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"];
    const STREAM: [&str; 3] = ["GetRecords", "GetShardIterator", "DescribeStream"];
    const QUEUE: [&str; 5] =
        ["SendMessage", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility"];
    const SECRET: [&str; 4] = ["GetSecretValue", "PutSecretValue", "DescribeSecret", "UpdateSecretVersionStage"];
    for (name, function) in functions() {
        for (action, target) in rights(function) {
            let known = match action.split_once(':') {
                Some(("dynamodb", operation)) if target.ends_with(".stream") => STREAM.contains(&operation),
                // The audit trail is read page by page, the sessions of a user and the list of users through an index.
                Some(("dynamodb", "Query")) => {
                    let read = ["AuditTable", "SessionsTable/by-user", "UsersTable/by-creation"];
                    read.contains(&target.as_str()) || target.starts_with("DeliveriesTable")
                }
                // The export reads all accounts.
                Some(("dynamodb", "Scan")) => name == "transfer-users" && target == "UsersTable",
                Some(("dynamodb", operation)) => target.ends_with("Table") && ITEM.contains(&operation),
                Some(("ses", operation)) => operation == "SendEmail" && target == "ses",
                Some(("sqs", operation)) => target.ends_with("Queue") && QUEUE.contains(&operation),
                Some(("secretsmanager", operation)) => target.ends_with("Secret") && SECRET.contains(&operation),
                _ => false,
            };
            assert!(known, "{name}: {action} on {target}");
        }
    }
}

#[test]
fn only_functions_that_need_a_secret_can_use_it() {
    let mut reach: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (name, function) in functions() {
        for (action, target) in rights(function).into_iter().filter(|(_, target)| target.ends_with("Secret")) {
            let action = action.trim_start_matches("secretsmanager:").to_owned();
            reach.entry((target, action)).or_default().insert(name.clone());
        }
    }
    let who = |secret: &str, action: &str| -> Vec<String> {
        reach.get(&(secret.to_owned(), action.to_owned())).into_iter().flatten().cloned().collect()
    };
    assert_eq!(who("ClickatellSecret", "GetSecretValue"), ["send-sms", "settings"]);
    assert_eq!(who("ClickatellSecret", "PutSecretValue"), ["settings"]);
    assert_eq!(who("AdminSecret", "GetSecretValue"), ["clients", "settings", "transfer-users", "users", "webhooks"]);
    assert_eq!(who("CallbackSecret", "GetSecretValue"), ["sms-status"]);
    assert_eq!(who("AdminSecret", "PutSecretValue"), [""; 0]);
    for action in ["PutSecretValue", "UpdateSecretVersionStage", "DescribeSecret"] {
        assert_eq!(who("KeysSecret", action), ["rotate-keys"], "{action}");
    }
    for stranger in ["sms-status", "web"] {
        assert!(!who("KeysSecret", "GetSecretValue").contains(&stranger.to_owned()), "{stranger}");
    }
}

#[test]
fn emails_come_from_the_sender_s_address_only() {
    let mut senders = BTreeSet::new();
    let mut statements = Vec::new();
    for (name, function) in functions() {
        let role = function["Role"]["Fn::GetAtt"][0].as_str().unwrap();
        for policy in list(&expanded()["Resources"][role]["Properties"]["Policies"]) {
            let own = list(&policy["PolicyDocument"]["Statement"]);
            let own = own.into_iter().filter(|statement| statement["Action"].to_string().contains("ses:"));
            statements.extend(own.inspect(|_| {
                senders.insert(name.clone());
            }));
        }
    }
    assert_eq!(senders, ["send-email".to_owned(), "settings".to_owned()].into());
    let boundary = resources("AWS::IAM::ManagedPolicy")["FunctionsBoundary"];
    let of_boundary = list(&boundary["PolicyDocument"]["Statement"]).into_iter();
    statements.extend(of_boundary.filter(|statement| statement["Action"] == "ses:SendEmail"));
    assert_eq!(statements.len(), 3);
    for statement in statements {
        assert_eq!(statement["Condition"], json!({"StringEquals": {"ses:FromAddress": {"Ref": "EmailFrom"}}}));
    }
}

#[test]
fn each_channel_s_messages_reach_one_function() {
    let patterns = |function: &str| -> Vec<String> {
        let mappings = resources("AWS::Lambda::EventSourceMapping").into_values();
        let own = mappings.filter(|mapping| {
            let name = mapping["FunctionName"]["Ref"].as_str().unwrap_or_default();
            expanded()["Resources"][name]["Properties"]["Code"]["S3Key"] == format!("functions/{function}")
        });
        own.flat_map(|mapping| list(&mapping["FilterCriteria"]["Filters"]))
            .map(|filter| filter["Pattern"].as_str().unwrap().to_owned())
            .collect()
    };
    let pending = |channel: &str| {
        format!(r#"{{"dynamodb":{{"NewImage":{{"delivery":{{"S":["pending"]}},"channel":{{"S":[{channel}]}}}}}}}}"#)
    };
    assert_eq!(patterns("queue-sms"), [pending(r#"{"exists":false}"#)]);
    assert_eq!(patterns("send-email"), [pending(r#""email""#)]);
}

#[test]
fn functions_without_need_for_accounts_cannot_access_them() {
    for (name, function) in functions() {
        let tables: BTreeSet<String> =
            rights(function).into_iter().map(|(_, target)| target).filter(|target| target.ends_with("Table")).collect();
        let anonymous = [
            "start-registration",
            "resend-code",
            "queue-sms",
            "send-sms",
            "send-email",
            "sms-status",
            "count-codes",
            "discovery",
            "rotate-keys",
            "web",
            "verifications",
        ];
        if anonymous.contains(&name.as_str()) {
            assert!(!tables.contains("UsersTable") && !tables.contains("SessionsTable"), "{name}: {tables:?}");
        }
        let writes_settings = rights(function).contains(&("dynamodb:PutItem".into(), "SettingsTable".into()));
        assert_eq!(writes_settings, ["clients", "settings", "webhooks"].contains(&name.as_str()), "{name}");
    }
}

#[test]
fn the_boundary_limits_every_function_to_this_stack() {
    let boundaries = resources("AWS::IAM::ManagedPolicy");
    let statements = list(&boundaries["FunctionsBoundary"]["PolicyDocument"]["Statement"]);
    let mut allowed = BTreeSet::new();
    for statement in &statements {
        // The statement for X-Ray exists only while tracing is on.
        if statement.get("Fn::If").is_some() {
            assert_eq!(statement["Fn::If"][0], "TracingIsActive");
            continue;
        }
        for action in list(&statement["Action"]) {
            let action = action.as_str().unwrap();
            assert!(!action.contains('*'), "{action}");
            // Lists only stream names, and has no resource.
            if action == "dynamodb:ListStreams" {
                continue;
            }
            if action.starts_with("logs:") {
                let of_this_stack = statement["Resource"]["Fn::Sub"].as_str().unwrap();
                assert!(of_this_stack.ends_with(&format!(":log-group:{LOGS}*")), "{of_this_stack}");
                continue;
            }
            allowed
                .extend(list(&statement["Resource"]).into_iter().map(|resource| (action.to_owned(), target(resource))));
        }
    }
    for (name, function) in functions() {
        let role = function["Role"]["Fn::GetAtt"][0].as_str().unwrap();
        let role = &expanded()["Resources"][role]["Properties"];
        assert_eq!(role["PermissionsBoundary"]["Ref"], "FunctionsBoundary", "{name}");
        for (action, target) in rights(function) {
            assert!(
                allowed.contains(&(action.clone(), target.clone())),
                "{name}: {action} on {target} is out of bounds"
            );
        }
    }
}

/// A managed policy has at most 6,144 characters, not counting white space (IAM User Guide, "IAM and AWS STS quotas").
#[test]
fn the_boundary_fits_a_managed_policy() {
    let document = &resources("AWS::IAM::ManagedPolicy")["FunctionsBoundary"]["PolicyDocument"];
    assert!(length(document) <= 6_144, "{} characters", length(document));
}

/// The length of a policy with references replaced by long ARNs.
fn length(value: &Value) -> usize {
    const LONGEST_ARN: usize = 140;
    match value {
        Value::Array(items) => items.iter().map(|item| length(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => match fields.iter().next() {
            Some((function, _)) if function == "Ref" || function == "Fn::GetAtt" || function == "Fn::Sub" => {
                LONGEST_ARN
            }
            Some((function, branches)) if function == "Fn::If" => length(&branches[1]),
            _ => fields.iter().map(|(name, field)| name.len() + 4 + length(field)).sum::<usize>() + 2,
        },
        plain => plain.to_string().len(),
    }
}

/// Where the names of a stack's log groups begin.
const LOGS: &str = "/aws/vendedlogs/${AWS::StackName}/";

#[test]
fn every_function_has_its_own_log_with_a_retention() {
    let groups = resources("AWS::Logs::LogGroup");
    let mut names = BTreeSet::new();
    for (id, group) in &groups {
        assert_eq!(group["RetentionInDays"]["Ref"], "LogRetentionDays", "{id}");
        let name = group["LogGroupName"]["Fn::Sub"].as_str().and_then(|name| name.strip_prefix(LOGS));
        assert!(names.insert(name.unwrap_or_else(|| panic!("{id}: its name must begin with {LOGS}"))), "{id}");
    }
    let mut used = BTreeSet::new();
    for (name, function) in functions() {
        let group = target(&function["LoggingConfig"]["LogGroup"]);
        let called = groups.get(group.as_str()).unwrap_or_else(|| panic!("{name}"))["LogGroupName"]["Fn::Sub"].as_str();
        assert_eq!(called, Some(&*format!("{LOGS}{name}")), "{group}");
        assert!(used.insert(group), "{name} shares its log");
    }
}

#[test]
fn every_function_is_built_for_arm64_and_says_what_it_takes() {
    for (name, function) in functions() {
        assert_eq!(function["Architectures"][0], "arm64", "{name}");
        assert_eq!(function["Runtime"], "provided.al2023", "{name}");
        assert!(function["MemorySize"].as_u64().unwrap() <= 1024, "{name}");
        assert!(function["Timeout"].as_u64().unwrap() <= 60, "{name}");
        let reserved = !function["ReservedConcurrentExecutions"].is_null();
        assert_eq!(reserved, name == "send-sms", "{name}: only send-sms can have reserved concurrency");
        assert!(function["TracingConfig"].is_null(), "{name}: X-Ray must be off by default");
    }
}

/// CloudFormation can't remove a route while the stage has settings for it, so only routes that need settings have some.
#[test]
fn only_routes_that_differ_from_the_default_have_a_throttle_and_sensitive_routes_have_a_stricter_one() {
    let stage = resources("AWS::ApiGatewayV2::Stage").into_values().next().unwrap();
    let throttles = stage["RouteSettings"].as_object().unwrap();
    let number = |value: &Value| {
        let parameter = &expanded()["Parameters"][value["Ref"].as_str().unwrap_or_default()];
        value.as_u64().or(parameter["Default"].as_u64()).unwrap()
    };
    let rate = |settings: &Value| {
        assert!(number(&settings["ThrottlingBurstLimit"]) > 0);
        number(&settings["ThrottlingRateLimit"])
    };
    let default = &stage["DefaultRouteSettings"];
    let mut keys = BTreeSet::new();
    for Route { method, path, .. } in routes() {
        let key = format!("{method} {path}");
        let limit = rate(throttles.get(&key).unwrap_or(default));
        let dear = ["/v1/register/", "/v1/login/", "/v1/codes/", "/v1/password/", "/v1/verifications"]
            .iter()
            .any(|start| path.starts_with(start));
        let opened_by_a_key = path.starts_with("/v1/settings") || path.starts_with("/v1/admin/");
        if (dear && method == "POST") || opened_by_a_key {
            assert!(limit < rate(default), "{key}: {limit} per second");
        }
        keys.insert(key);
    }
    let assets = rate(&throttles["GET /assets/{file}"]);
    assert!(assets >= 5 * rate(default), "a page view with an empty cache takes five of them");
    for (key, settings) in throttles {
        assert!(keys.contains(key), "API Gateway rejects throttles of unknown routes: {key}");
        assert_ne!(settings, default, "{key} has the default throttle");
    }
}

#[test]
fn the_access_log_is_json_with_routes_and_without_paths() {
    let stage = resources("AWS::ApiGatewayV2::Stage").into_values().next().unwrap();
    let format = stage["AccessLogSettings"]["Format"].as_str().unwrap();
    let line: BTreeMap<String, String> = serde_json::from_str(format).expect("JSON");
    assert_eq!(line["route"], "$context.routeKey");
    // Without these, a failed call of a function shows only as a 500 or 503.
    assert_eq!(line["integration_error"], "$context.integrationErrorMessage");
    assert_eq!(line["lambda_request_id"], "$context.awsEndpointRequestId");
    for value in line.values() {
        for telling in ["path", "query", "Ip", "userAgent", "authorizer", "protocol"] {
            assert!(!value.contains(telling), "{value}");
        }
    }
    assert_eq!(target(&stage["AccessLogSettings"]["DestinationArn"]), "ApiLogGroup");
}

#[test]
fn accounts_and_settings_are_protected_and_other_tables_expire() {
    let tables = resources("AWS::DynamoDB::Table");
    for (name, table) in &tables {
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST", "{name}");
        assert_eq!(table["WarmThroughput"]["Fn::If"][0], "TablesAreWarm", "{name}");
        // With SSESpecification, DynamoDB uses a KMS key that costs money per request; without, its own key for free.
        assert!(table["SSESpecification"].is_null(), "{name}");
        let forgets = ["CodesTable", "CountersTable", "SessionsTable", "AuditTable", "DeliveriesTable"].contains(name);
        if forgets {
            assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], "ttl", "{name}");
            assert_eq!(table["TimeToLiveSpecification"]["Enabled"], true, "{name}");
        }
        if forgets && name != &"AuditTable" {
            assert_eq!(policies(name), ("Delete", "Delete"), "{name}");
        } else {
            assert_eq!(table["DeletionProtectionEnabled"], true, "{name}");
            assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true, "{name}");
            assert_eq!(policies(name), ("RetainExceptOnCreate", "Retain"), "{name}");
        }
    }
    for (name, _) in resources("AWS::SecretsManager::Secret") {
        assert_eq!(policies(name), ("RetainExceptOnCreate", "Retain"), "{name}");
    }
}

/// What happens to a resource that is removed or replaced. `UpdateReplacePolicy` doesn't support `RetainExceptOnCreate`.
fn policies(name: &str) -> (&'static str, &'static str) {
    let resource = &expanded()["Resources"][name];
    let policy = |name: &str| resource[name].as_str().unwrap_or_default();
    (policy("DeletionPolicy"), policy("UpdateReplacePolicy"))
}

/// The template for a gradual deployment.
fn gradual() -> &'static (Value, PathBuf) {
    static GRADUAL: LazyLock<(Value, PathBuf)> =
        LazyLock::new(|| expand("target/gradual-template.json", &["TrafficShifting=Canary10Percent5Minutes"]));
    &GRADUAL
}

/// The logical IDs of a type of resources.
fn of_type<'a>(template: &'a Value, kind: &str) -> BTreeSet<&'a str> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind).map(|(id, _)| id.as_str()).collect()
}

/// The functions behind aliases.
fn with_alias(template: &Value) -> BTreeSet<&str> {
    let aliases = of_type(template, "AWS::Lambda::Alias").into_iter();
    aliases.map(|id| template["Resources"][id]["Properties"]["FunctionName"]["Ref"].as_str().unwrap()).collect()
}

#[test]
fn exactly_api_requests_reach_an_alias_whose_former_version_is_deleted() {
    let all = &expanded()["Resources"];
    let named = |function: &str| all[function]["Properties"]["Code"]["S3Key"].as_str().unwrap().to_owned();
    let aliased: BTreeSet<String> = with_alias(expanded()).into_iter().map(named).collect();
    let of_routes = routes().into_iter().map(|route| format!("functions/{}", route.function));
    // A page and its assets must come from the same version.
    assert_eq!(aliased, of_routes.filter(|name| name != "functions/web").collect());
    let body = &resources("AWS::ApiGatewayV2::Api")["Api"]["Body"].to_string();
    for (id, alias) in resources("AWS::Lambda::Alias") {
        assert_eq!(alias["Name"], "live");
        assert!(body.contains(&format!("functions/${{{id}}}/invocations")), "{id} has no route");
        let version = alias["FunctionVersion"]["Fn::GetAtt"][0].as_str().unwrap();
        assert_eq!(all[version]["DeletionPolicy"], "Delete", "{version}");
        let function = alias["FunctionName"]["Ref"].as_str().unwrap();
        assert!(!body.contains(&format!("${{{function}.Arn}}")), "{function} has routes beside its alias");
    }
    for (id, permission) in resources("AWS::Lambda::Permission") {
        if permission["Principal"] == "apigateway.amazonaws.com" {
            let target = permission["FunctionName"]["Ref"].as_str().unwrap();
            assert!(target == "WebFunction" || all[target]["Type"] == "AWS::Lambda::Alias", "{id}: {target}");
        }
    }
    for mapping in resources("AWS::Lambda::EventSourceMapping").into_values() {
        assert_eq!(all[mapping["FunctionName"]["Ref"].as_str().unwrap()]["Type"], "AWS::Lambda::Function");
    }
}

#[test]
fn each_release_publishes_a_version_of_a_changed_function() {
    let (release, _) = expand("target/released-template.json", &[&format!("Release={}", "ab".repeat(32))]);
    let versions = |template| of_type(template, "AWS::Lambda::Version");
    assert!(versions(expanded()).is_disjoint(&versions(&release)));
    assert_eq!(versions(&release).len(), with_alias(&release).len());
    for function in with_alias(&release) {
        // CloudFormation refuses a version of a function that is as it was.
        assert_eq!(release["Resources"][function]["Properties"]["Description"], "ab".repeat(32), "{function}");
    }
}

#[test]
fn codedeploy_exists_only_for_gradual_deployments_and_watches_every_function() {
    let (template, _) = gradual();
    let all = &template["Resources"];
    assert!(!expanded()["Resources"].to_string().contains("AWS::CodeDeploy"));
    for alias in of_type(expanded(), "AWS::Lambda::Alias") {
        assert!(expanded()["Resources"][alias]["UpdatePolicy"].is_null(), "{alias}");
    }
    assert_eq!(of_type(template, "AWS::CodeDeploy::Application").len(), 1);
    let alarms: BTreeSet<&str> = of_type(template, "AWS::CloudWatch::Alarm")
        .into_iter()
        .filter(|id| id.ends_with("FunctionsFailAlarm"))
        .collect();
    assert_eq!(alarms.len(), 4);
    for alias in of_type(template, "AWS::Lambda::Alias") {
        let update = &all[alias]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"];
        let group = &all[update["DeploymentGroupName"]["Ref"].as_str().unwrap()]["Properties"];
        let watched = list(&group["AlarmConfiguration"]["Alarms"]).into_iter();
        assert_eq!(watched.map(|alarm| alarm["Name"]["Ref"].as_str().unwrap()).collect::<BTreeSet<_>>(), alarms);
        assert_eq!(group["AlarmConfiguration"]["Enabled"], true);
        assert!(list(&group["AutoRollbackConfiguration"]["Events"]).contains(&&json!("DEPLOYMENT_STOP_ON_ALARM")));
        assert_eq!(group["DeploymentConfigName"]["Fn::Sub"][1]["ConfigName"], "Canary10Percent5Minutes");
        let role = json!(["TrafficIsShifted", { "Fn::GetAtt": ["ShiftingRole", "Arn"] }, { "Ref": "AWS::NoValue" }]);
        assert_eq!(group["ServiceRoleArn"], json!({ "Fn::If": role }));
    }
    assert!(!of_type(template, "AWS::IAM::Role").contains("CodeDeployServiceRole"), "SAM's own may change every alias");
}

#[test]
fn codedeploy_may_only_move_the_aliases_of_this_stack_and_read_alarms() {
    let role = &expanded()["Resources"]["ShiftingRole"];
    assert_eq!(role["Condition"], "TrafficIsShifted");
    let trust = list(&role["Properties"]["AssumeRolePolicyDocument"]["Statement"]);
    assert_eq!(trust.len(), 1);
    assert_eq!(trust[0]["Principal"], json!({ "Service": "codedeploy.amazonaws.com" }));
    assert_eq!(trust[0]["Condition"], json!({ "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } }));
    assert!(role["Properties"]["ManagedPolicyArns"].is_null());
    let functions = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-*";
    assert_eq!(
        role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"],
        json!([
            {
                "Effect": "Allow",
                "Action": ["lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"],
                "Resource": { "Fn::Sub": functions }
            },
            { "Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*" }
        ])
    );
}

#[test]
fn every_type_of_shifting_is_known_to_sam() {
    let template = expanded();
    let types: Vec<&str> = list(&template["Parameters"]["TrafficShifting"]["AllowedValues"])
        .into_iter()
        .map(|kind| kind.as_str().unwrap())
        .collect();
    let mapping = template["Mappings"]["Shifting"].as_object().unwrap();
    assert_eq!(types.iter().copied().collect::<BTreeSet<_>>(), mapping.keys().map(String::as_str).collect());
    assert_eq!(template["Parameters"]["TrafficShifting"]["Default"], "AllAtOnce");
    for kind in types {
        assert_eq!(mapping[kind]["Gradual"], kind != "AllAtOnce", "{kind}");
    }
}

/// `CloudFormation User Guide`, "Understand CloudFormation quotas".
#[test]
fn the_template_stays_below_the_limits_of_cloudformation() {
    let source = fs::read_to_string(root().join("template.yaml")).unwrap();
    assert!(source.len() <= 1_000_000, "{} bytes", source.len());
    for template in [expanded(), &gradual().0] {
        let count = |section: &str| template[section].as_object().unwrap().len();
        // What is left is for what others add.
        assert!(count("Resources") <= 400, "{} of 500 resources", count("Resources"));
        assert!(count("Parameters") <= 200 && count("Outputs") <= 200 && count("Mappings") <= 200);
        assert!(template.to_string().len() <= 1_000_000, "{} bytes", template.to_string().len());
    }
}

#[test]
fn the_keys_rotate_at_the_first_deployment_and_every_month() {
    let schedule = resources("AWS::SecretsManager::RotationSchedule")["KeysRotation"];
    assert_eq!(schedule["RotateImmediatelyOnUpdate"], true);
    assert_eq!(schedule["RotationRules"]["AutomaticallyAfterDays"], 30);
    assert_eq!(schedule["SecretId"]["Ref"], "KeysSecret");
    assert_eq!(target(&schedule["RotationLambdaARN"]), "RotateKeysFunction");
    assert_eq!(expanded()["Resources"]["KeysRotation"]["DependsOn"], "RotateKeysPermission");
    let permission = resources("AWS::Lambda::Permission")["RotateKeysPermission"];
    assert_eq!(permission["Principal"], "secretsmanager.amazonaws.com");
    assert_eq!(permission["FunctionName"]["Ref"], "RotateKeysFunction");
    assert_eq!(permission["SourceAccount"]["Ref"], "AWS::AccountId");
    assert_eq!(resources("AWS::SecretsManager::Secret")["KeysSecret"]["SecretString"], KeysSecret::PLACEHOLDER);
}

#[test]
fn every_alarm_is_emailed_if_configured_and_has_a_row_in_the_operations_guide() {
    let guide = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let alarms = resources("AWS::CloudWatch::Alarm");
    assert!(!alarms.is_empty());
    for (name, alarm) in alarms {
        assert_eq!(alarm["AlarmActions"]["Fn::If"][0], "AlarmsAreMailed", "{name}");
        assert_eq!(alarm["AlarmActions"]["Fn::If"][1][0]["Ref"], "AlarmTopic", "{name}");
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(description.ends_with("See docs/operations.md."), "{name}");
        // What is wrong, what to do, and where to read more.
        assert!(description.matches(". ").count() >= 2 && description.len() <= 1_024, "{name}: {description}");
        assert!(guide.contains(&format!("| `{name}` |")), "docs/operations.md has no row for {name}");
    }
    assert_eq!(resources("AWS::SNS::Topic")["AlarmTopic"]["KmsMasterKeyId"]["Ref"], "AlarmKey");
    for name in ["AlarmKey", "AlarmTopic", "AlarmTopicPolicy", "AlarmSubscription"] {
        assert_eq!(expanded()["Resources"][name]["Condition"], "AlarmsAreMailed", "{name}");
    }
}

/// The logical IDs that the metrics with this name watch, and the alarm of each. Only metrics of single resources count.
fn watched(metric: &str) -> Vec<(String, String)> {
    let mut watched = Vec::new();
    for (alarm, properties) in resources("AWS::CloudWatch::Alarm") {
        let queries = list(&properties["Metrics"]);
        assert!(queries.len() <= 11, "{alarm}: an alarm has at most ten metrics and an expression");
        for query in queries {
            let of = &query["MetricStat"]["Metric"];
            if of["MetricName"] == metric {
                let resource = &of["Dimensions"][0]["Value"];
                watched.push((
                    resource["Ref"].as_str().or(resource["Fn::GetAtt"][0].as_str()).unwrap().into(),
                    alarm.into(),
                ));
            }
        }
    }
    watched.sort();
    watched
}

fn ids(of: &[(String, String)]) -> Vec<&str> {
    of.iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn every_function_table_stream_and_queue_is_watched_by_one_alarm() {
    let of_type = |kind: &str| resources(kind).into_keys().collect::<Vec<_>>();
    assert_eq!(ids(&watched("Errors")), of_type("AWS::Lambda::Function"));
    for throttles in ["WriteThrottleEvents", "ReadThrottleEvents"] {
        assert_eq!(ids(&watched(throttles)), of_type("AWS::DynamoDB::Table"), "{throttles}");
    }
    let streams = resources("AWS::Lambda::EventSourceMapping").into_iter();
    let streams = streams.filter(|(_, mapping)| mapping["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn");
    let streams: Vec<&str> = streams
        .map(|(id, mapping)| {
            assert_eq!(mapping["MetricsConfig"]["Metrics"][0], "EventCount", "{id}: no DroppedEventCount without it");
            id
        })
        .collect();
    assert_eq!(ids(&watched("DroppedEventCount")), streams);
    let alarms = serde_json::to_string(&resources("AWS::CloudWatch::Alarm")).unwrap();
    for queue in of_type("AWS::SQS::Queue") {
        assert!(
            alarms.contains(&format!("{{\"Fn::GetAtt\":[\"{queue}\",\"QueueName\"]}}")),
            "no alarm watches {queue}"
        );
    }
}

#[test]
fn an_alarm_about_a_ratio_needs_more_than_one_period() {
    let alarms = resources("AWS::CloudWatch::Alarm");
    let ratios: Vec<&str> = alarms
        .iter()
        .filter(|(_, alarm)| list(&alarm["Metrics"]).iter().any(|metric| metric["Id"] == "ratio"))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(ratios, ["FewCodesVerifiedAlarm"]);
    for name in ratios {
        let (m, n) = (&alarms[name]["DatapointsToAlarm"], &alarms[name]["EvaluationPeriods"]);
        assert!(m.as_u64() > Some(1) && m.as_u64() < n.as_u64(), "{name}: {m} of {n}");
    }
}

/// An account's functions without reserved concurrency share one pool. `send-sms` may be throttled by design.
#[test]
fn functions_that_are_throttled_by_design_raise_no_alarm() {
    let query =
        resources("AWS::CloudWatch::Alarm")["FunctionsWaitAlarm"]["Metrics"][0]["Expression"]["Fn::Sub"].as_str();
    let reserved = resources("AWS::Lambda::Function").into_iter();
    for (id, _) in reserved.filter(|(_, function)| !function["ReservedConcurrentExecutions"].is_null()) {
        assert!(query.unwrap().contains(&format!("FunctionName != '${{{id}}}'")), "{id}");
    }
}

#[test]
fn the_dashboard_is_valid() {
    let body = &resources("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"];
    let dashboard: Value = serde_json::from_str(body.as_str().unwrap()).expect("JSON");
    let widgets = dashboard["widgets"].as_array().unwrap();
    assert!(widgets.iter().all(|widget| !list(&widget["properties"]["metrics"]).is_empty()));
    let titles: BTreeSet<&str> = widgets.iter().map(|widget| widget["properties"]["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), widgets.len(), "a duplicate title");
}

/// Like CloudFormation, matches a pattern against the whole value.
fn matches(pattern: &str, value: &str) -> bool {
    let program = "import re, sys; sys.exit(0 if re.fullmatch(sys.argv[1], sys.argv[2]) else 1)";
    let python = Command::new("python3").args(["-c", program, pattern, value]).status();
    python.expect("python3").success()
}

#[test]
fn every_parameter_is_constrained_and_described() {
    let parameters = expanded()["Parameters"].as_object().unwrap();
    for (name, parameter) in parameters {
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        let sentence = parameter["ConstraintDescription"].as_str();
        assert!(sentence.is_some_and(|text| text.starts_with("must be ") && text.ends_with('.')), "{name}");
        let bounded = ["AllowedPattern", "AllowedValues", "MinValue"].iter().any(|bound| !parameter[*bound].is_null());
        assert!(bounded, "{name}");
        if let (Some(pattern), Some(value)) = (parameter["AllowedPattern"].as_str(), parameter["Default"].as_str()) {
            assert!(matches(pattern, value), "{name}: an invalid default");
        }
        if let (Value::Array(values), value) = (&parameter["AllowedValues"], &parameter["Default"]) {
            assert!(values.contains(value), "{name}: an invalid default");
        }
    }
    let pattern = |name: &str| parameters[name]["AllowedPattern"].as_str().unwrap();
    let long = "x".repeat(61);
    for (name, good, bad) in [
        ("SiteName", "Ada & Sons", "Señor"),
        ("SiteHost", "auth.example.com", "https://example.com"),
        ("SiteHost", "example.com", long.as_str()),
        ("AllowedCountries", "US,ES", "us"),
        ("AllowedCountries", "*", "USA"),
        ("Issuer", "https://auth.example.com", "http://auth.example.com"),
        ("EmailFrom", "no-reply@example.com", "Example <no-reply@example.com>"),
        ("AlarmEmail", "ops@example.com", "ops"),
    ] {
        assert!(matches(pattern(name), good), "{name}: {good}");
        assert!(!matches(pattern(name), bad), "{name}: {bad}");
    }
}

#[test]
fn outputs_are_described_and_contain_no_secret() {
    let outputs = expanded()["Outputs"].as_object().unwrap();
    for name in
        ["ApiAddress", "PagesAddress", "AdminSecretName", "CallbackAddress", "CallbackSecretName", "DashboardAddress"]
    {
        assert!(outputs[name]["Description"].is_string(), "{name}");
    }
    assert!(!expanded()["Outputs"].to_string().contains("resolve:secretsmanager"), "an output with a secret");
    let parameters = expanded()["Parameters"].as_object().unwrap();
    // The guide of `sam deploy` can't be answered with Enter where a parameter has no default.
    assert!(parameters.values().all(|parameter| parameter["NoEcho"].is_null() && !parameter["Default"].is_null()));
}

/// The ignored rules of each scanner.
fn exceptions() -> BTreeMap<&'static str, BTreeSet<String>> {
    let file = fs::read_to_string(root().join("tests/scanner_exceptions.txt")).unwrap();
    let mut exceptions: BTreeMap<&str, BTreeSet<String>> =
        BTreeMap::from([("checkov", [].into()), ("cfn-lint", [].into())]);
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (rule, reason) = line.split_once(' ').expect("a rule and a reason");
        assert!(reason.trim().ends_with('.'), "{rule}: the reason must be a sentence");
        let scanner = if rule.starts_with("CKV") { "checkov" } else { "cfn-lint" };
        exceptions.get_mut(scanner).unwrap().insert(rule.to_owned());
    }
    exceptions
}

fn run(program: &str, arguments: &[&str]) -> Value {
    let output = Command::new(root().join(program)).args(arguments).output().expect(".venv: run `make test-setup`");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{program}: {error}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn checkov_finds_exactly_the_exceptions() {
    let file = &expanded_file();
    let found = run(
        ".venv/checkov/bin/checkov",
        &["-f", file, "--framework", "cloudformation", "--skip-download", "-o", "json"],
    );
    assert!(found["summary"]["passed"].as_u64().unwrap() > 100, "{}", found["summary"]);
    assert_eq!(found["summary"]["parsing_errors"], 0);
    let failed = list(&found["results"]["failed_checks"]).into_iter();
    let failed: Vec<(String, &Value)> =
        failed.map(|check| (check["check_id"].as_str().unwrap().to_owned(), &check["resource"])).collect();
    let excepted = &exceptions()["checkov"];
    for (rule, resource) in &failed {
        assert!(excepted.contains(rule), "{rule}: {resource}");
    }
    let rules: BTreeSet<String> = failed.into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, *excepted);
}

#[test]
fn cfn_lint_finds_exactly_the_exceptions() {
    let rules = "cfn_lint_serverless.rules";
    let excepted = &exceptions()["cfn-lint"];
    // SAM adds the groups only with a value for which the role's condition holds, which the linter can't know.
    let of_groups = ["--ignore-checks", "E3003"];
    for (file, more) in [(&*expanded_file(), &[][..]), (&*gradual().1.to_string_lossy(), &of_groups)] {
        let found = run(
            ".venv/bin/cfn-lint",
            &[&["--template", file, "--regions", "us-east-1", "--append-rules", rules, "--format", "json"], more]
                .concat(),
        );
        let mut seen = BTreeSet::new();
        for finding in list(&found) {
            let rule = finding["Rule"]["Id"].as_str().unwrap();
            assert!(excepted.contains(rule), "{file}: {rule}: {}", finding["Message"]);
            seen.insert(rule.to_owned());
        }
        assert_eq!(seen, *excepted);
    }
}

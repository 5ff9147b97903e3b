//! DynamoDB (JSON 1.0): actions, tables and indexes, and the condition keys of fine-grained access control (DynamoDB
//! Developer Guide, "Using IAM policy conditions for fine-grained access control" and "Using IAM with DynamoDB
//! transactions").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::texts;
use crate::{
    arn,
    iam::{
        condition::ConditionKey,
        request::{Context, Request},
    },
    template::physical_name,
};

pub const CONDITION_KEYS: [ConditionKey; 7] = [
    ConditionKey::many("dynamodb:Attributes"),
    ConditionKey::many("dynamodb:EnclosingOperation"),
    ConditionKey::single("dynamodb:FullTableScan"),
    ConditionKey::many("dynamodb:LeadingKeys"),
    ConditionKey::single("dynamodb:ReturnConsumedCapacity"),
    ConditionKey::single("dynamodb:ReturnValues"),
    ConditionKey::single("dynamodb:Select"),
];

/// The partition keys of the template's tables and indexes.
#[derive(Debug, Default)]
pub struct Tables(BTreeMap<(String, Option<String>), String>);

impl Tables {
    #[must_use]
    pub fn read(template: &Value) -> Self {
        let mut keys = BTreeMap::new();
        let partition_key = |schema: &Value| {
            let mut parts = schema.as_array()?.iter();
            parts.find(|part| part["KeyType"] == "HASH")?["AttributeName"].as_str().map(str::to_owned)
        };
        for (logical_id, resource) in template["Resources"].as_object().into_iter().flatten() {
            let Some(table) =
                physical_name(logical_id, resource).filter(|_| resource["Type"] == "AWS::DynamoDB::Table")
            else {
                continue;
            };
            let properties = &resource["Properties"];
            if let Some(key) = partition_key(&properties["KeySchema"]) {
                keys.insert((table.clone(), None), key);
            }
            for indexes in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
                for index in properties[indexes].as_array().into_iter().flatten() {
                    if let Some(key) = partition_key(&index["KeySchema"]) {
                        keys.insert((table.clone(), index["IndexName"].as_str().map(str::to_owned)), key);
                    }
                }
            }
        }
        Self(keys)
    }

    fn partition_key(&self, table: &str, index: Option<&str>) -> Option<&str> {
        self.0.get(&(table.to_owned(), index.map(str::to_owned))).map(String::as_str)
    }
}

pub fn requests(operation: &str, body: &Value, tables: &Tables) -> Option<Vec<Request>> {
    let part = Part { tables, whole: body };
    match operation {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" => {
            Some(vec![part.request(operation, table_of(&body["TableName"])?, body, &[body])])
        }
        "Query" | "Scan" => Some(vec![part.search(operation, body)?]),
        "BatchGetItem" => part.batch(operation, |request| {
            let keys = request["Keys"].as_array().into_iter().flatten();
            keys.map(|key| serde_json::json!({ "Key": key })).collect()
        }),
        "BatchWriteItem" => part.batch(operation, |requests| {
            let requests = requests.as_array().into_iter().flatten();
            requests.flat_map(|request| [&request["PutRequest"], &request["DeleteRequest"]]).cloned().collect()
        }),
        "TransactWriteItems" | "TransactGetItems" => part.transaction(operation),
        _ => None,
    }
}

/// What the parts of one call have in common.
struct Part<'a> {
    tables: &'a Tables,
    whole: &'a Value,
}

impl Part<'_> {
    /// `asked` contains the expressions, each of `items` a `Key` or an `Item`.
    fn request(&self, action: &str, table: &str, asked: &Value, items: &[&Value]) -> Request {
        let mut request = Request::new(&format!("dynamodb:{action}"), &arn::table(table));
        let context = &mut request.context;
        let mut attributes = attributes(asked);
        let mut leading = Vec::new();
        for item in items {
            for attribute in [&item["Key"], &item["Item"]].into_iter().filter_map(Value::as_object) {
                attributes.extend(attribute.keys().cloned());
                let key = self.tables.partition_key(table, None).and_then(|key| scalar(attribute.get(key)?));
                leading.extend(key);
            }
        }
        if !leading.is_empty() {
            context.set("dynamodb:LeadingKeys", leading);
        }
        context.set("dynamodb:Attributes", attributes);
        self.named(context, asked, &["ReturnValues"]);
        request
    }

    fn search(&self, operation: &str, body: &Value) -> Option<Request> {
        let (table, index) = (table_of(&body["TableName"])?, body["IndexName"].as_str());
        let mut request = self.request(operation, table, body, &[]);
        if let Some(index) = index {
            request.resource = arn::index(table, index);
        }
        let context = &mut request.context;
        if operation == "Scan" {
            context.set("dynamodb:FullTableScan", ["true"]);
        } else if let Some(key) = self.tables.partition_key(table, index).and_then(|key| queried(body, key)) {
            context.set("dynamodb:LeadingKeys", [key]);
        }
        // The default of `Select` (DynamoDB API Reference, Query).
        let projects = ["ProjectionExpression", "AttributesToGet"].iter().any(|name| !body[*name].is_null());
        let select = match (projects, index) {
            (true, _) => "SPECIFIC_ATTRIBUTES",
            (false, Some(_)) => "ALL_PROJECTED_ATTRIBUTES",
            (false, None) => "ALL_ATTRIBUTES",
        };
        context.set("dynamodb:Select", [body["Select"].as_str().unwrap_or(select)]);
        Some(request)
    }

    /// One request per table.
    fn batch(&self, operation: &str, items: impl Fn(&Value) -> Vec<Value>) -> Option<Vec<Request>> {
        let tables = self.whole["RequestItems"].as_object()?.iter();
        let request = |(table, asked): (&String, &Value)| {
            let items = items(asked);
            self.request(operation, without_arn(table), asked, &items.iter().collect::<Vec<_>>())
        };
        Some(tables.map(request).collect())
    }

    /// One request per part, as if each part were a call of its own.
    fn transaction(&self, operation: &str) -> Option<Vec<Request>> {
        let parts = self.whole["TransactItems"].as_array()?.iter();
        let request = |part: &Value| {
            let (kind, asked) = part.as_object()?.iter().next()?;
            let action = match (operation, kind.as_str()) {
                ("TransactGetItems", "Get") => "GetItem",
                ("TransactWriteItems", "Put") => "PutItem",
                ("TransactWriteItems", "Update") => "UpdateItem",
                ("TransactWriteItems", "Delete") => "DeleteItem",
                ("TransactWriteItems", "ConditionCheck") => "ConditionCheckItem",
                _ => return None,
            };
            let request = self.request(action, table_of(&asked["TableName"])?, asked, &[asked]);
            Some(request.with("dynamodb:EnclosingOperation", [operation]))
        };
        parts.map(request).collect()
    }

    fn named(&self, context: &mut Context, asked: &Value, names: &[&str]) {
        let of_whole = [("ReturnConsumedCapacity", self.whole)];
        for (name, place) in names.iter().map(|name| (*name, asked)).chain(of_whole) {
            if let Some(value) = place[name].as_str() {
                context.set(&format!("dynamodb:{name}"), [value]);
            }
        }
    }
}

fn table_of(name: &Value) -> Option<&str> {
    name.as_str().map(without_arn)
}

/// DynamoDB accepts a table's ARN in place of its name.
fn without_arn(name: &str) -> &str {
    name.split_once(":table/").map_or(name, |(_, name)| name)
}

/// The value of a key attribute: a string, a number, or bytes in Base64.
fn scalar(value: &Value) -> Option<String> {
    value.as_object()?.values().next()?.as_str().map(str::to_owned)
}

/// The value that a query compares with `key`.
fn queried(body: &Value, key: &str) -> Option<String> {
    if let Some(condition) = body["KeyConditions"][key].as_object() {
        return scalar(condition.get("AttributeValueList")?.get(0)?);
    }
    let tokens = tokens(body["KeyConditionExpression"].as_str()?);
    let is_key = |token: &str| resolved(token, body) == Some(key.to_owned());
    let value = tokens.windows(3).find_map(|window| match window {
        [name, equals, value] if equals == "=" && is_key(name) => Some(value),
        [value, equals, name] if equals == "=" && is_key(name) => Some(value),
        _ => None,
    })?;
    scalar(&body["ExpressionAttributeValues"][value.as_str()])
}

/// The top-level attributes that a call's expressions name.
fn attributes(body: &Value) -> BTreeSet<String> {
    const EXPRESSIONS: [&str; 5] = [
        "ProjectionExpression",
        "ConditionExpression",
        "UpdateExpression",
        "FilterExpression",
        "KeyConditionExpression",
    ];
    const BY_ATTRIBUTE: [&str; 5] = ["AttributeUpdates", "Expected", "KeyConditions", "QueryFilter", "ScanFilter"];
    const WORDS: [&str; 9] = ["SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"];
    let mut found = BTreeSet::new();
    for expression in EXPRESSIONS.iter().filter_map(|name| body[*name].as_str()) {
        let tokens = tokens(expression);
        for (at, token) in tokens.iter().enumerate() {
            let nested = at > 0 && tokens[at - 1] == ".";
            let function = tokens.get(at + 1).is_some_and(|next| next == "(");
            let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(token));
            if !nested && !word && (!function || token.starts_with('#')) {
                found.extend(resolved(token, body));
            }
        }
    }
    found.extend(BY_ATTRIBUTE.iter().filter_map(|name| body[*name].as_object()).flat_map(|map| map.keys().cloned()));
    found.extend(texts(&body["AttributesToGet"]));
    found
}

/// The attribute that a token refers to, if any.
fn resolved(token: &str, body: &Value) -> Option<String> {
    match token.chars().next()? {
        '#' => body["ExpressionAttributeNames"][token].as_str().map(str::to_owned),
        first if first.is_ascii_alphabetic() || first == '_' => Some(token.to_owned()),
        _ => None,
    }
}

/// Splits an expression into tokens: names, placeholders and numbers stay whole; every other character is a token.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for character in expression.chars() {
        let starts = matches!(character, '#' | ':');
        let continues = character.is_ascii_alphanumeric() || character == '_';
        match tokens.last_mut() {
            Some(last) if in_word && continues => last.push(character),
            _ if character.is_whitespace() => {}
            _ => tokens.push(character.to_string()),
        }
        in_word = starts || continues;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tables() -> Tables {
        Tables::read(&json!({ "Resources": { "UsersTable": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                "GlobalSecondaryIndexes": [{
                    "IndexName": "by-email",
                    "KeySchema": [{ "AttributeName": "email", "KeyType": "HASH" }, { "AttributeName": "at", "KeyType": "RANGE" }],
                }],
            },
        } } }))
    }

    fn asked(operation: &str, body: &Value) -> Vec<Request> {
        requests(operation, body, &tables()).unwrap()
    }

    fn named(requests: &[Request]) -> Vec<(String, String)> {
        requests.iter().map(|request| (request.action.clone(), request.resource.clone())).collect()
    }

    const USERS: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/users";
    const CODES: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/codes";

    #[test]
    fn a_single_operation_is_an_action_on_its_table_with_the_item_that_it_is_about() {
        let update = json!({
            "TableName": "users", "Key": { "pk": { "S": "USER#1" } }, "ReturnValues": "ALL_NEW",
            "UpdateExpression": "SET #n = :n, a.b[0] = if_not_exists(c, :zero) REMOVE d ADD epoch :one",
            "ConditionExpression": "attribute_exists(pk) AND #v = :v",
            "ExpressionAttributeNames": { "#n": "name", "#v": "version" },
        });
        let update = &asked("UpdateItem", &update)[0];
        assert_eq!((&*update.action, &*update.resource), ("dynamodb:UpdateItem", USERS));
        assert_eq!(update.context.get("dynamodb:LeadingKeys"), ["USER#1"]);
        assert_eq!(update.context.get("dynamodb:Attributes"), ["a", "c", "d", "epoch", "name", "pk", "version"]);
        assert_eq!(update.context.get("dynamodb:ReturnValues"), ["ALL_NEW"]);

        let put = json!({ "TableName": USERS, "Item": { "pk": { "S": "USER#2" }, "name": { "S": "Ada" } } });
        let put = &asked("PutItem", &put)[0];
        assert_eq!((&*put.action, &*put.resource), ("dynamodb:PutItem", USERS));
        assert_eq!(put.context.get("dynamodb:LeadingKeys"), ["USER#2"]);
        assert_eq!(put.context.get("dynamodb:Attributes"), ["name", "pk"]);
        assert!(put.context.get("dynamodb:ReturnValues").is_empty());
    }

    #[test]
    fn a_query_of_an_index_is_about_the_index_and_its_own_key() {
        let query = json!({
            "TableName": "users", "IndexName": "by-email", "KeyConditionExpression": "#e = :e AND at > :t",
            "ExpressionAttributeNames": { "#e": "email" },
            "ExpressionAttributeValues": { ":e": { "S": "ada@example.com" }, ":t": { "N": "1" } },
        });
        let query = &asked("Query", &query)[0];
        assert_eq!((&*query.action, &*query.resource), ("dynamodb:Query", &*format!("{USERS}/index/by-email")));
        assert_eq!(query.context.get("dynamodb:LeadingKeys"), ["ada@example.com"]);
        assert_eq!(query.context.get("dynamodb:Attributes"), ["at", "email"]);
        assert_eq!(query.context.get("dynamodb:Select"), ["ALL_PROJECTED_ATTRIBUTES"]);
        let scan = &asked("Scan", &json!({ "TableName": "users", "Select": "COUNT" }))[0];
        assert_eq!(scan.context.get("dynamodb:FullTableScan"), ["true"]);
        assert_eq!(scan.context.get("dynamodb:Select"), ["COUNT"]);
        assert!(scan.context.get("dynamodb:LeadingKeys").is_empty());
    }

    #[test]
    fn a_transaction_is_each_of_its_parts() {
        let key = json!({ "pk": { "S": "x" } });
        let writes = json!({ "TransactItems": [
            { "Put": { "TableName": "codes", "Item": { "id": { "S": "1" } } } },
            { "Update": { "TableName": "users", "Key": key, "UpdateExpression": "SET a = :a" } },
            { "Delete": { "TableName": "users", "Key": key } },
            { "ConditionCheck": { "TableName": "users", "Key": key, "ConditionExpression": "a = :a" } },
        ] });
        let writes = asked("TransactWriteItems", &writes);
        let expected = [
            ("dynamodb:PutItem", CODES),
            ("dynamodb:UpdateItem", USERS),
            ("dynamodb:DeleteItem", USERS),
            ("dynamodb:ConditionCheckItem", USERS),
        ];
        assert_eq!(named(&writes), expected.map(|(action, table)| (action.to_owned(), table.to_owned())));
        assert_eq!(writes[0].context.get("dynamodb:EnclosingOperation"), ["TransactWriteItems"]);
        let reads = json!({ "TransactItems": [{ "Get": { "TableName": "users", "Key": key } }] });
        assert_eq!(named(&asked("TransactGetItems", &reads)), [("dynamodb:GetItem".into(), USERS.into())]);
    }

    #[test]
    fn a_batch_is_one_action_on_each_table() {
        let gets = json!({ "RequestItems": {
            "codes": { "Keys": [{ "id": { "S": "1" } }] },
            "users": { "Keys": [{ "pk": { "S": "a" } }, { "pk": { "S": "b" } }], "ProjectionExpression": "email" },
        } });
        let gets = asked("BatchGetItem", &gets);
        let expected = [("dynamodb:BatchGetItem".into(), CODES.into()), ("dynamodb:BatchGetItem".into(), USERS.into())];
        assert_eq!(named(&gets), expected);
        assert_eq!(gets[1].context.get("dynamodb:LeadingKeys"), ["a", "b"]);
        assert_eq!(gets[1].context.get("dynamodb:Attributes"), ["email", "pk"]);
        let writes = json!({ "RequestItems": { "users": [
            { "PutRequest": { "Item": { "pk": { "S": "a" }, "name": { "S": "Ada" } } } },
            { "DeleteRequest": { "Key": { "pk": { "S": "b" } } } },
        ] } });
        let writes = asked("BatchWriteItem", &writes);
        assert_eq!(named(&writes), [("dynamodb:BatchWriteItem".into(), USERS.into())]);
        assert_eq!(writes[0].context.get("dynamodb:LeadingKeys"), ["a", "b"]);
    }

    #[test]
    fn what_is_not_known_is_said_to_be_unknown() {
        assert_eq!(requests("ExecuteStatement", &json!({ "Statement": "SELECT * FROM users" }), &tables()), None);
        assert_eq!(requests("GetItem", &json!({}), &tables()), None);
        assert_eq!(requests("TransactWriteItems", &json!({ "TransactItems": [{ "Get": {} }] }), &tables()), None);
    }
}

//! Embedded DynamoDB with the tables that `template.yaml` declares.

use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use dynoxide::Database;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    result::Result,
    template::{Table, Template},
};

const SETTINGS: &str = "settings";

/// An index that Dynoxide lacks. Without it, each write to a table with a stream, and each read of a stream, scans all records
/// that were ever written to streams.
const STREAM_POSITIONS: &str = "CREATE INDEX IF NOT EXISTS stream_positions
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// # Errors
/// If the data can't be opened, or DynamoDB rejects a table.
pub fn open(data: Option<&Path>, template: &Template) -> Result<Database> {
    static IN_MEMORY: AtomicU64 = AtomicU64::new(0);
    let file = match data {
        // A name, so that a second connection finds it.
        None => format!("file:dynamodb-{}?mode=memory&cache=shared", IN_MEMORY.fetch_add(1, Ordering::Relaxed)),
        Some(folder) => {
            fs::create_dir_all(folder)?;
            folder.join("dynamodb.sqlite").to_string_lossy().into_owned()
        }
    };
    let database = Database::new(&file)?;
    Connection::open(&file)?.execute_batch(STREAM_POSITIONS)?;
    let present = database.list_tables(serde_json::from_value(json!({}))?)?.table_names;
    let tables = template.tables();
    let is_new = |name: &str| !present.iter().any(|table| table == name);
    let has_no_settings = tables.iter().any(|table| table.name == SETTINGS) && is_new(SETTINGS);
    for table in tables {
        if !is_new(&table.name) {
            add_indexes(&database, &table)?;
            continue;
        }
        database.create_table(serde_json::from_value(table.create)?)?;
        if let Some(attribute) = table.ttl_attribute {
            let specification = json!({ "AttributeName": attribute, "Enabled": true });
            let request = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
            database.update_time_to_live(serde_json::from_value(request)?)?;
        }
    }
    if has_no_settings {
        let request = json!({ "TableName": SETTINGS, "Item": first_settings() });
        database.put_item(serde_json::from_value(request)?)?;
    }
    Ok(database)
}

/// Adds the indexes that the template has and an earlier version's table has not, as CloudFormation does.
fn add_indexes(database: &Database, table: &Table) -> Result<()> {
    let describe = serde_json::from_value(json!({ "TableName": table.name }))?;
    let present = serde_json::to_value(database.describe_table(describe)?)?;
    let indexes = |value: &Value| value["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
    let known: Vec<Value> = indexes(&present["Table"]).into_iter().map(|index| index["IndexName"].clone()).collect();
    for index in indexes(&table.create).into_iter().filter(|index| !known.contains(&index["IndexName"])) {
        let request = json!({
            "TableName": table.name,
            "AttributeDefinitions": table.create["AttributeDefinitions"],
            "GlobalSecondaryIndexUpdates": [{ "Create": index }],
        });
        database.update_table(serde_json::from_value(request)?)?;
    }
    Ok(())
}

/// The initial settings: on a laptop, two-step sign-in starts enabled and uses the sandbox's key.
fn first_settings() -> Value {
    let countries = env::var("ALLOWED_COUNTRIES").unwrap_or_else(|_| "*".to_owned());
    let countries: Vec<_> = countries.split(',').map(|country| json!({ "S": country })).collect();
    json!({
        "id": { "S": "settings" },
        "version": { "N": "1" },
        "two_step_enabled": { "BOOL": true },
        "site_name": { "S": "Example" },
        "site_host": { "S": "localhost" },
        "phone_login_for_password_accounts": { "BOOL": true },
        "allowed_countries": { "L": countries },
        "clickatell": { "M": {
            "api": { "S": "rest" },
            "from": { "NULL": true },
            "key_hint": { "S": "…-key" },
            "updated_at": { "NULL": true },
        } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_of_streams_scan_no_records() {
        let file = "file:dynamodb-plan?mode=memory&cache=shared";
        let _database = Database::new(file).unwrap();
        let connection = Connection::open(file).unwrap();
        connection.execute_batch(STREAM_POSITIONS).unwrap();
        // Dynoxide's own queries.
        for query in [
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1",
            "SELECT event_name FROM _stream_records WHERE table_name = ?1 AND shard_id = ?2
             AND CAST(sequence_number AS INTEGER) > ?3 ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT ?4",
        ] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let steps = plan.raw_query().mapped(|row| row.get::<_, String>("detail"));
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            assert!(steps.iter().all(|step| step.contains("INDEX stream_positions")), "{steps:?}");
        }
    }

    #[test]
    fn a_table_of_an_earlier_version_gets_its_new_index() {
        let database = Database::memory().unwrap();
        let key = json!([{ "AttributeName": "id", "KeyType": "HASH" }]);
        let id = json!({ "AttributeName": "id", "AttributeType": "S" });
        let create = json!({ "TableName": "sessions", "KeySchema": key, "AttributeDefinitions": [id],
            "BillingMode": "PAY_PER_REQUEST" });
        database.create_table(serde_json::from_value(create.clone()).unwrap()).unwrap();
        let item = json!({ "TableName": "sessions", "Item": { "id": { "S": "a" }, "user": { "S": "ada" } } });
        database.put_item(serde_json::from_value(item).unwrap()).unwrap();

        let mut later = create;
        later["AttributeDefinitions"] = json!([id, { "AttributeName": "user", "AttributeType": "S" }]);
        later["GlobalSecondaryIndexes"] = json!([{ "IndexName": "by-user",
            "KeySchema": [{ "AttributeName": "user", "KeyType": "HASH" }], "Projection": { "ProjectionType": "ALL" } }]);
        let table = Table { name: "sessions".into(), create: later, ttl_attribute: None };
        for _ in 0..2 {
            add_indexes(&database, &table).unwrap();
        }
        let query = json!({ "TableName": "sessions", "IndexName": "by-user", "KeyConditionExpression": "#u = :u",
            "ExpressionAttributeNames": { "#u": "user" }, "ExpressionAttributeValues": { ":u": { "S": "ada" } } });
        let found = database.query(serde_json::from_value(query).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(found).unwrap()["Count"], 1);
    }
}

//! Embedded DynamoDB with the tables that `template.yaml` declares.

use std::{env, fs, path::Path};

use dynoxide::Database;
use serde_json::json;

use crate::{result::Result, template::Template};

const SETTINGS: &str = "settings";

/// # Errors
/// If the data can't be opened, or DynamoDB rejects a table.
pub fn open(data: Option<&Path>, template: &Template) -> Result<Database> {
    let database = match data {
        None => Database::memory()?,
        Some(folder) => {
            fs::create_dir_all(folder)?;
            Database::new(&folder.join("dynamodb.sqlite").to_string_lossy())?
        }
    };
    let present = database.list_tables(serde_json::from_value(json!({}))?)?.table_names;
    let tables = template.tables();
    let is_new = |name: &str| !present.iter().any(|table| table == name);
    let has_no_settings = tables.iter().any(|table| table.name == SETTINGS) && is_new(SETTINGS);
    for table in tables {
        if !is_new(&table.name) {
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

/// The initial settings: on a laptop, two-step sign-in starts enabled and uses the sandbox's key.
fn first_settings() -> serde_json::Value {
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

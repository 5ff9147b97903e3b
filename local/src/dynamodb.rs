//! DynamoDB, embedded, with the tables as `template.yaml` declares them.

use std::{fs, path::Path};

use dynoxide::Database;
use serde_json::json;

use crate::{Result, template::Template};

/// # Errors
/// When the data cannot be opened or a table is not declared as DynamoDB wants it.
pub fn open(data: Option<&Path>, template: &Template) -> Result<Database> {
    let database = match data {
        None => Database::memory()?,
        Some(folder) => {
            fs::create_dir_all(folder)?;
            Database::new(&folder.join("dynamodb.sqlite").to_string_lossy())?
        }
    };
    let present = database.list_tables(serde_json::from_value(json!({}))?)?.table_names;
    for table in template.tables() {
        if present.contains(&table.name) {
            continue;
        }
        database.create_table(serde_json::from_value(table.create)?)?;
        if let Some(attribute) = table.ttl_attribute {
            let specification = json!({ "AttributeName": attribute, "Enabled": true });
            let request = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
            database.update_time_to_live(serde_json::from_value(request)?)?;
        }
    }
    Ok(database)
}

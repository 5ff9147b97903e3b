//! The DynamoDB tables.

use serde_json::{Value, json};

use super::{document::Template, names};

pub struct Table {
    /// The logical ID without `Table`, in lowercase: `users`.
    pub name: String,
    /// The request for `CreateTable`.
    pub create: Value,
    pub ttl_attribute: Option<String>,
}

impl Template {
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        self.of_type("AWS::DynamoDB::Table").map(|(id, properties)| table(names::table(id), properties)).collect()
    }
}

fn table(name: String, properties: &Value) -> Table {
    let mut create = json!({ "TableName": name });
    for part in ["KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes"] {
        if !properties[part].is_null() {
            create[part] = properties[part].clone();
        }
    }
    // CloudFormation enables a stream if its view type is set; the API needs both properties.
    if let Some(view) = properties["StreamSpecification"]["StreamViewType"].as_str() {
        create["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    let ttl_attribute = properties["TimeToLiveSpecification"]["AttributeName"].as_str().map(str::to_owned);
    Table { name, create, ttl_attribute }
}

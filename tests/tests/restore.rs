//! `scripts/restore.py` on the laptop's DynamoDB: what it shows, writes, keeps and continues.

use std::{collections::HashMap, fs, path::Path, process::Output};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType::S as Text,
    },
};
use serde_json::Value;
use tokio::{net::TcpListener, process::Command};
use twostep_local::{aws::dynamodb, template::Template};
use twostep_tests::paths::root;

type Item = HashMap<String, AttributeValue>;

/// The live table `users`, and the table `restored` as it was before items were lost.
struct Tables {
    client: Client,
    url: String,
    folder: std::path::PathBuf,
}

impl Tables {
    async fn start(name: &str) -> Self {
        let template = Template::read(&root().join("template.yaml").to_string_lossy()).unwrap();
        let database = dynamodb::open(None, &template).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(&url);
        let client = Client::from_conf(config.build());
        let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().unwrap();
        let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(Text).build().unwrap();
        let create = client.create_table().table_name("restored").key_schema(key).attribute_definitions(attribute);
        create.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
        let folder = root().join("target/restore").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { client, url, folder }
    }

    async fn put(&self, table: &str, item: Item) {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// An account with an email address and a number, as both tables or only the restored one have it.
    async fn account(&self, tables: &[&str], id: &str, email: &str, phone: &str) {
        for table in tables {
            self.put(table, item(&[("pk", &format!("USER#{id}")), ("user_id", id), ("name", "before")])).await;
            self.put(table, item(&[("pk", &format!("EMAIL#{email}")), ("user_id", id)])).await;
            self.put(table, item(&[("pk", &format!("PHONE#{phone}")), ("user_id", id)])).await;
        }
    }

    async fn live(&self, key: &str) -> Option<Item> {
        let get = self.client.get_item().table_name("users").key("pk", AttributeValue::S(key.to_owned()));
        get.consistent_read(true).send().await.unwrap().item
    }

    async fn count(&self) -> i32 {
        self.client.scan().table_name("users").send().await.unwrap().count
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.join("state.json")
    }

    /// Runs the script. Returns whether it succeeded, and what it printed.
    async fn restore(&self, more: &[&str]) -> (bool, String) {
        let python: &Path = &root().join(".venv/bin/python");
        let output: Output = Command::new(python)
            .arg(root().join("scripts/restore.py"))
            .args(["--from", "restored", "--to", "users", "--region", "us-east-1", "--state"])
            .arg(self.state())
            .args(more)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .output()
            .await
            .expect(".venv: run `make test-setup`");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }
}

fn item(attributes: &[(&str, &str)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_accounts_come_back_whole_and_newer_items_win() {
    let tables = Tables::start("whole").await;
    tables.account(&["restored"], "lost", "lost@example.com", "+14155550001").await;
    tables.account(&["restored", "users"], "kept", "kept@example.com", "+14155550002").await;
    // Changed since the moment that was restored: a new name and number, and the old number is free.
    tables.put("users", item(&[("pk", "USER#kept"), ("user_id", "kept"), ("name", "after")])).await;
    let delete = tables.client.delete_item().table_name("users");
    delete.key("pk", AttributeValue::S("PHONE#+14155550002".into())).send().await.unwrap();
    // An item of no account, and a name whose account was gone already.
    tables.put("restored", item(&[("pk", "CLIENT#shop"), ("secret", "hash")])).await;
    tables.put("restored", item(&[("pk", "EMAIL#gone@example.com"), ("user_id", "gone")])).await;

    let before = tables.count().await;
    let (succeeded, said) = tables.restore(&[]).await;
    assert!(succeeded, "{said}");
    assert!(said.contains("4 missing") && said.contains("3 kept") && said.contains("1 skipped"), "{said}");
    assert_eq!(tables.count().await, before, "a dry run writes nothing");

    for outcome in ["4 restored", "7 kept"] {
        let (succeeded, said) = tables.restore(&["--write"]).await;
        assert!(succeeded && said.contains(outcome), "{said}");
        assert!(!tables.state().exists(), "a complete copy has no place to continue");
    }
    for key in ["USER#lost", "EMAIL#lost@example.com", "PHONE#+14155550001", "CLIENT#shop"] {
        assert!(tables.live(key).await.is_some(), "{key}");
    }
    assert_eq!(tables.live("USER#kept").await.unwrap()["name"], AttributeValue::S("after".into()));
    for key in ["PHONE#+14155550002", "EMAIL#gone@example.com"] {
        assert!(tables.live(key).await.is_none(), "{key} must stay free");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_name_has_a_new_owner_is_named_and_not_restored() {
    let tables = Tables::start("taken").await;
    tables.account(&["restored"], "lost", "lost@example.com", "+14155550001").await;
    tables.account(&["users"], "new", "new@example.com", "+14155550001").await;
    let (succeeded, said) = tables.restore(&["--write"]).await;
    assert!(!succeeded && said.contains("not restored: USER#lost") && said.contains("PHONE#+14155550001"), "{said}");
    assert!(tables.live("USER#lost").await.is_none() && tables.live("EMAIL#lost@example.com").await.is_none());
    assert_eq!(tables.live("PHONE#+14155550001").await.unwrap()["user_id"], AttributeValue::S("new".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_copy_continues_where_it_stopped() {
    let tables = Tables::start("resumed").await;
    for number in 0..20 {
        tables.put("restored", item(&[("pk", &format!("CLIENT#{number}"))])).await;
    }
    // As if the copy had been stopped after its first page of five.
    let first = tables.client.scan().table_name("restored").limit(5).send().await.unwrap();
    let AttributeValue::S(after) = &first.last_evaluated_key.unwrap()["pk"] else { panic!("a key") };
    let state = |to: &str| {
        let place = serde_json::json!({ "from": "restored", "to": to, "after": { "pk": { "S": after } } });
        fs::write(tables.state(), place.to_string()).unwrap();
    };
    state("other");
    let (succeeded, said) = tables.restore(&["--write"]).await;
    assert!(!succeeded && said.contains("belongs to another copy"), "{said}");
    assert_eq!(tables.count().await, 0);

    state("users");
    let (succeeded, said) = tables.restore(&["--write", "--page", "5"]).await;
    assert!(succeeded && said.contains("15 restored"), "{said}");
    let (succeeded, said) = tables.restore(&["--write", "--page", "5"]).await;
    assert!(succeeded && said.contains("5 restored") && said.contains("15 kept"), "{said}");
    assert_eq!(tables.count().await, 20);
}

/// The script copies any item, so it must know how accounts and their names are stored.
#[test]
fn stored_items_have_the_form_that_the_script_expects() {
    let items = fs::read_to_string(root().join("shared/stores/tests/items/0.1.0.json")).unwrap();
    let items: Value = serde_json::from_str(&items).unwrap();
    let id = items["user"]["user_id"]["S"].as_str().unwrap();
    assert_eq!(items["user"]["pk"]["S"], format!("USER#{id}"));
    for owner in ["email_owner", "phone_owner"] {
        assert_eq!(items[owner]["user_id"]["S"], id, "{owner}");
    }
}

//! Turns `docs/openapi.yaml` into the data of the `/docs` page, with every `$ref` resolved.

use std::fs;

use serde_json::{Map, Value, json};

use crate::Result;

pub const SOURCE: &str = "../../docs/openapi.yaml";

/// Deeper than any schema in the contract. Bounds the example of a recursive schema.
const DEEPEST: usize = 8;

struct Document(Value);

/// The operations by tag, and the objects that they use.
pub fn read() -> Result<Value> {
    let text = fs::read_to_string(SOURCE).map_err(|error| format!("{SOURCE}: {error}"))?;
    let document = Document(serde_yaml_ng::from_str(&text)?);
    let tags = document.0["tags"].as_array().ok_or("the document has tags")?;
    let groups: Vec<Value> = tags
        .iter()
        .map(|tag| {
            json!({
                "name": tag["name"],
                "description": tag["description"],
                "operations": document.operations(&tag["name"]),
            })
        })
        .collect();
    let schemas = entries(&document.0["components"]["schemas"]).filter(|(_, schema)| is_object(schema));
    let objects: Vec<Value> = schemas
        .map(|(name, schema)| {
            json!({ "name": name, "description": schema["description"], "fields": document.fields(schema) })
        })
        .collect();
    Ok(json!({ "info": document.0["info"], "groups": groups, "objects": objects }))
}

impl Document {
    fn resolve<'a>(&'a self, node: &'a Value) -> &'a Value {
        node["$ref"].as_str().and_then(|reference| self.0.pointer(reference.trim_start_matches('#'))).unwrap_or(node)
    }

    fn operations(&self, tag: &Value) -> Vec<Value> {
        let mut found = Vec::new();
        for (path, methods) in entries(&self.0["paths"]) {
            for (method, operation) in entries(methods) {
                if operation["tags"].as_array().is_some_and(|tags| tags.contains(tag)) {
                    found.push(self.operation(path, method, operation));
                }
            }
        }
        found
    }

    fn operation(&self, path: &str, method: &str, operation: &Value) -> Value {
        let security = operation.get("security").unwrap_or(&self.0["security"]);
        let opened_by: Vec<&String> = items(security).flat_map(entries).map(|(name, _)| name).collect();
        let parameters: Vec<&Value> = items(&operation["parameters"]).map(|node| self.resolve(node)).collect();
        let body = entries(&self.resolve(&operation["requestBody"])["content"]).next();
        let responses: Vec<Value> = entries(&operation["responses"])
            .map(|(status, response)| {
                let response = self.resolve(response);
                let (examples, schema) = match entries(&response["content"]).next() {
                    Some((_, media)) => (self.examples(media), self.type_of(&media["schema"])),
                    None => (Vec::new(), Value::Null),
                };
                json!({ "status": status, "description": response["description"], "schema": schema, "examples": examples })
            })
            .collect();
        json!({
            "id": operation["operationId"],
            "method": method.to_uppercase(),
            "path": path,
            "summary": operation["summary"],
            "description": operation["description"],
            "opened_by": opened_by,
            "parameters": parameters,
            "command": self.command(path, method, &opened_by, &parameters, body),
            "body": body.map(|(_, media)| self.body(media)),
            "responses": responses,
        })
    }

    /// A `curl` command that makes the request, with what the reader has to fill in as shell variables.
    fn command(
        &self,
        path: &str,
        method: &str,
        opened_by: &[&String],
        parameters: &[&Value],
        body: Option<(&String, &Value)>,
    ) -> String {
        let mut words = vec!["curl".to_owned()];
        if !(method == "get" || (method == "post" && body.is_some())) {
            words.push(format!("--request {}", method.to_uppercase()));
        }
        match opened_by.first().map(|scheme| scheme.as_str()) {
            Some("adminKey") => words.push("--oauth2-bearer \"$ADMIN_KEY\"".to_owned()),
            Some("clientSecret") => words.push("--user \"$CLIENT_ID:$CLIENT_SECRET\"".to_owned()),
            Some(_) => words.push("--oauth2-bearer \"$ACCESS_TOKEN\"".to_owned()),
            None => {}
        }
        if let Some((media_type, media)) = body {
            let example = self.example(&media["schema"], 0);
            if media_type == "application/json" {
                words.push(format!("--json '{}'", example.to_string().replace('\'', "'\\''")));
            } else {
                words.extend(
                    entries(&example).map(|(name, value)| format!("--data-urlencode '{name}={}'", plain(value))),
                );
            }
        }
        let of_the_query = |parameter: &&&Value| parameter["in"] == "query" && parameter["required"] == true;
        for parameter in parameters.iter().filter(of_the_query) {
            let name = parameter["name"].as_str().unwrap_or_default();
            let value = parameter.get("example").cloned().unwrap_or_else(|| self.example(&parameter["schema"], 0));
            words.push(format!("--url-query '{name}={}'", plain(&value)));
        }
        let address =
            path.split('{').enumerate().fold("$SITE".to_owned(), |address, (index, part)| match part.split_once('}') {
                Some((name, rest)) if index > 0 => format!("{address}${{{}}}{rest}", name.to_uppercase()),
                _ => address + part,
            });
        words.push(format!("\"{address}\""));
        words.join(" \\\n  ")
    }

    /// One form for each alternative of the body's schema.
    fn body(&self, media: &Value) -> Value {
        let schema = self.resolve(&media["schema"]);
        let forms: Vec<Value> = match schema["oneOf"].as_array() {
            Some(forms) => forms.iter().map(|form| self.resolve(form)).map(|form| self.form(form)).collect(),
            None => vec![self.form(schema)],
        };
        json!({ "forms": forms, "description": schema["description"] })
    }

    fn form(&self, schema: &Value) -> Value {
        json!({ "title": schema["title"], "fields": self.fields(schema), "example": pretty(&self.example(schema, 0)) })
    }

    fn fields(&self, schema: &Value) -> Vec<Value> {
        let required: Vec<&Value> = items(&schema["required"]).collect();
        entries(&schema["properties"])
            .map(|(name, property)| {
                json!({
                    "name": name,
                    "required": required.iter().any(|field| *field == name),
                    "type": self.type_of(property),
                    "description": property.get("description").unwrap_or(&self.resolve(property)["description"]),
                })
            })
            .collect()
    }

    /// The type in words and, if it is an object of the contract, the object's name for a link.
    fn type_of(&self, schema: &Value) -> Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next())
            && is_object(self.resolve(schema))
        {
            return json!({ "words": name, "object": name });
        }
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            // `null` means that the field can be absent, which the page already shows.
            let choices: Vec<Value> =
                choices.iter().filter(|choice| choice["type"] != "null").map(|choice| self.type_of(choice)).collect();
            if let [only] = choices.as_slice() {
                return only.clone();
            }
            let words: Vec<&str> = choices.iter().filter_map(|choice| choice["words"].as_str()).collect();
            return json!({ "words": words.join(", or ") });
        }
        if let Some(fixed) = schema.get("const") {
            return json!({ "words": fixed.to_string() });
        }
        if let Some(choices) = schema["enum"].as_array() {
            let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
            return json!({ "words": choices.join(" | ") });
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            kind => kind.as_str().unwrap_or("object").to_owned(),
        };
        match (kind.as_str(), schema["format"].as_str()) {
            ("array", _) => {
                let of = self.type_of(&schema["items"]);
                json!({ "words": format!("list of {}", of["words"].as_str().unwrap_or("values")), "object": of["object"] })
            }
            ("string", Some("date-time")) => json!({ "words": "time" }),
            _ => json!({ "words": kind }),
        }
    }

    fn examples(&self, media: &Value) -> Vec<Value> {
        let named: Vec<Value> = entries(&media["examples"])
            .map(|(name, example)| json!({ "name": name, "text": pretty(&self.resolve(example)["value"]) }))
            .collect();
        if !named.is_empty() {
            return named;
        }
        if let Some(example) = media.get("example") {
            return vec![json!({ "text": pretty(example) })];
        }
        let schema = self.resolve(&media["schema"]);
        match schema["oneOf"].as_array() {
            Some(choices) => choices
                .iter()
                .map(
                    |choice| json!({ "name": self.resolve(choice)["title"], "text": pretty(&self.example(choice, 0)) }),
                )
                .collect(),
            None => vec![json!({ "text": pretty(&self.example(schema, 0)) })],
        }
    }

    /// The schema's own example, or one composed from its parts.
    fn example(&self, schema: &Value, depth: usize) -> Value {
        let schema = self.resolve(schema);
        let given = [&schema["example"], &schema["examples"][0], &schema["const"], &schema["enum"][0]];
        if let Some(given) = given.into_iter().find(|value| !value.is_null()) {
            return given.clone();
        }
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(first) = items(&schema["oneOf"]).next() {
            return self.example(first, depth + 1);
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
        match kind {
            "object" => entries(&schema["properties"])
                .map(|(name, property)| (name.clone(), self.example(property, depth + 1)))
                .collect::<Map<_, _>>()
                .into(),
            "array" => json!([self.example(&schema["items"], depth + 1)]),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "boolean" => json!(true),
            _ if schema["format"] == "date-time" => json!("2026-01-01T12:00:00Z"),
            _ => json!("…"),
        }
    }
}

fn is_object(schema: &Value) -> bool {
    schema["properties"].is_object()
}

fn entries(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flatten()
}

fn items(node: &Value) -> impl Iterator<Item = &Value> {
    node.as_array().into_iter().flatten()
}

/// A text as it is, and everything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// The parts of Markdown that descriptions use: paragraphs, `- ` lists with one line an item, and code in backticks.
pub fn prose(text: &str) -> String {
    let mut html = String::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let items: Option<Vec<&str>> = block.lines().map(|line| line.strip_prefix("- ")).collect();
        match items {
            Some(items) => {
                html.push_str("<ul>");
                html.extend(items.into_iter().map(|item| format!("<li>{}</li>", inline(item))));
                html.push_str("</ul>");
            }
            None => html.extend(["<p>", &inline(block), "</p>"]),
        }
    }
    html
}

fn inline(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = part.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (open, close) = if index % 2 == 1 { ("<code>", "</code>") } else { ("", "") };
        html.extend([open, &part, close]);
    }
    html
}

//! The pages: one template per page, rendered in each language.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, context, syntax::SyntaxConfig, value::Serde, value::Value,
};
use serde_json::json;

use crate::{
    Result,
    assets::{Assets, entity, template},
    bundle::Modules,
    reference,
};

/// The path and the name of each page: `pages/<name>.html` with `scripts/<name>.js`.
const PAGES: [(&str, &str); 12] = [
    ("/", "home"),
    ("/register", "register"),
    ("/register/name", "name"),
    ("/login", "login"),
    ("/code", "code"),
    ("/forgot", "forgot"),
    ("/reset", "reset"),
    ("/profile", "profile"),
    ("/settings", "settings"),
    ("/users", "users"),
    ("/docs", "docs"),
    // Served at every path that doesn't exist.
    ("/404", "not-found"),
];

/// The path, the content type and the source of each file that is served as it is.
const FILES: [(&str, &str, &str); 3] = [
    ("/openapi.yaml", "application/yaml", reference::SOURCE),
    ("/favicon.ico", "image/x-icon", "favicon.ico"),
    ("/robots.txt", "text/plain; charset=utf-8", "robots.txt"),
];

/// The URLs that every page links to.
pub struct Common {
    pub style: String,
    /// Hides what needs scripts.
    pub noscript: String,
    pub icon: String,
    /// Runs before the first paint.
    pub early: String,
}

pub fn build(out: &Path, assets: &mut Assets, modules: &Modules, common: &Common) -> Result<String> {
    let environment = environment()?;
    let texts = texts()?;
    let languages: Vec<_> =
        texts.iter().map(|(tag, texts)| json!({ "tag": tag, "name": texts["language"]["name"] })).collect();
    let mut messages = Vec::new();
    for (language, texts) in &texts {
        let module = script_of_texts(&texts["messages"]);
        messages.push(assets.add(&format!("texts.{language}.js"), module.as_bytes())?);
    }
    let own = own_messages(assets, &texts)?;
    let reference = Value::from(Serde(reference::read()?));
    let mut table = String::from("pub static PAGES: &[Page] = &[\n");
    for (path, name) in PAGES {
        let script = assets.add(&format!("{name}.js"), modules.bundle(&format!("{name}.js"))?.as_bytes())?;
        let mut rendered = Vec::new();
        for ((language, texts), messages) in texts.iter().zip(own.get(name).unwrap_or(&messages)) {
            let address = |address: &str| Value::from_safe_string(address.to_owned());
            let page = environment.get_template(&format!("{name}.html"))?.render(context! {
                language,
                direction => texts["language"]["direction"].as_str(),
                languages => Serde(&languages),
                name,
                reference => reference.clone(),
                t => Serde(&texts["pages"]),
                title => texts["pages"][name]["title"].as_str(),
                description => texts["pages"][name]["description"].as_str(),
                messages => address(messages),
                script => address(&script),
                style => address(&common.style),
                noscript => address(&common.noscript),
                icon => address(&common.icon),
                early => address(&common.early),
            })?;
            rendered.push(template(out, &format!("pages/{name}.{language}.html"), &page)?);
        }
        writeln!(table, "    Page {{ path: {path:?}, languages: &[{}] }},", rendered.join(", "))?;
    }
    table.push_str("];\n");
    table.push_str("pub static FILES: &[File] = &[\n");
    for (path, content_type, source) in FILES {
        let content = entity(out, &path[1..], &fs::read(source)?)?;
        writeln!(table, "    File {{ path: {path:?}, content_type: {content_type:?}, content: {content} }},")?;
    }
    table.push_str("];\n");
    Ok(table)
}

/// The texts by language, English first, as in `twostep_domain::language::Language::ALL`; a test compares both. What a language lacks is in
/// English, so that a page is whole while its translation is not; another test finds it.
fn texts() -> Result<Vec<(String, serde_json::Value)>> {
    let mut texts: Vec<(String, serde_json::Value)> = Vec::new();
    for entry in fs::read_dir("texts")? {
        let path = entry?.path();
        let tag = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        texts.push((tag, serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?));
    }
    texts.sort_by_key(|(tag, _)| (tag != "en", tag.clone()));
    let english = texts.first().ok_or("there are texts")?.1.clone();
    for (_, texts) in &mut texts {
        complete(texts, &english);
    }
    Ok(texts)
}

fn complete(texts: &mut serde_json::Value, english: &serde_json::Value) {
    let (Some(texts), Some(english)) = (texts.as_object_mut(), english.as_object()) else { return };
    // A language can have other plural forms.
    if english.contains_key("other") {
        return;
    }
    for (key, text) in english {
        complete(texts.entry(key.clone()).or_insert_with(|| text.clone()), text);
    }
}

/// Sets the texts for the page's script, which runs after it.
fn script_of_texts(texts: &serde_json::Value) -> String {
    format!("globalThis.texts = {texts};\n")
}

/// The URLs of the text scripts of pages with their own texts (`messages_of`), by page and language.
fn own_messages(assets: &mut Assets, texts: &[(String, serde_json::Value)]) -> Result<BTreeMap<String, Vec<String>>> {
    let mut addresses: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (language, texts) in texts {
        for (name, own) in texts["messages_of"].as_object().ok_or("messages_of is an object")? {
            let mut messages = texts["messages"].as_object().ok_or("messages is an object")?.clone();
            // What happened to an account reads alike for its user and for operators.
            if name == "users" {
                let of_profile = &texts["messages_of"]["profile"];
                messages
                    .extend(["events", "amr", "by_operator"].map(|part| (part.to_owned(), of_profile[part].clone())));
            }
            messages.extend(own.as_object().ok_or("the messages of a page are an object")?.clone());
            let module = script_of_texts(&messages.into());
            let address = assets.add(&format!("texts.{name}.{language}.js"), module.as_bytes())?;
            addresses.entry(name.clone()).or_default().push(address);
        }
    }
    Ok(addresses)
}

/// Fails the build if a template uses a missing text.
fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_filter("prose", |text: String| Value::from_safe_string(reference::prose(&text)));
    for folder in ["pages", "pages/parts"] {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_file() {
                let name = path.strip_prefix("pages")?.to_string_lossy().into_owned();
                environment.add_template_owned(name, fs::read_to_string(&path)?)?;
            }
        }
    }
    Ok(environment)
}

//! The pages: one template each, written out in each language.

use std::{fmt::Write as _, fs, path::Path};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context, syntax::SyntaxConfig, value::Serde};
use serde_json::Value;

use crate::{
    LANGUAGES, Result,
    assets::{Assets, entity},
};

/// Address and name: `pages/<name>.html` with `scripts/<name>.js`.
const PAGES: [(&str, &str); 7] = [
    ("/", "home"),
    ("/register", "register"),
    ("/register/name", "name"),
    ("/login", "login"),
    ("/code", "code"),
    ("/profile", "profile"),
    ("/settings", "settings"),
];

pub struct Common {
    pub style: String,
    pub icon: String,
}

pub fn build(out: &Path, assets: &mut Assets, common: &Common) -> Result<String> {
    let environment = environment()?;
    let texts: Vec<(&str, Value)> = LANGUAGES
        .into_iter()
        .map(|language| {
            let path = format!("texts/{language}.json");
            let texts = fs::read_to_string(&path)?;
            Ok((language, serde_json::from_str(&texts).map_err(|error| format!("{path}: {error}"))?))
        })
        .collect::<Result<_>>()?;
    let mut messages = Vec::new();
    for (language, texts) in &texts {
        let module = format!("export default {};\n", texts["messages"]);
        messages.push(assets.add(&format!("texts.{language}.js"), module.as_bytes())?);
    }
    let mut table = String::from("pub static PAGES: &[Page] = &[\n");
    for (path, name) in PAGES {
        let script = assets.script(&format!("{name}.js"))?;
        let mut languages = Vec::new();
        for ((language, texts), messages) in texts.iter().zip(&messages) {
            let page = environment.get_template(&format!("{name}.html"))?.render(context! {
                language => *language,
                name,
                messages => messages.as_str(),
                preloads => &script.imports,
                t => Serde(&texts["pages"]),
                title => texts["pages"][name]["title"].as_str(),
                script => script.address.as_str(),
                style => common.style.as_str(),
                icon => common.icon.as_str(),
            })?;
            languages.push(entity(out, &format!("pages/{name}.{language}.html"), page.as_bytes())?);
        }
        writeln!(table, "    Page {{ path: {path:?}, languages: [{}] }},", languages.join(", "))?;
    }
    table.push_str("];\n");
    Ok(table)
}

/// A text that is missing ends the build.
fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
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

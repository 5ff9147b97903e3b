//! Makes `Language` from the files of `functions/web/texts`: one for each language, with its name and the texts of its messages.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use serde_json::Value;

const FOLDER: &str = "../../functions/web/texts";

/// The texts of emails, the fields of `language::Emails`.
const EMAILS: [&str; 19] = [
    "code_subject",
    "code",
    "code_ignore",
    "reset_subject",
    "reset",
    "reset_ignore",
    "notice_subject",
    "notice_ignore",
    "password_changed",
    "password_reset",
    "phone_changed",
    "phone_removed",
    "phone_taken_over",
    "email_changed",
    "recovery_codes_replaced",
    "totp_added",
    "totp_removed",
    "test_subject",
    "test",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let mut tags: Vec<String> = fs::read_dir(FOLDER)?
        .map(|entry| Ok(entry?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()))
        .collect::<Result<_, std::io::Error>>()?;
    // English comes first, because it is the default. `functions/web/build` uses the same order.
    tags.sort_by_key(|tag| (tag != "en", tag.clone()));
    let (mut variants, mut entries) = (String::new(), String::new());
    for tag in &tags {
        let path = format!("{FOLDER}/{tag}.json");
        let file: Value =
            serde_json::from_str(&fs::read_to_string(&path)?).map_err(|error| format!("{path}: {error}"))?;
        let text =
            |key: &str| file["language"][key].as_str().ok_or_else(|| format!("{path}: language.{key} is missing"));
        let english = text("english")?.replace([' ', '(', ')'], "");
        let default = if tag == "en" { "#[default] " } else { "" };
        writeln!(variants, "    {default}#[serde(rename = {tag:?})] {english},")?;
        let sms = |key: &str| -> Result<String, String> {
            let texts = file["sms"][key].as_array().ok_or_else(|| format!("{path}: sms.{key} is missing"))?;
            Ok(format!("{key}: &{:?}", texts.iter().filter_map(Value::as_str).collect::<Vec<_>>()))
        };
        let emails = EMAILS.iter().map(|key| {
            let text = file["emails"][key].as_str().ok_or_else(|| format!("{path}: emails.{key} is missing"))?;
            Ok(format!("{key}: {text:?}"))
        });
        let emails = emails.collect::<Result<Vec<String>, String>>()?.join(", ");
        let mistakes = file["mistakes"].as_object().ok_or_else(|| format!("{path}: mistakes are missing"))?;
        let mistakes: Vec<(&String, &str, &str)> = mistakes
            .iter()
            .map(|(name, words)| {
                (name, words["title"].as_str().unwrap_or_default(), words["text"].as_str().unwrap_or_default())
            })
            .collect();
        let home = file["pages"]["common"]["home"].as_str().unwrap_or_default();
        writeln!(
            entries,
            "    Entry {{ language: Language::{english}, tag: {tag:?}, name: {:?}, right_to_left: {}, sms: Sms {{ {}, {}, {} }}, emails: Emails {{ {emails} }}, mistakes: &{mistakes:?}, home: {home:?} }},",
            text("name")?,
            text("direction")? == "rtl",
            sms("code")?,
            sms("phone_changed")?,
            sms("test")?,
        )?;
    }
    let code = format!(
        "/// A language in which every text exists.\n\
         #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]\n\
         pub enum Language {{\n{variants}}}\n\n\
         const ENTRIES: [Entry; {}] = [\n{entries}];\n",
        tags.len()
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("languages.rs"), code)?;
    Ok(())
}

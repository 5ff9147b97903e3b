//! Joins the modules of a page into one script, so that the browser waits for one answer instead of one for each level of imports.
//!
//! Each module becomes a function that returns its exports. Comments and indentation are left out. The sources use a small part of the
//! language (named imports and exports that start a line, comments that start a line or are JSDoc), and the build fails on the rest.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use crate::Result;

pub struct Modules {
    /// Generated modules, by the name that other modules import.
    generated: BTreeMap<String, String>,
}

#[derive(Default)]
struct Bundle {
    text: String,
    done: Vec<String>,
    open: Vec<String>,
}

impl Modules {
    pub fn new(generated: BTreeMap<String, String>) -> Self {
        Self { generated }
    }

    /// The script of a page: its module after all that it imports.
    pub fn bundle(&self, name: &str) -> Result<String> {
        let mut bundle = Bundle::default();
        self.add(&mut bundle, name)?;
        Ok(bundle.text)
    }

    fn add(&self, bundle: &mut Bundle, name: &str) -> Result<()> {
        if bundle.done.iter().any(|done| done == name) {
            return Ok(());
        }
        if bundle.open.iter().any(|open| open == name) {
            return Err(format!("{name} imports itself through {:?}", bundle.open).into());
        }
        let is_page = bundle.open.is_empty();
        bundle.open.push(name.to_owned());
        let module = parse(&minified(&self.source(name)?)?).map_err(|error| format!("scripts/{name}: {error}"))?;
        let mut imports = String::new();
        for (names, from) in &module.imports {
            self.add(bundle, from)?;
            writeln!(imports, "const {{{names}}} = {};", variable(from))?;
        }
        bundle.open.pop();
        bundle.done.push(name.to_owned());
        if is_page {
            // A block and not a function: the page's own module awaits.
            writeln!(bundle.text, "{{\n{imports}{}}}", module.body)?;
        } else {
            let exports = module.exports.join(", ");
            let variable = variable(name);
            writeln!(
                bundle.text,
                "const {variable} = (() => {{\n{imports}{}return {{{exports}}};\n}})();",
                module.body
            )?;
        }
        Ok(())
    }

    fn source(&self, name: &str) -> Result<String> {
        match self.generated.get(name) {
            Some(source) => Ok(source.clone()),
            None => {
                fs::read_to_string(format!("scripts/{name}")).map_err(|error| format!("scripts/{name}: {error}").into())
            }
        }
    }
}

/// `recovery-codes.js` is the variable `$recovery_codes`.
fn variable(name: &str) -> String {
    format!("${}", name.trim_end_matches(".js").replace('-', "_"))
}

#[derive(Default)]
struct Module {
    /// The names with their aliases as in a destructuring pattern, and the module.
    imports: Vec<(String, String)>,
    exports: Vec<String>,
    body: String,
}

fn parse(source: &str) -> Result<Module> {
    let mut module = Module::default();
    for line in source.lines() {
        if let Some(import) = line.strip_prefix("import ") {
            let named = import.strip_prefix('{').and_then(|rest| rest.strip_suffix("\";")?.split_once("} from \"./"));
            let (names, from) = named.ok_or_else(|| format!("not a named import on one line: {line}"))?;
            module.imports.push((names.trim().replace(" as ", ": "), from.to_owned()));
            continue;
        }
        let exported = line.strip_prefix("export ");
        if let Some(declaration) = exported {
            let known = ["const ", "function ", "async function ", "class "];
            let rest = known.iter().find_map(|keyword| declaration.strip_prefix(keyword));
            let rest = rest.ok_or_else(|| format!("an export of a kind that the bundle can't have: {line}"))?;
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("an export without a name: {line}").into());
            }
            module.exports.push(rest[..end].to_owned());
        }
        writeln!(module.body, "{}", exported.unwrap_or(line))?;
    }
    Ok(module)
}

/// Leaves out comments, indentation and empty lines.
pub fn minified(source: &str) -> Result<String> {
    let mut minified = String::new();
    let mut in_comment = false;
    for line in source.lines() {
        let mut line = line.trim().to_owned();
        if in_comment {
            in_comment = !line.ends_with("*/");
            continue;
        }
        // JSDoc within a line.
        while let Some(start) = line.find("/**") {
            let Some(length) = line[start..].find("*/") else {
                in_comment = start == 0;
                if !in_comment {
                    return Err(format!("a comment of several lines starts within a line: {line}").into());
                }
                line.clear();
                break;
            };
            line.replace_range(start..start + length + 2, "");
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        if line.contains(" // ") || line.matches('`').count() % 2 == 1 {
            return Err(format!("a comment behind code, or a template literal of several lines: {line}").into());
        }
        writeln!(minified, "{line}")?;
    }
    Ok(minified)
}

/// Leaves out the comments and the indentation of a stylesheet.
pub fn minified_style(source: &str) -> String {
    let mut style = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("/*") {
        style.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    style.push_str(rest);
    style.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

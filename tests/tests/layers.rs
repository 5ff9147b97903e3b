//! Checks the layers of `docs/architecture.md` against the code: no import goes up a layer, and no modules import each
//! other, directly or through others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use twostep_tests::paths::root;

/// From the bottom up. A crate may use only the crates before it.
const LAYERS: [&str; 7] = ["domain", "crypto", "runtime", "stores", "senders", "usecases", "http"];

/// Prefixes of third-party crates that a layer's manifest must not list.
const FOREIGN: [(&str, &[&str]); 4] = [
    ("domain", &["aws", "tokio", "lambda", "reqwest", "http"]),
    ("crypto", &["aws-sdk", "aws-config", "tokio", "lambda", "reqwest"]),
    ("stores", &["lambda", "reqwest"]),
    ("usecases", &["lambda", "reqwest", "aws-sdk-dynamodb"]),
];

fn manifest(layer: &str) -> toml::Table {
    let text = fs::read_to_string(root().join("shared").join(layer).join("Cargo.toml")).expect(layer);
    toml::from_str(&text).expect("TOML")
}

#[test]
fn crates_depend_only_on_layers_below() {
    let folders = fs::read_dir(root().join("shared")).expect("shared/");
    let present: BTreeSet<String> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(present, LAYERS.map(str::to_owned).into(), "every crate has a layer");
    for (place, layer) in LAYERS.iter().enumerate() {
        let dependencies: Vec<String> = manifest(layer)["dependencies"].as_table().unwrap().keys().cloned().collect();
        for own in dependencies.iter().filter_map(|name| name.strip_prefix("twostep-")) {
            assert!(LAYERS[..place].contains(&own), "{layer} uses {own}");
        }
        for (_, foreign) in FOREIGN.iter().filter(|(of, _)| of == layer) {
            for name in &dependencies {
                assert!(!foreign.iter().any(|prefix| name.starts_with(prefix)), "{layer} uses {name}");
            }
        }
    }
}

/// The `.rs` files of a crate by module path: `a::b` for `a/b.rs` and `a/b/mod.rs`. Leaves out test files.
fn modules(source: &Path) -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(source).unwrap().with_extension("");
            let name = relative.to_string_lossy().replace('/', "::");
            if path.extension().is_some_and(|extension| extension == "rs") && !name.ends_with("_tests") {
                let name = name.trim_end_matches("::mod").to_owned();
                modules.insert(name, fs::read_to_string(&path).expect("a file"));
            }
        }
    }
    modules
}

/// The code before the unit tests, without comments.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The paths of all `use` declarations, with groups expanded.
fn uses(code: &str) -> Vec<String> {
    fn expand(prefix: &str, tree: &str, into: &mut Vec<String>) {
        let tree = tree.trim();
        let Some(open) = tree.find('{') else {
            into.push(format!("{prefix}{}", tree.split(" as ").next().unwrap_or_default()));
            return;
        };
        let prefix = format!("{prefix}{}", &tree[..open]);
        let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&prefix, &inner[start..at], into);
                    start = at + 1;
                }
                _ => {}
            }
        }
        if !inner[start..].trim().is_empty() {
            expand(&prefix, &inner[start..], into);
        }
    }
    // Only at the start of a line: other words end in "use" too.
    let lines = code.lines().map(|line| line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) "));
    let code = format!("\n{}", lines.collect::<Vec<_>>().join("\n"));
    let mut paths = Vec::new();
    for declaration in code.split("\nuse ").skip(1) {
        expand("", declaration.split(';').next().unwrap_or_default(), &mut paths);
    }
    paths.into_iter().map(|path| path.split_whitespace().collect()).collect()
}

/// The module of the same crate that `path`, used in `module`, refers to. If a parent only re-exports the item, looks
/// up the item's own module in the parent's `pub use`.
fn target(path: &str, module: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let absolute = match path.split_once("::")? {
        ("crate", rest) => rest.to_owned(),
        ("super", rest) => match module.rsplit_once("::") {
            Some((parent, _)) => format!("{parent}::{rest}"),
            None => rest.to_owned(),
        },
        ("self", rest) => format!("{module}::{rest}"),
        _ => return None,
    };
    let mut name = absolute.as_str();
    while !modules.contains_key(name) {
        name = name.rsplit_once("::").map_or("lib", |(parent, _)| parent);
        if name == "lib" {
            break;
        }
    }
    let item = absolute.strip_prefix(name).map_or(absolute.as_str(), |rest| rest.trim_start_matches("::"));
    let exports = uses(&code(&modules[name]));
    let through = exports.iter().find(|export| export.rsplit("::").next() == Some(item));
    let owner = through.and_then(|export| {
        let export = export.trim_start_matches("self::");
        let parent = if name == "lib" { String::new() } else { format!("{name}::") };
        let mut child = format!("{parent}{export}");
        while !modules.contains_key(&child) {
            child.truncate(child.rfind("::")?);
        }
        (child != name).then_some(child)
    });
    Some(owner.unwrap_or_else(|| name.to_owned()))
}

/// A cycle in the graph, if there is one.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        node: &str,
        graph: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|known| known == node) {
            return Some(path[start..].to_vec());
        }
        if done.contains(node) {
            return None;
        }
        path.push(node.to_owned());
        let found = graph.get(node).into_iter().flatten().find_map(|next| visit(next, graph, path, done));
        path.pop();
        done.insert(node.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|node| visit(node, graph, &mut Vec::new(), &mut done))
}

/// The number of imports between the package's modules. Fails if there is a cycle.
fn imports_without_circle(package: &str) -> usize {
    let modules = modules(&root().join(package).join("src"));
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in &modules {
        for path in uses(&code(text)) {
            let target = target(&path, module, &modules).filter(|target| {
                // Parents re-export their children, so a parent's use of its child doesn't count as an import.
                target != module && target != "lib" && !target.starts_with(&format!("{module}::"))
            });
            graph.entry(module.clone()).or_default().extend(target);
        }
    }
    assert_eq!(circle(&graph), None, "{package}: these modules import each other");
    graph.values().map(BTreeSet::len).sum()
}

#[test]
fn no_modules_import_each_other() {
    let layers = LAYERS.iter().map(|layer| format!("shared/{layer}"));
    let others = ["local", "tests", "functions/web"].map(str::to_owned);
    let imports: usize = layers.chain(others).map(|package| imports_without_circle(&package)).sum();
    assert!(imports > 100, "only {imports} imports were found");
}

#[test]
fn a_circle_is_found() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    };
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(vec!["b".to_owned(), "c".to_owned()]));
    let paths = uses("use crate::{a, b::{C, d::E}};\nuse super::f;");
    assert_eq!(paths, ["crate::a", "crate::b::C", "crate::b::d::E", "super::f"]);
}

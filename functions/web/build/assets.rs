//! Assets with a content hash in their names, so that browsers can cache them forever.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::Result;

pub struct Assets {
    out: PathBuf,
    /// Generated scripts, by the name that other scripts import.
    sources: BTreeMap<String, String>,
    scripts: BTreeMap<String, Script>,
    table: String,
}

#[derive(Clone)]
pub struct Script {
    pub address: String,
    /// The URLs of all imports, direct and indirect, so that a page can preload them.
    pub imports: BTreeSet<String>,
}

impl Assets {
    pub fn new(out: &Path) -> Self {
        Self { out: out.to_owned(), sources: BTreeMap::new(), scripts: BTreeMap::new(), table: String::new() }
    }

    pub fn add_source(&mut self, name: &str, source: String) {
        self.sources.insert(name.to_owned(), source);
    }

    /// Adds a file and returns its URL.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<String> {
        let (stem, extension) = name.rsplit_once('.').ok_or("an asset has an extension")?;
        let hashed = format!("{stem}.{}.{extension}", hash(content));
        let content_type = match extension {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            other => return Err(format!("no content type for .{other}").into()),
        };
        let content = entity(&self.out, &hashed, content)?;
        writeln!(self.table, "    Asset {{ name: {hashed:?}, content_type: {content_type:?}, content: {content} }},")?;
        Ok(format!("/assets/{hashed}"))
    }

    /// Adds a module after its imports, and replaces each `"./name.js"` with the import's URL.
    pub fn script(&mut self, name: &str) -> Result<Script> {
        if let Some(done) = self.scripts.get(name) {
            return Ok(done.clone());
        }
        let mut source = match self.sources.get(name) {
            Some(source) => source.clone(),
            None => {
                fs::read_to_string(format!("scripts/{name}")).map_err(|error| format!("scripts/{name}: {error}"))?
            }
        };
        let mut imports = BTreeSet::new();
        for import in imported(&source) {
            let script = self.script(&import)?;
            source = source.replace(&format!("\"./{import}\""), &format!("\"{}\"", script.address));
            imports.extend(script.imports);
            imports.insert(script.address);
        }
        let script = Script { address: self.add(name, source.as_bytes())?, imports };
        self.scripts.insert(name.to_owned(), script.clone());
        Ok(script)
    }

    pub fn table(&self) -> String {
        format!("pub static ASSETS: &[Asset] = &[\n{}];\n", self.table)
    }
}

/// The names in `from "./name.js"`.
fn imported(source: &str) -> Vec<String> {
    source.split("from \"./").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// Compresses `content` and returns the Rust expression that embeds it.
pub fn entity(out: &Path, name: &str, content: &[u8]) -> Result<String> {
    let file = |encoding: &str, bytes: &[u8]| -> Result<String> {
        let path = out.join(format!("{name}.{encoding}"));
        fs::create_dir_all(path.parent().ok_or("a file is in a folder")?)?;
        fs::write(&path, bytes)?;
        Ok(format!("include_bytes!({:?})", path.to_str().ok_or("the path is Unicode")?))
    };
    let plain = file("plain", content)?;
    let brotli = file("br", &brotli(content)?)?;
    let gzip = file("gz", &gzip(content)?)?;
    Ok(format!("Content {{ tag: {:?}, plain: {plain}, brotli: {brotli}, gzip: {gzip} }}", hash(content)))
}

/// A hash of 64 bits, enough to distinguish the versions of a file.
fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let best = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &*content, &mut compressed, &best)?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

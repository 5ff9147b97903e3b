//! Assets with a content hash in their names, so that browsers can cache them forever.

use std::{
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
    table: String,
}

impl Assets {
    pub fn new(out: &Path) -> Self {
        Self { out: out.to_owned(), table: String::new() }
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

    pub fn table(&self) -> String {
        format!("pub static ASSETS: &[Asset] = &[\n{}];\n", self.table)
    }
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

/// Returns the Rust expression that embeds a page, which is completed and compressed when it is served.
pub fn template(out: &Path, name: &str, html: &str) -> Result<String> {
    let path = out.join(name);
    fs::create_dir_all(path.parent().ok_or("a file is in a folder")?)?;
    fs::write(&path, html)?;
    let path = path.to_str().ok_or("the path is Unicode")?;
    Ok(format!("Template {{ tag: {:?}, html: include_str!({path:?}) }}", hash(html.as_bytes())))
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

//! Builds the site at compile time: pages in each language, assets with hashed names, and compressed versions of the assets. The
//! function writes the site's settings into the pages and serves both.

mod assets;
mod bundle;
mod countries;
mod pages;
mod reference;

use std::{collections::BTreeMap, env, error::Error, fs, path::PathBuf};

use assets::Assets;
use bundle::Modules;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    for source in [
        "build",
        "favicon.ico",
        "icon.svg",
        "noscript.css",
        "pages",
        "robots.txt",
        "scripts",
        "style.css",
        "texts",
        reference::SOURCE,
    ] {
        println!("cargo::rerun-if-changed={source}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut assets = Assets::new(&out);
    let common = pages::Common {
        style: assets.add("style.css", bundle::minified_style(&fs::read_to_string("style.css")?).as_bytes())?,
        noscript: assets.add("noscript.css", &fs::read("noscript.css")?)?,
        icon: assets.add("icon.svg", &fs::read("icon.svg")?)?,
        early: assets.add("early.js", bundle::minified(&fs::read_to_string("scripts/early.js")?)?.as_bytes())?,
    };
    let modules = Modules::new(BTreeMap::from([("countries.js".to_owned(), countries::module()?)]));
    let pages = pages::build(&out, &mut assets, &modules, &common)?;
    fs::write(out.join("site.rs"), format!("{pages}\n{}", assets.table()))?;
    Ok(())
}

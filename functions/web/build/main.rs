//! Builds the site at compile time: pages in each language, assets with hashed names, and compressed versions of both. The
//! function only serves them.

mod assets;
mod countries;
mod pages;
mod reference;

use std::{env, error::Error, fs, path::PathBuf};

use assets::Assets;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// In the order of `twostep_domain::language::Language::ALL`. A test compares both.
const LANGUAGES: [&str; 2] = ["en", "es"];

fn main() -> Result<()> {
    for source in ["build", "icon.svg", "pages", "scripts", "style.css", "texts", reference::SOURCE] {
        println!("cargo::rerun-if-changed={source}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut assets = Assets::new(&out);
    let style = assets.add("style.css", &fs::read("style.css")?)?;
    let icon = assets.add("icon.svg", &fs::read("icon.svg")?)?;
    assets.add_source("countries.js", countries::module()?);
    let pages = pages::build(&out, &mut assets, &pages::Common { style, icon })?;
    fs::write(out.join("site.rs"), format!("{pages}\n{}", assets.table()))?;
    Ok(())
}

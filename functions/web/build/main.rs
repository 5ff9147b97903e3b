//! Makes the site while the function is built: pages in each language, assets named after their content, and both
//! compressed, so that the function only has to hand them out.

mod assets;
mod countries;
mod pages;
mod reference;

use std::{env, error::Error, fs, path::PathBuf};

use assets::Assets;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// In the order of `twostep::language::Language::ALL`; a test holds the two together.
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

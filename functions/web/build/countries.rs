//! Which countries share a calling code, for the phone field. The server knows far more of numbers and judges them; a
//! page only has to know what to put before a national one.

use std::fmt::Write as _;

use rlibphonenumber::PHONE_NUMBER_UTIL;

use crate::Result;

/// A module: calling code to regions (ISO 3166-1 alpha-2), the main one first, as libphonenumber has them.
pub fn module() -> Result<String> {
    let mut module = String::from(
        "/** Calling code to its regions, the main one first. @type {Record<string, string>} */\nexport const regionsOfCode = {\n",
    );
    let mut codes: Vec<i32> = PHONE_NUMBER_UTIL.get_supported_calling_codes().collect();
    codes.sort_unstable();
    for code in codes {
        let regions = PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code).into_iter().flatten();
        let regions: Vec<String> = regions.map(|region| region.as_region_str().to_string()).collect();
        // 001 is libphonenumber's name for numbers that belong to no country.
        if !regions.is_empty() && regions.iter().all(|region| region.len() == 2) {
            writeln!(module, "  {code}: \"{}\",", regions.join(" "))?;
        }
    }
    module.push_str("};\n");
    Ok(module)
}

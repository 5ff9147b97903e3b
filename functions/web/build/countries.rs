//! The countries of each calling code, for the phone field. The page needs only the prefix of a national number; the server
//! validates numbers.

use std::fmt::Write as _;

use rlibphonenumber::PHONE_NUMBER_UTIL;

use crate::Result;

/// A JavaScript module that maps calling codes to regions (ISO 3166-1 alpha-2), main region first, as in libphonenumber.
pub fn module() -> Result<String> {
    let mut module = String::from(
        "/** Calling code to its regions, the main one first. @type {Record<string, string>} */\nexport const regionsOfCode = {\n",
    );
    let mut codes: Vec<i32> = PHONE_NUMBER_UTIL.get_supported_calling_codes().collect();
    codes.sort_unstable();
    for code in codes {
        let regions = PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code).into_iter().flatten();
        let regions: Vec<String> = regions.map(|region| region.as_region_str().to_string()).collect();
        // 001 is libphonenumber's region for numbers without a country.
        if !regions.is_empty() && regions.iter().all(|region| region.len() == 2) {
            writeln!(module, "  {code}: \"{}\",", regions.join(" "))?;
        }
    }
    module.push_str("};\n");
    Ok(module)
}

//! The countries of each calling code and an example number for each, for the phone field. The server reads and validates numbers.

use std::fmt::Write as _;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region, enums::PhoneNumberType};

use crate::Result;

/// A JavaScript module that maps calling codes to regions (ISO 3166-1 alpha-2), main region first, as in libphonenumber, and regions to
/// a mobile number in national format.
pub fn module() -> Result<String> {
    let mut module = String::from(
        "/** Calling code to its regions, the main one first. @type {Record<string, string>} */\nexport const regionsOfCode = {\n",
    );
    let mut examples = String::from("/** @type {Record<string, string>} */\nexport const exampleOfRegion = {\n");
    let mut codes: Vec<i32> = PHONE_NUMBER_UTIL.get_supported_calling_codes().collect();
    codes.sort_unstable();
    for code in codes {
        let regions: Vec<Region> =
            PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code).into_iter().flatten().collect();
        let names: Vec<String> = regions.iter().map(|region| region.as_region_str().to_string()).collect();
        // 001 is libphonenumber's region for numbers without a country.
        if names.is_empty() || names.iter().any(|name| name.len() != 2) {
            continue;
        }
        writeln!(module, "{code}: \"{}\",", names.join(" "))?;
        for (region, name) in regions.into_iter().zip(names) {
            if let Ok(example) =
                PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, PhoneNumberType::Mobile)
            {
                writeln!(examples, "{name}: \"{}\",", example.format_as(PhoneNumberFormat::National))?;
            }
        }
    }
    Ok(format!("{module}}};\n{examples}}};\n"))
}

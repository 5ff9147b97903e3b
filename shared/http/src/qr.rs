//! QR codes as SVG, for pages that show one without another request.

use qrcode::{EcLevel, QrCode, render::svg};

/// The QR code of `text`, black on white with a quiet zone, whatever the page looks like. `None` if the text is too long for
/// one.
#[must_use]
pub fn svg(text: &str) -> Option<String> {
    const SIDE: u32 = 200;
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let mut renderer = code.render();
    renderer.min_dimensions(SIDE, SIDE).dark_color(svg::Color("#000")).light_color(svg::Color("#fff"));
    let image = renderer.build();
    // Without the XML declaration, which HTML does not allow.
    Some(image[image.find("<svg")?..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_an_image_without_scripts_or_references() {
        let image = svg("otpauth://totp/Example:ada%40example%2Ecom?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        assert!(image.starts_with("<svg ") && image.ends_with("</svg>"), "{image:.80}");
        for forbidden in ["<script", "href", "<style", "otpauth"] {
            assert!(!image.contains(forbidden), "{forbidden}");
        }
        assert_eq!(svg(&"x".repeat(10_000)), None);
    }
}

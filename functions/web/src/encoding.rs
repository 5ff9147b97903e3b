//! Content encodings (RFC 9110 §8.4).

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use lambda_http::http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING},
};
use twostep_http::Answer;

use crate::header::text;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    Plain,
    Brotli,
    Gzip,
}

impl Encoding {
    /// The smallest encoding that `Accept-Encoding` (RFC 9110 §12.5.3) allows.
    pub fn best(headers: &HeaderMap) -> Self {
        let accepted = text(headers, &ACCEPT_ENCODING);
        let accepts = |name: &str| {
            let mut codings = accepted.split(',').map(|coding| coding.split(';').map(str::trim));
            codings.any(|mut coding| {
                coding.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name))
                    && !coding.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse() == Ok(0.0))
            })
        };
        if accepts("br") {
            Self::Brotli
        } else if accepts("gzip") {
            Self::Gzip
        } else {
            Self::Plain
        }
    }

    /// The strong entity tag of a content. Different for each encoding, because it identifies the exact bytes (RFC 9110 §8.8.3).
    pub fn entity_tag(self, tag: &str) -> String {
        let suffix = match self {
            Self::Plain => "",
            Self::Brotli => "-br",
            Self::Gzip => "-gz",
        };
        format!("\"{tag}{suffix}\"")
    }

    /// Names the encoding in the answer.
    pub fn label(self, answer: Answer) -> Answer {
        let name = match self {
            Self::Plain => return answer,
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        };
        answer.with_header(CONTENT_ENCODING, HeaderValue::from_static(name))
    }

    /// Compresses while a visitor waits: a few milliseconds for a page. The build compresses the assets better.
    pub fn encode(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => content.to_vec(),
            Self::Brotli => {
                let params = brotli::enc::BrotliEncoderParams {
                    quality: 6,
                    lgwin: 18,
                    ..brotli::enc::BrotliEncoderParams::default()
                };
                let mut compressed = Vec::new();
                brotli::BrotliCompress(&mut &*content, &mut compressed, &params).expect("memory can be written");
                compressed
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(content).expect("memory can be written");
                encoder.finish().expect("memory can be written")
            }
        }
    }
}

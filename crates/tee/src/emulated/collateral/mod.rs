//! What the vendors publish, as their services answer: a path in, an answer out. Intel's PCS v4 as a PCCS serves it,
//! and AMD's KDS. Whoever serves it brings the sockets and the time.

mod kds;
mod pcs;

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{EmulatorError, Settings, Vendor};

const JSON: &str = "application/json";
const PEM: &str = "application/x-pem-file";
const DER: &str = "application/pkix-crl";

/// An answer to a GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status: 200, 400, 404, or 500 if the emulator is at fault.
    pub status: u16,
    /// Type of the body.
    pub content_type: &'static str,
    /// Further headers, above all the chain behind what is signed, percent-encoded PEM.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the vendors answer to a GET of `path`, which may have a query.
///
/// # Errors
/// If the cryptographic library fails. What is not there is an answer, not an error.
pub fn answer(
    vendor: &Vendor,
    settings: &Settings,
    path: &str,
    now: SystemTime,
) -> Result<Answer, EmulatorError> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let asked = Asked { vendor, settings, query: pairs(query), now };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["sgx", "certification", "v4", rest @ ..] => pcs::answer(&asked, false, rest),
        ["tdx", "certification", "v4", rest @ ..] => pcs::answer(&asked, true, rest),
        ["vcek", "v1", product, rest @ ..] => kds::answer(&asked, product, rest),
        _ => Ok(Answer::missing("no vendor publishes anything here")),
    }
}

/// A question and what is needed to answer it.
struct Asked<'a> {
    vendor: &'a Vendor,
    settings: &'a Settings,
    query: BTreeMap<&'a str, &'a str>,
    now: SystemTime,
}

impl Answer {
    fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body: body.into() }
    }

    /// With the chain behind it.
    fn signed_by(mut self, header: &'static str, chain: &str) -> Self {
        self.headers.push((header, percent_encoded(chain)));
        self
    }

    fn missing(why: &str) -> Self {
        Self { status: 404, content_type: "text/plain", headers: Vec::new(), body: why.into() }
    }

    /// The emulator is at fault.
    pub(super) fn failed(why: &str) -> Self {
        Self { status: 500, ..Self::missing(why) }
    }

    fn bad(why: &str) -> Self {
        Self { status: 400, ..Self::missing(why) }
    }
}

/// Names and values; none of those that the vendors know needs decoding.
fn pairs(query: &str) -> BTreeMap<&str, &str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).collect()
}

/// RFC 3986 section 2.1, all but unreserved characters.
fn percent_encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

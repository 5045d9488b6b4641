//! Certificate chains as text (RFC 7468). Between the certificates only ends of lines may stand, and one NUL at the end
//! as Intel's libraries write it: anything else would be bytes that no signature covers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Certificate;
use crate::error::Malformed;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// No vendor's chain is longer; a stranger's is not worth the work.
const AT_MOST: usize = 8;

/// The certificates of `text`, in its order, at least one.
pub(crate) fn certificates(of: &'static str, text: &[u8]) -> Result<Vec<Certificate>, Malformed> {
    let text = std::str::from_utf8(text).map_err(|error| Malformed::encoding(of, error))?;
    let blocks: Vec<_> = blocks(text.strip_suffix('\0').unwrap_or(text))
        .ok_or_else(|| Malformed::encoding(of, "not a list of certificates in PEM and nothing else"))?;
    if blocks.is_empty() || blocks.len() > AT_MOST {
        return Err(Malformed::encoding(of, format!("{} certificates, wanted 1 to {AT_MOST}", blocks.len())));
    }
    blocks.into_iter().map(|block| certificate(of, block)).collect()
}

fn blocks(mut text: &str) -> Option<Vec<&str>> {
    let mut blocks = Vec::new();
    loop {
        text = text.trim_start_matches(['\r', '\n']);
        if text.is_empty() {
            return Some(blocks);
        }
        if !text.starts_with(BEGIN) {
            return None;
        }
        let (block, rest) = text.split_at(text.find(END)? + END.len());
        blocks.push(block);
        text = rest;
    }
}

/// Base64 has one form for each certificate here: bits at its end that mean nothing must be zero.
fn certificate(of: &'static str, block: &str) -> Result<Certificate, Malformed> {
    let text = block.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).unwrap_or_default();
    let der = STANDARD
        .decode(text.replace(['\r', '\n'], ""))
        .map_err(|error| Malformed::encoding(of, format!("not base64: {error}")))?;
    Certificate::from_der(&der)
}

//! What Open Enclave and EGo wrap a quote in: a 16-byte header, and that in an X.509 extension.

use der::oid::ObjectIdentifier;

use crate::bytes::Reader;
use crate::error::Malformed;
use crate::x509::Certificate;

const HEADER: &str = "the Open Enclave header";

/// The extension that carries an Open Enclave report (Open Enclave, `oecertdump`).
const REPORT_EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113556.10.1.1");

/// The first bytes of the header: version 1, type 2 (a remote report).
const BEGINNING: [u8; 8] = [1, 0, 0, 0, 2, 0, 0, 0];

/// The quote in `evidence`, if it begins with an Open Enclave header. The header's length must be exactly that of what
/// follows: no signature covers the header.
pub(crate) fn unwrap(evidence: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let Some(rest) = evidence.strip_prefix(&BEGINNING) else { return Ok(None) };
    let mut reader = Reader::new(rest, HEADER);
    let length = reader.u64()?;
    let quote = reader.rest();
    match u64::try_from(quote.len()) {
        Ok(seen) if seen == length => Ok(Some(quote)),
        _ => Err(Malformed::field(HEADER, "length", length, "the number of bytes that follow")),
    }
}

/// The Open Enclave report in an X.509 certificate, if `evidence` is a certificate.
pub(crate) fn in_certificate(evidence: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    if !evidence.starts_with(&[0x30, 0x82]) {
        return Ok(None);
    }
    let certificate = Certificate::from_der(evidence)?;
    let report = certificate.extension(REPORT_EXTENSION)?;
    let report =
        report.ok_or_else(|| Malformed::encoding("the certificate", "it carries no Open Enclave report"))?;
    Ok(Some(report.to_vec()))
}

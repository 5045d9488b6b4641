//! A report alone, or with what the host says of its signing key behind it: the report (1184 bytes), then the host's table
//! of certificates, as tools for Linux' configfs-tsm join `outblob` and `auxblob`.

use super::report::Report;
use super::table;
use super::vek::VekIdentity;
use crate::error::Malformed;
use crate::x509::{Certificate, certificates_of_pem};

/// A report, and a hint.
#[derive(Debug, Clone)]
pub(crate) struct SnpEvidence {
    pub(crate) report: Report,
    /// The certificate of the key that signed, in DER, by the word of nobody: it says that it is for this report's chip
    /// and TCB.
    pub(crate) vek: Option<Vec<u8>>,
}

impl SnpEvidence {
    /// Whether bytes begin like a report, and are long enough.
    pub(crate) fn looks_like(bytes: &[u8]) -> bool {
        bytes.get(..Report::LENGTH).is_some_and(Report::looks_like)
    }

    /// Reads a report and what follows it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (report, table) = bytes.split_at_checked(Report::LENGTH).unwrap_or((bytes, &[]));
        let report = Report::parse(report)?;
        let vek = if table.is_empty() { None } else { fitting(&report, table)? };
        Ok(Self { report, vek })
    }
}

/// An SNP report together with the certificate of its signing key, out of the table that the host gave beside it (GHCB
/// specification 56421, "SNP Extended Guest Request"): one piece of evidence, for which nobody need ask AMD's service who
/// the chip is. The report alone, if the table cannot be read or has no certificate for this chip and TCB.
#[must_use]
pub fn with_certificate(report: &[u8], table: &[u8]) -> Vec<u8> {
    let joined = || {
        let parsed = Report::parse(report).ok()?;
        let vek = fitting(&parsed, table).ok()??;
        Some([report, &table::of_one(parsed.fields.signing_key, &vek)?].concat())
    };
    joined().unwrap_or_else(|| report.to_vec())
}

/// Hosts keep certificates of the TCB before; such a one is left aside, and AMD is asked for the right one.
fn fitting(report: &Report, table: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let Some(bytes) = table::certificate(table, report.fields.signing_key)? else { return Ok(None) };
    let Some(certificate) = read(bytes) else { return Ok(None) };
    let fits = VekIdentity::of(&certificate).is_ok_and(|key| key.check(&report.fields).is_ok());
    Ok(fits.then(|| certificate.der().to_vec()))
}

/// Hosts write DER or PEM.
fn read(bytes: &[u8]) -> Option<Certificate> {
    match bytes.starts_with(b"-----") {
        true => certificates_of_pem("the host's certificate", bytes).ok()?.into_iter().next(),
        false => Certificate::from_der(bytes).ok(),
    }
}

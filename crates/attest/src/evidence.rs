//! Evidence of any kind, read and not checked: which kind it is, what it says, and what verifying it needs.

use crate::azure::AzureEvidence;
use crate::dcap::Quote;
use crate::error::Malformed;
use crate::nvidia::{NvidiaEvidence, SpdmReport};
use crate::sgx::open_enclave;
use crate::snp::SnpEvidence;

/// Nothing that a TEE makes is longer.
const LONGEST: usize = 256 * 1024;

/// Evidence that could be read. That says nothing about whether it is genuine.
#[derive(Debug, Clone)]
pub(crate) enum Evidence {
    /// A quote of an SGX enclave or a TDX trust domain.
    Intel(Box<Quote>),
    /// A report of an SNP guest, with its key's certificate or without.
    Snp(Box<SnpEvidence>),
    /// A virtual TPM's quote and the hardware report below it.
    Azure(Box<AzureEvidence>),
    /// A report of an NVIDIA device.
    Nvidia(Box<NvidiaEvidence>),
}

impl Evidence {
    /// Reads evidence; its first bytes say what it is.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        match bytes {
            [] => Err(Malformed::Empty),
            _ if bytes.len() > LONGEST => {
                Err(Malformed::field("the evidence", "length", bytes.len(), "at most 256 KiB"))
            }
            _ => match bytes.trim_ascii_start() {
                [b'{', ..] => object(bytes),
                // An Azure VM has one TPM; only NVIDIA's SDK writes lists.
                [b'[', ..] => nvidia(NvidiaEvidence::parse(bytes)?),
                _ => binary(bytes),
            },
        }
    }
}

fn binary(bytes: &[u8]) -> Result<Evidence, Malformed> {
    if let Some(report) = open_enclave::in_certificate(bytes)? {
        return open_enclave_report(&report);
    }
    if open_enclave::unwrap(bytes)?.is_some() {
        return open_enclave_report(bytes);
    }
    match bytes {
        _ if Quote::looks_like(bytes) => quote(bytes),
        _ if SnpEvidence::looks_like(bytes) => Ok(Evidence::Snp(Box::new(SnpEvidence::parse(bytes)?))),
        _ if SpdmReport::looks_like(bytes) => nvidia(NvidiaEvidence::of_report(bytes.to_vec())?),
        _ => Err(Malformed::UnknownFormat),
    }
}

/// The header is what makes it one; without it a certificate could carry anything.
fn open_enclave_report(report: &[u8]) -> Result<Evidence, Malformed> {
    quote(open_enclave::unwrap(report)?.ok_or(Malformed::UnknownFormat)?)
}

fn object(bytes: &[u8]) -> Result<Evidence, Malformed> {
    let fields: std::collections::BTreeMap<String, serde::de::IgnoredAny> =
        serde_json::from_slice(bytes).map_err(|error| Malformed::encoding("the evidence", error))?;
    let has = |name: &str| fields.contains_key(name);
    match () {
        () if has("hcl_report") || has("report") => {
            Ok(Evidence::Azure(Box::new(AzureEvidence::parse(bytes)?)))
        }
        () if has("evidence") => nvidia(NvidiaEvidence::parse(bytes)?),
        () => Err(Malformed::UnknownFormat),
    }
}

fn quote(bytes: &[u8]) -> Result<Evidence, Malformed> {
    Ok(Evidence::Intel(Box::new(Quote::parse(bytes)?)))
}

fn nvidia(evidence: NvidiaEvidence) -> Result<Evidence, Malformed> {
    Ok(Evidence::Nvidia(Box::new(evidence)))
}

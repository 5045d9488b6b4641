//! The paravisor's report ("Guest attestation for confidential VMs" of Azure's documentation): a header, the hardware
//! report, and the runtime data that the hardware report vouches for.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use crate::bytes::{Hex, Reader};
use crate::error::Malformed;

const REPORT: &str = "the HCL report";
const RUNTIME_DATA: &str = "the HCL runtime data";
const SIGNATURE: [u8; 4] = *b"HCLA";
const HARDWARE_REPORT: usize = 1184;
/// The kind of hash: SHA-256.
const HASH: u32 = 1;

/// The name of the TPM's attestation key among the runtime data's keys.
const ATTESTATION_KEY: &str = "HCLAkPub";

/// The report, read and not checked.
#[derive(Debug, Clone)]
pub(crate) struct HclReport {
    pub(crate) version: u32,
    /// For SNP the attestation report; for TDX a local report, which proves nothing to others.
    pub(crate) hardware_report: Vec<u8>,
    /// Exactly the bytes that are hashed into the hardware report.
    pub(crate) runtime_data: Vec<u8>,
    pub(crate) claims: RuntimeClaims,
}

/// What the paravisor says in its runtime data.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RuntimeClaims {
    keys: Vec<Jwk>,
    #[serde(rename = "vm-configuration", default)]
    pub(crate) vm_configuration: serde_json::Value,
    #[serde(rename = "user-data", default)]
    pub(crate) user_data: String,
}

/// An RSA key (RFC 7517).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Jwk {
    kid: String,
    kty: String,
    /// The modulus in base64url.
    pub(crate) n: String,
    /// The exponent in base64url.
    pub(crate) e: String,
}

impl HclReport {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, REPORT);
        if reader.array()? != SIGNATURE {
            return Err(Malformed::field(REPORT, "signature", "another", "HCLA"));
        }
        let version = reader.u32()?;
        reader.take(24)?;
        let hardware_report = reader.take(HARDWARE_REPORT)?.to_vec();
        let runtime_data = runtime_data(&mut reader)?;
        if reader.rest().iter().any(|byte| *byte != 0) {
            return Err(Malformed::Trailing { of: REPORT, left: reader.rest().len() });
        }
        let claims = serde_json::from_slice(&runtime_data)
            .map_err(|error| Malformed::encoding(RUNTIME_DATA, error))?;
        Ok(Self { version, hardware_report, runtime_data, claims })
    }
}

impl HclReport {
    /// What the hardware report carries.
    pub(crate) fn runtime_data_digest(&self) -> Hex<32> {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &self.runtime_data).as_ref());
        Hex(bytes)
    }
}

/// Its header has 20 bytes: size, version, kind of report, kind of hash, size of what follows.
fn runtime_data(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    reader.take(12)?;
    let hash = reader.u32()?;
    if hash != HASH {
        return Err(Malformed::field(RUNTIME_DATA, "hash", hash, "1 (SHA-256)"));
    }
    reader.counted_u32().map(<[u8]>::to_vec)
}

impl RuntimeClaims {
    /// The attestation key of the virtual TPM: the one of that name.
    pub(crate) fn attestation_key(&self) -> Result<&Jwk, Malformed> {
        let mut keys = self.keys.iter().filter(|key| key.kid == ATTESTATION_KEY && key.kty == "RSA");
        match (keys.next(), keys.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(Malformed::encoding(RUNTIME_DATA, "it does not have exactly one RSA key `HCLAkPub`")),
        }
    }
}

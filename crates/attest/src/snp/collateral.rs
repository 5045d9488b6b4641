//! The collateral of SNP: the certificates that AMD's key distribution service (KDS) hands out.

use serde::{Deserialize, Serialize};

use crate::bytes::{hex_text, optional_hex_text};

/// The certificates between a report and AMD's root, each in DER; in JSON, bytes are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmdCollateral {
    /// The certificate of the key that signed the report: VCEK or VLEK. Some evidence carries it itself; then it may be
    /// empty here.
    #[serde(with = "hex_text", default)]
    pub vek: Vec<u8>,
    /// Who issued it: ASK for a VCEK, ASVK for a VLEK.
    #[serde(with = "hex_text")]
    pub intermediate: Vec<u8>,
    /// The root as it was fetched. It adds no trust: it only makes an unknown one be named.
    #[serde(with = "optional_hex_text", default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Vec<u8>>,
    /// The root's revocation list, if it was fetched.
    #[serde(with = "optional_hex_text", default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<Vec<u8>>,
}

impl AmdCollateral {
    /// All bytes that a verification depends on.
    pub(super) fn parts(&self) -> [&[u8]; 4] {
        [
            &self.vek,
            &self.intermediate,
            self.root.as_deref().unwrap_or_default(),
            self.crl.as_deref().unwrap_or_default(),
        ]
    }
}

//! Recovery secrets: the state key, split and encrypted to the holders named in the manifest (`compat` section 8).

use std::collections::BTreeMap;

use marblerun_manifest::RecoveryKey;
use zeroize::Zeroizing;

use crate::keys::{KeyError, KeySource};

pub mod shamir;

/// What recovery needs to know without any key; stands readable beside the sealed state.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Hints {
    /// How many shares suffice.
    pub threshold: usize,
    /// Holders by name.
    pub holders: BTreeMap<String, Holder>,
}

/// One holder of a recovery key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// SubjectPublicKeyInfo DER, base64 in text formats.
    #[serde(with = "crate::encoding::base64")]
    pub public_key: Vec<u8>,
    /// SHA-256 of the holder's share, base64 in text formats.
    #[serde(with = "crate::encoding::base64")]
    pub share_sha256: Vec<u8>,
}

/// The state key as shares: what each holder gets, and what stands beside the state.
#[derive(Debug, Clone)]
pub struct Shares {
    /// By holder: the share, RSA-OAEP (SHA-256, empty label) encrypted.
    pub encrypted: BTreeMap<String, Vec<u8>>,
    /// The readable part.
    pub hints: Hints,
}

/// Splits the 32-byte state key for `holders`. One: the key itself. `threshold` 0 or equal to their number: XOR
/// shares. Otherwise Shamir shares. No holders: nothing.
///
/// # Errors
/// If a public key cannot be used, with the holder's name.
pub fn split(
    key: &Zeroizing<[u8; 32]>,
    holders: &BTreeMap<String, RecoveryKey>,
    threshold: usize,
    keys: &dyn KeySource,
) -> Result<Shares, KeyError> {
    let _ = (key, holders, threshold, keys);
    todo!()
}

//! What a secret is worth.

use marblerun_manifest::SecretKind;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The value of a secret. Wiped when dropped; has no `Debug`.
///
/// As data (serde) bytes are base64: for the sealed state and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretValue {
    /// A symmetric key or plain data.
    Bytes(#[serde(with = "crate::encoding::base64")] Zeroizing<Vec<u8>>),
    /// A certificate with its key.
    Certificate {
        /// DER.
        #[serde(with = "crate::encoding::base64")]
        certificate: Vec<u8>,
        /// SubjectPublicKeyInfo DER.
        #[serde(with = "crate::encoding::base64")]
        public: Vec<u8>,
        /// PKCS#8 DER.
        #[serde(with = "crate::encoding::base64")]
        private: Zeroizing<Vec<u8>>,
    },
}

impl SecretValue {
    /// Whether this is a symmetric key of the kind's length.
    pub(super) fn fits_symmetric(&self, kind: SecretKind) -> bool {
        match (self, kind) {
            (Self::Bytes(key), SecretKind::Symmetric { bytes }) => key.len() == bytes as usize,
            _ => false,
        }
    }
}

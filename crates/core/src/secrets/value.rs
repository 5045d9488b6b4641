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

#[cfg(test)]
mod tests {
    use super::*;

    fn check_stored(value: &SecretValue) {
        let stored = serde_json::to_string(value).unwrap();
        assert!(serde_json::from_str::<SecretValue>(&stored).unwrap() == *value, "{stored}");
    }

    #[test]
    fn survives_being_stored() {
        check_stored(&SecretValue::Bytes(Zeroizing::new(vec![])));
        check_stored(&SecretValue::Bytes(Zeroizing::new(vec![0, 0xff, b'"'])));
        let private = Zeroizing::new(vec![3]);
        check_stored(&SecretValue::Certificate { certificate: vec![1], public: vec![2], private });
    }

    #[test]
    fn a_key_is_kept_only_at_its_length() {
        let key = SecretValue::Bytes(Zeroizing::new(vec![0; 16]));
        assert!(key.fits_symmetric(SecretKind::Symmetric { bytes: 16 }));
        assert!(!key.fits_symmetric(SecretKind::Symmetric { bytes: 32 }));
        assert!(!key.fits_symmetric(SecretKind::Plain));
    }
}

//! The key that signs checkpoints of a deployment's log.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use crate::keys::{KeyError, KeyKind, KeySource};

/// An Ed25519 key (RFC 8032), made when the manifest is set and kept as long as the deployment. Cheap to clone.
///
/// As data (serde) it is its PKCS#8 in base64: a secret that belongs into the sealed state and nowhere else.
#[derive(Clone)]
pub struct LogKey(Arc<Parsed>);

struct Parsed {
    pair: Ed25519KeyPair,
    private: Zeroizing<Vec<u8>>,
}

impl LogKey {
    /// A fresh one.
    ///
    /// # Errors
    /// As [`KeySource::key_pair`].
    pub fn generate(keys: &dyn KeySource) -> Result<Self, KeyError> {
        Self::from_pkcs8(&keys.key_pair(KeyKind::Ed25519)?.private)
    }

    /// From PKCS#8, with or without the public key in it.
    ///
    /// # Errors
    /// If the bytes are no Ed25519 key.
    pub fn from_pkcs8(private: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(private)
            .map_err(|why| KeyError(format!("log key: no PKCS#8 of an Ed25519 key: {why}")))?;
        Ok(Self(Arc::new(Parsed { pair, private: Zeroizing::new(private.to_vec()) })))
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        fixed(self.0.pair.public_key().as_ref())
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        fixed(self.0.pair.sign(message).as_ref())
    }
}

/// The library gives slices of what RFC 8032 fixes; one of another length would verify nowhere.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

impl Serialize for LogKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::encoding::base64::serialize(&self.0.private, serializer)
    }
}

impl<'de> Deserialize<'de> for LogKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let private: Zeroizing<Vec<u8>> = crate::encoding::base64::deserialize(deserializer)?;
        Self::from_pkcs8(&private).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::FreshKeys;

    #[test]
    fn survives_being_stored_and_refuses_other_keys() {
        let key = LogKey::generate(&FreshKeys).unwrap();
        let stored = serde_json::to_string(&key).unwrap();
        let again: LogKey = serde_json::from_str(&stored).unwrap();
        assert_eq!((key.public(), key.sign(b"x")), (again.public(), again.sign(b"x")));
        let p256 = KeyKind::Ecdsa(marblerun_manifest::Curve::P256);
        for other in [&FreshKeys.key_pair(p256).unwrap().private[..], b""] {
            assert!(LogKey::from_pkcs8(other).is_err());
        }
    }
}

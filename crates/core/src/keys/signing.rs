//! The keys of the certificate authorities.

use std::sync::Arc;

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use marblerun_manifest::Curve;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use super::{KeyError, KeyKind, KeyPair, KeySource};

/// An ECDSA P-384 key that signs: those of the certificate authorities. Parsed once, cheap to clone.
///
/// As data (serde) it is its PKCS#8 in base64: a secret that belongs into the sealed state and nowhere else.
#[derive(Clone)]
pub struct SigningKey(Arc<Parsed>);

struct Parsed {
    pair: EcdsaKeyPair,
    bytes: KeyPair,
}

impl SigningKey {
    /// From PKCS#8.
    ///
    /// # Errors
    /// If the bytes are no P-384 key.
    pub fn from_pkcs8(private: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, private)
            .map_err(|why| KeyError(format!("signing key: no PKCS#8 of a P-384 key: {why}")))?;
        let public = pair.public_key().as_der().map_err(|_| KeyError("signing key: no public key".into()))?;
        let bytes = KeyPair { private: Zeroizing::new(private.to_vec()), public: public.as_ref().to_vec() };
        Ok(Self(Arc::new(Parsed { pair, bytes })))
    }

    /// A fresh one.
    ///
    /// # Errors
    /// As [`KeySource::key_pair`].
    pub fn generate(keys: &dyn KeySource) -> Result<Self, KeyError> {
        Self::from_pkcs8(&keys.key_pair(KeyKind::Ecdsa(Curve::P384))?.private)
    }

    /// ECDSA with SHA-384, ASN.1 DER: how certificates are signed.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn sign_sha384(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.0.pair.sign(&SystemRandom::new(), message).map_err(|_| unsigned())?;
        Ok(signature.as_ref().to_vec())
    }

    /// ECDSA P-384 over SHA-256 of the message, ASN.1 DER: how manifests are signed.
    ///
    /// aws-lc-rs names no such pair of curve and hash. ECDSA reads a hash as a big-endian number (SEC 1 section
    /// 4.1.3), and a hash shorter than the curve's order is that number as it stands; so SHA-256 with leading zeros
    /// to the length of SHA-384 gives the very same signature.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let hash = digest::digest(&SHA256, message);
        let mut padded = [0; digest::SHA384_OUTPUT_LEN];
        padded[digest::SHA384_OUTPUT_LEN - digest::SHA256_OUTPUT_LEN..].copy_from_slice(hash.as_ref());
        let number = Digest::import_less_safe(&padded, &SHA384).map_err(|_| unsigned())?;
        let signature = self.0.pair.sign_digest(&number).map_err(|_| unsigned())?;
        Ok(signature.as_ref().to_vec())
    }

    /// PKCS#8 and SubjectPublicKeyInfo.
    pub fn bytes(&self) -> &KeyPair {
        &self.0.bytes
    }
}

impl Serialize for SigningKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::encoding::base64::serialize(&self.0.bytes.private, serializer)
    }
}

impl<'de> Deserialize<'de> for SigningKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let private: Zeroizing<Vec<u8>> = crate::encoding::base64::deserialize(deserializer)?;
        Self::from_pkcs8(&private).map_err(D::Error::custom)
    }
}

fn unsigned() -> KeyError {
    KeyError("the cryptographic library made no signature".into())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

    use super::*;
    use crate::keys::FreshKeys;

    fn check(algorithm: &'static dyn VerificationAlgorithm, key: &SigningKey, signature: &[u8], good: bool) {
        let public = UnparsedPublicKey::new(algorithm, &key.bytes().public);
        assert_eq!(public.verify(b"manifest", signature).is_ok(), good);
    }

    #[test]
    fn signs_with_both_hashes() {
        let key = SigningKey::generate(&FreshKeys).unwrap();
        let sha256 = key.sign_sha256(b"manifest").unwrap();
        let sha384 = key.sign_sha384(b"manifest").unwrap();
        check(&signature::ECDSA_P384_SHA256_ASN1, &key, &sha256, true);
        check(&signature::ECDSA_P384_SHA384_ASN1, &key, &sha256, false);
        check(&signature::ECDSA_P384_SHA384_ASN1, &key, &sha384, true);
        check(&signature::ECDSA_P384_SHA256_ASN1, &key, &sha384, false);
    }

    #[test]
    fn survives_being_stored() {
        let key = SigningKey::generate(&FreshKeys).unwrap();
        let stored = serde_json::to_string(&key).unwrap();
        let again: SigningKey = serde_json::from_str(&stored).unwrap();
        assert!(key.bytes() == again.bytes());
        check(&signature::ECDSA_P384_SHA384_ASN1, &key, &again.sign_sha384(b"manifest").unwrap(), true);
    }

    #[test]
    fn other_keys_are_refused() {
        for kind in [KeyKind::Ecdsa(Curve::P256), KeyKind::Ecdsa(Curve::P224), KeyKind::Ed25519] {
            let private = FreshKeys.key_pair(kind).unwrap().private;
            assert!(SigningKey::from_pkcs8(&private).is_err(), "{kind:?}");
        }
        assert!(SigningKey::from_pkcs8(b"").is_err());
    }
}

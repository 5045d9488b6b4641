//! Where fresh keys and randomness come from.

use std::sync::Arc;

use aws_lc_rs::signature::EcdsaKeyPair;
use marblerun_manifest::{Curve, SecretKind};
use zeroize::Zeroizing;

/// A kind of key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA on a NIST curve.
    Ecdsa(Curve),
    /// Ed25519.
    Ed25519,
    /// RSA with this modulus length in bits: 2048, 3072 or 4096.
    Rsa(u32),
}

impl KeyKind {
    /// The kind of key that a certificate secret has; `None` for other secrets.
    pub fn of(secret: SecretKind) -> Option<Self> {
        match secret {
            SecretKind::CertRsa { bits } => Some(Self::Rsa(bits)),
            SecretKind::CertEcdsa(curve) => Some(Self::Ecdsa(curve)),
            SecretKind::CertEd25519 => Some(Self::Ed25519),
            SecretKind::Symmetric { .. } | SecretKind::Plain => None,
        }
    }
}

/// A fresh key pair as bytes, ready to be handed over or stored.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// PKCS#8 (RFC 5958) DER of the private key.
    pub private: Zeroizing<Vec<u8>>,
    /// SubjectPublicKeyInfo (RFC 5280 section 4.1) DER.
    pub public: Vec<u8>,
}

/// Makes keys and random bytes. Implementations may keep a pool.
pub trait KeySource: Send + Sync {
    /// A fresh key pair. May be slow for RSA (0.1 to 1 s) unless it comes from a pool.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    fn key_pair(&self, kind: KeyKind) -> Result<KeyPair, KeyError>;

    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// If the system gives no randomness.
    fn fill(&self, out: &mut [u8]) -> Result<(), KeyError>;
}

/// No key could be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

/// Makes every key at the moment it is asked for, from the system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct FreshKeys;

impl KeySource for FreshKeys {
    fn key_pair(&self, kind: KeyKind) -> Result<KeyPair, KeyError> {
        let _ = kind;
        todo!()
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), KeyError> {
        aws_lc_rs::rand::fill(out).map_err(|_| KeyError("the system gives no randomness".into()))
    }
}

/// An ECDSA P-384 key that signs: those of the certificate authorities. Parsed once, cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    #[allow(dead_code)]
    pair: Arc<EcdsaKeyPair>,
    bytes: KeyPair,
}

impl SigningKey {
    /// From PKCS#8.
    ///
    /// # Errors
    /// If the bytes are no P-384 key.
    pub fn from_pkcs8(private: &[u8]) -> Result<Self, KeyError> {
        let _ = private;
        todo!()
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
        let _ = message;
        todo!()
    }

    /// ECDSA P-384 over SHA-256 of the message, ASN.1 DER: how manifests are signed (`compat` section 7).
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let _ = message;
        todo!()
    }

    /// PKCS#8 and SubjectPublicKeyInfo.
    pub fn bytes(&self) -> &KeyPair {
        &self.bytes
    }
}

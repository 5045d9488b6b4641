//! Where fresh keys and randomness come from, and how keys look as bytes.
//!
//! Private keys leave this room as PKCS#8 version 1, the form that Go's `x509.ParsePKCS8PrivateKey` and OpenSSL read
//! for every kind. Nothing here signs for anyone but a certificate authority ([`SigningKey`]).

mod fit;
mod generate;
mod p224;
mod signing;

use marblerun_manifest::{Curve, SecretKind};
use zeroize::Zeroizing;

pub use fit::check_pair;
pub use signing::SigningKey;

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

/// A fresh key pair as bytes, ready to be handed over or stored. Has no `Debug`; the private half is wiped on drop.
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
    /// If the cryptographic library fails, or for an RSA length other than 2048, 3072 or 4096.
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
        generate::key_pair(kind)
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), KeyError> {
        aws_lc_rs::rand::fill(out).map_err(|_| KeyError("the system gives no randomness".into()))
    }
}

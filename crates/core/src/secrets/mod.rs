//! Values of secrets: made, derived, or uploaded (`compat` section 5).

use std::collections::BTreeMap;
use std::time::SystemTime;

use marblerun_manifest::{Manifest, Secret};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::keys::{KeyError, KeySource};
use crate::pki::{Pki, PkiError};

/// The value of a secret. Wiped when dropped; has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// A symmetric key or plain data.
    Bytes(Zeroizing<Vec<u8>>),
    /// A certificate with its key.
    Certificate {
        /// DER.
        certificate: Vec<u8>,
        /// SubjectPublicKeyInfo DER.
        public: Vec<u8>,
        /// PKCS#8 DER.
        private: Zeroizing<Vec<u8>>,
    },
}

/// The 32 random bytes from which per-marble symmetric keys are derived.
#[derive(Clone, PartialEq, Eq)]
pub struct RootSecret(pub Zeroizing<[u8; 32]>);

impl RootSecret {
    /// A fresh one.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate(keys: &dyn KeySource) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        keys.fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The symmetric key of one marble: HKDF-SHA256 (RFC 5869), input key = the root secret, salt = lower-case
    /// hyphenated UUID text followed by the secret's name, info = the marble type (`None`: empty), of `bytes` bytes.
    ///
    /// # Errors
    /// If `bytes` exceeds 8160, what HKDF-SHA256 can give.
    pub fn derive(
        &self,
        marble_type: Option<&str>,
        uuid: Uuid,
        name: &str,
        bytes: u32,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let _ = (marble_type, uuid, name, bytes);
        todo!()
    }
}

/// Values of all shared secrets that are not user-defined, for a new or updated manifest. Symmetric keys in `kept`
/// are taken over; certificates are always made anew.
///
/// # Errors
/// If a key or certificate cannot be made, with the secret's name.
pub fn make_shared(
    manifest: &Manifest,
    kept: &BTreeMap<String, SecretValue>,
    pki: &Pki,
    keys: &dyn KeySource,
    now: SystemTime,
) -> Result<BTreeMap<String, SecretValue>, PkiError> {
    let _ = (manifest, kept, pki, keys, now);
    todo!()
}

/// A fresh value for a secret that is not user-defined: random bytes, or a key with a new certificate.
///
/// # Errors
/// If a key or certificate cannot be made.
pub fn make(
    definition: &Secret,
    pki: &Pki,
    keys: &dyn KeySource,
    now: SystemTime,
) -> Result<SecretValue, PkiError> {
    let _ = (definition, pki, keys, now);
    todo!()
}

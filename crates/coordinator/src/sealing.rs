//! How the key-encryption key rests on disk: sealed by the TEE, and, where the manifest asks for it, encrypted before
//! that under a key that an HSM releases to an attested Coordinator only. Then both are needed to open it.
//!
//! It never falls back: what asks for the HSM is not sealed without it, and what was sealed with it does not open
//! without it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use marblerun_core::Abilities;
use marblerun_manifest::{Config, FeatureGate, SealMode};
use marblerun_tee::{SealTo, Tee, TeeError};
use zeroize::Zeroizing;

use crate::hsm::HsmError;

/// What a key that needs the HSM begins with, outside of the TEE's seal: at start it must be known before the state,
/// and with it the manifest, can be read. Who changes it gets something that does not open.
const MARK: &[u8; 16] = b"marblerun hsm v1";
/// Length of the salt of a derived key, in bytes.
const SALT: usize = 32;

/// Who releases a key to this Coordinator.
pub trait KeyRelease: Send + Sync {
    /// The key: always the same bytes, at least 32. Blocks until it is there.
    ///
    /// # Errors
    /// Why it is not released.
    fn release(&self) -> Result<Zeroizing<Vec<u8>>, HsmError>;
}

/// Seals the key-encryption key.
#[derive(Clone)]
pub struct Sealing {
    tee: Arc<dyn Tee>,
    /// Or why there is none.
    hsm: Result<Arc<dyn KeyRelease>, String>,
}

/// The key-encryption key cannot be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The TEE does not.
    #[error(transparent)]
    Tee(#[from] TeeError),
    /// The HSM gives no key.
    #[error("AzureHSMSealing: {0}")]
    Hsm(#[from] HsmError),
    /// There is no HSM here, and one is needed.
    #[error("AzureHSMSealing is needed and not possible: {0}")]
    NoHsm(String),
    /// The HSM's key does not fit.
    #[error(
        "AzureHSMSealing: the released key is not the one that the state was sealed with. Name that one in \
         EDG_AZURE_HSM_VAULT_URL, EDG_AZURE_HSM_KEY_NAME and EDG_AZURE_HSM_KEY_VERSION, then start again"
    )]
    OtherKey,
    /// The cryptographic library fails.
    #[error("the cryptographic library seals nothing")]
    Crypto,
}

impl From<Arc<dyn Tee>> for Sealing {
    /// By the TEE alone.
    fn from(tee: Arc<dyn Tee>) -> Self {
        Self { tee, hsm: Err("there is no HSM here".into()) }
    }
}

impl Sealing {
    /// By the TEE, and with this HSM if a manifest asks for it; or why there is none.
    pub fn new(tee: Arc<dyn Tee>, hsm: Result<Arc<dyn KeyRelease>, String>) -> Self {
        Self { tee, hsm }
    }

    /// As [`Tee::origin`].
    pub fn origin(&self) -> &'static str {
        self.tee.origin()
    }

    /// What manifests can ask for.
    pub fn abilities(&self) -> Abilities {
        Abilities { hsm_sealing: self.hsm.as_ref().map(drop).map_err(String::clone) }
    }

    /// Seals a key as the manifest wants it.
    ///
    /// # Errors
    /// If the TEE, or an HSM that is wanted, does not do its part.
    pub fn seal(&self, key: &[u8], config: &Config) -> Result<Vec<u8>, SealError> {
        let to = seal_to(config);
        if !config.feature_gates.contains(&FeatureGate::AzureHsmSealing) {
            return Ok(self.tee.seal(key, to)?);
        }
        let encrypted = encrypt(&self.hsm()?.release()?, key).ok_or(SealError::Crypto)?;
        Ok([MARK.as_slice(), &self.tee.seal(&encrypted, to)?].concat())
    }

    /// Takes the key out again. The TEE comes first: without it nobody is asked.
    ///
    /// # Errors
    /// If the TEE or the HSM, where it is needed, does not do its part.
    pub fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Some(sealed) = sealed.strip_prefix(MARK) else { return Ok(self.tee.unseal(sealed)?) };
        let encrypted = self.tee.unseal(sealed)?;
        decrypt(&self.hsm()?.release()?, &encrypted).ok_or(SealError::OtherKey)
    }

    fn hsm(&self) -> Result<&dyn KeyRelease, SealError> {
        self.hsm.as_deref().map_err(|why| SealError::NoHsm(why.clone()))
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("tee", &self.tee).finish_non_exhaustive()
    }
}

fn seal_to(config: &Config) -> SealTo {
    match config.seal_mode {
        SealMode::UniqueKey => SealTo::Unique,
        SealMode::ProductKey | SealMode::Disabled => SealTo::Product,
    }
}

/// Salt, nonce, and AES-256-GCM (NIST SP 800-38D) under a key derived from the released one and the salt.
fn encrypt(released: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    let mut text = key.to_vec();
    let nonce = cipher(released, &salt)?.seal_in_place_append_tag(Aad::from(MARK), &mut text).ok()?;
    Some([salt.as_slice(), nonce.as_ref(), &text].concat())
}

fn decrypt(released: &[u8], encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, rest) = encrypted.split_at_checked(SALT)?;
    let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(text.to_vec());
    let length = cipher(released, salt)?.open_in_place(nonce, Aad::from(MARK), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

/// HKDF-SHA256 (RFC 5869): the released key serves for nothing else.
fn cipher(released: &[u8], salt: &[u8]) -> Option<RandomizedNonceKey> {
    let mut key = Zeroizing::new([0; 32]);
    let derived = Salt::new(HKDF_SHA256, salt).extract(released);
    derived.expand(&[b"marblerun hsm seal v1"], HKDF_SHA256).ok()?.fill(key.as_mut_slice()).ok()?;
    RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use marblerun_manifest::Manifest;

    use super::*;

    struct Always(u8);

    impl KeyRelease for Always {
        fn release(&self) -> Result<Zeroizing<Vec<u8>>, HsmError> {
            Ok(Zeroizing::new(vec![self.0; 32]))
        }
    }

    fn with(key: u8) -> Sealing {
        Sealing::new(Arc::new(marblerun_tee::Simulation), Ok(Arc::new(Always(key))))
    }

    fn alone() -> Sealing {
        let tee: Arc<dyn Tee> = Arc::new(marblerun_tee::Simulation);
        tee.into()
    }

    fn config(gates: &str) -> Config {
        let text = format!(
            r#"{{"Packages": {{"p": {{"UniqueID": "{}"}}}}, "Marbles": {{"m": {{"Package": "p"}}}},
                "Config": {{"FeatureGates": [{gates}]}}}}"#,
            "aa".repeat(32)
        );
        let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
        Manifest::parse(text.as_bytes(), now).unwrap().manifest.config.clone()
    }

    #[test]
    fn both_are_needed_to_open() {
        let gate = config("\"AzureHSMSealing\"");
        let sealed = with(1).seal(&[9; 32], &gate).unwrap();
        assert_eq!(with(1).unseal(&sealed).unwrap().as_slice(), [9; 32]);
        assert!(matches!(with(2).unseal(&sealed), Err(SealError::OtherKey)));
        assert!(matches!(alone().unseal(&sealed), Err(SealError::NoHsm(_))));
        assert!(!sealed.windows(8).any(|window| window == [9; 8]), "it stands there as it is");
    }

    #[test]
    fn the_mark_can_neither_be_taken_off_nor_put_on() {
        let sealed = with(1).seal(&[9; 32], &config("\"AzureHSMSealing\"")).unwrap();
        assert_ne!(with(1).unseal(&sealed[MARK.len()..]).unwrap().as_slice(), [9; 32]);
        let plain = with(1).seal(&[9; 32], &config("")).unwrap();
        let marked = [MARK.as_slice(), &plain].concat();
        assert!(matches!(with(1).unseal(&marked), Err(SealError::OtherKey)));
    }

    #[test]
    fn nothing_is_sealed_with_less_than_was_asked_for() {
        assert!(matches!(alone().seal(&[9; 32], &config("\"AzureHSMSealing\"")), Err(SealError::NoHsm(_))));
    }
}

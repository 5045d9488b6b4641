//! `sealed_key`: the sealed KEK and the DEKs wrapped by it.

use super::{Dek, JournalError, Kek};
use crate::keys::KeySource;

/// The content of `sealed_key`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyFile {
    /// Version of this format: 1.
    pub format: u32,
    /// As [`super::Header::origin`].
    pub origin: String,
    /// Whether data was committed under this key. A lone unused key is a first start.
    pub used: bool,
    /// The KEK as the TEE sealed it (in simulation: as it is).
    #[serde(with = "crate::encoding::base64")]
    pub sealed_kek: Vec<u8>,
    /// DEKs by identifier, AES-256-GCM under the KEK. Two while the DEK changes.
    pub deks: std::collections::BTreeMap<String, String>,
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If the bytes are no key file of this format.
    pub fn parse(bytes: &[u8]) -> Result<Self, JournalError> {
        let _ = bytes;
        todo!()
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }

    /// Adds a DEK, wrapped by the KEK, and gives its identifier.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn wrap(&mut self, dek: &Dek, kek: &Kek, keys: &dyn KeySource) -> Result<String, JournalError> {
        let _ = (dek, kek, keys);
        todo!()
    }

    /// Takes the DEK of this identifier out.
    ///
    /// # Errors
    /// If there is none, or it was not wrapped by this KEK.
    pub fn unwrap(&self, dek_id: &str, kek: &Kek) -> Result<Dek, JournalError> {
        let _ = (dek_id, kek);
        todo!()
    }
}

//! `sealed_key`: the sealed KEK and the DEKs wrapped by it.
//!
//! The file is JSON, so that an operator can see what it is. It has one canonical form and ends in a MAC under a key
//! derived from the KEK: any change is noticed, by [`KeyFile::parse`] or, once the KEK is known, by [`KeyFile::open`].

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::seal::{self, SALT, Sealer, TAG};
use super::{Dek, JournalError, Kek};
use crate::keys::{KeyError, KeySource};

const FORMAT: u32 = 1;

/// The content of `sealed_key`. In simulation it holds the KEK itself, hence no `Debug` of that field.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    pub deks: BTreeMap<String, String>,
}

impl KeyFile {
    /// One without DEKs, marked unused.
    pub fn new(origin: &str, sealed_kek: Vec<u8>) -> Self {
        let (origin, deks) = (origin.to_owned(), BTreeMap::new());
        Self { format: FORMAT, origin, used: false, sealed_kek, deks }
    }

    /// Reads the file. Nothing in it is authenticated yet: it serves to find the KEK, then comes [`KeyFile::open`].
    ///
    /// # Errors
    /// [`JournalError::KeyFile`] if the bytes are no key file of this format, in the form in which it is written.
    pub fn parse(bytes: &[u8]) -> Result<Self, JournalError> {
        Ok(parse(bytes)?.content)
    }

    /// Reads the file and checks that a holder of `kek` wrote it, bit for bit.
    ///
    /// # Errors
    /// As [`KeyFile::parse`], or if the MAC does not verify.
    pub fn open(bytes: &[u8], kek: &Kek) -> Result<Self, JournalError> {
        let OnDisk { content, mac } = parse(bytes)?;
        hmac::verify(&mac_key(kek)?, &canonical(&content)?, &mac)
            .map_err(|_| wrong("it was changed, or belongs to another key-encryption key"))?;
        Ok(content)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn to_bytes(&self, kek: &Kek) -> Result<Vec<u8>, JournalError> {
        let mac = hmac::sign(&mac_key(kek)?, &canonical(self)?).as_ref().to_vec();
        OnDisk { content: self.clone(), mac }.bytes()
    }

    /// Adds a DEK, wrapped by the KEK, and gives its identifier.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn wrap(&mut self, dek: &Dek, kek: &Kek, keys: &dyn KeySource) -> Result<String, JournalError> {
        let mut id = [0; 16];
        keys.fill(&mut id)?;
        let id = hex::encode(id);
        let salt = seal::salt(keys)?;
        let mut text = dek.0.clone();
        let tag = sealer(kek).seal(&salt, &self.associated(&id), text.as_mut_slice())?;
        let wrapped = [salt.as_slice(), text.as_slice(), &tag].concat();
        self.deks.insert(id.clone(), STANDARD.encode(wrapped));
        Ok(id)
    }

    /// Takes the DEK of this identifier out.
    ///
    /// # Errors
    /// If there is none, or it was not wrapped by this KEK.
    pub fn unwrap(&self, dek_id: &str, kek: &Kek) -> Result<Dek, JournalError> {
        let wrapped =
            self.deks.get(dek_id).ok_or_else(|| wrong(&format!("it has no data key {dek_id:?}")))?;
        let malformed = || wrong(&format!("data key {dek_id:?} is damaged"));
        let wrapped = STANDARD.decode(wrapped).map_err(|_| malformed())?;
        let (salt, sealed) = wrapped.split_first_chunk::<SALT>().ok_or_else(malformed)?;
        if sealed.len() != 32 + TAG {
            return Err(malformed());
        }
        let text = sealer(kek)
            .open(salt, &self.associated(dek_id), sealed)
            .ok_or_else(|| wrong(&format!("data key {dek_id:?} was changed or wrapped by another key")))?;
        let mut dek = Dek(zeroize::Zeroizing::new([0; 32]));
        dek.0.copy_from_slice(&text);
        Ok(dek)
    }

    /// A wrapped DEK is valid under its own name and origin only.
    fn associated(&self, dek_id: &str) -> Vec<u8> {
        [self.origin.as_bytes(), b"\0", dek_id.as_bytes()].concat()
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("origin", &self.origin)
            .field("used", &self.used)
            .field("deks", &self.deks.keys())
            .finish_non_exhaustive()
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct OnDisk {
    #[serde(flatten)]
    content: KeyFile,
    #[serde(with = "crate::encoding::base64")]
    mac: Vec<u8>,
}

impl OnDisk {
    fn bytes(&self) -> Result<Vec<u8>, JournalError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| wrong(&error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

fn parse(bytes: &[u8]) -> Result<OnDisk, JournalError> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u32,
    }
    // Positions only: what a parser says about text may quote it.
    let malformed = |error: serde_json::Error| {
        wrong(&format!("it is damaged at line {}, column {}", error.line(), error.column()))
    };
    let Version { format } = serde_json::from_slice(bytes).map_err(malformed)?;
    if format != FORMAT {
        return Err(wrong(&format!("format {format} is not known here; this is format {FORMAT}")));
    }
    let file: OnDisk = serde_json::from_slice(bytes).map_err(malformed)?;
    if file.bytes()? != bytes {
        return Err(wrong("it is damaged: it is not written as a Coordinator writes it"));
    }
    Ok(file)
}

/// What the MAC covers.
fn canonical(content: &KeyFile) -> Result<Vec<u8>, JournalError> {
    serde_json::to_vec(content).map_err(|error| wrong(&error.to_string()))
}

fn mac_key(kek: &Kek) -> Result<hmac::Key, KeyError> {
    seal::mac_key(&kek.0, b"marblerun key file v1")
}

fn sealer(kek: &Kek) -> Sealer<'_> {
    Sealer { secret: &kek.0, label: b"marblerun data key v1" }
}

fn wrong(why: &str) -> JournalError {
    JournalError::KeyFile(why.to_owned())
}

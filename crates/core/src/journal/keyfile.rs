//! `sealed_key`: the sealed KEK and the DEKs wrapped by it.
//!
//! The file is JSON, so that an operator can see what it is. It has one canonical form and ends in a MAC under a key
//! derived from the KEK: any change is noticed, by [`KeyFile::parse`] or, once the KEK is known, by [`KeyFile::open`].

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use zeroize::Zeroizing;

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
    /// While the KEK changes: the one of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// The KEK of a journal that was not replaced yet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Before {
    /// Which DEK that journal is under.
    pub dek_id: String,
    /// The KEK of before, AES-256-GCM under the present one.
    pub kek: String,
}

impl KeyFile {
    /// One without DEKs, marked unused.
    pub fn new(origin: &str, sealed_kek: Vec<u8>) -> Self {
        let (origin, deks) = (origin.to_owned(), BTreeMap::new());
        Self { format: FORMAT, origin, used: false, sealed_kek, deks, before: None }
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
        let wrapped = self.wrapped(&id, dek.0.clone(), kek, keys)?;
        self.deks.insert(id.clone(), wrapped);
        Ok(id)
    }

    /// Adds the keys of a journal that is still to be read after a kill: its DEK under the identifier that it knows, and
    /// its KEK, both wrapped by the present KEK.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn keep(
        &mut self,
        dek_id: &str,
        dek: &Dek,
        before: &Kek,
        kek: &Kek,
        keys: &dyn KeySource,
    ) -> Result<(), JournalError> {
        let wrapped = self.wrapped(dek_id, dek.0.clone(), kek, keys)?;
        self.deks.insert(dek_id.to_owned(), wrapped);
        let kek = self.wrapped(&name_of_kek(dek_id), before.0.clone(), kek, keys)?;
        self.before = Some(Before { dek_id: dek_id.to_owned(), kek });
        Ok(())
    }

    /// Takes the DEK of this identifier out.
    ///
    /// # Errors
    /// If there is none, or it was not wrapped by this KEK.
    pub fn unwrap(&self, dek_id: &str, kek: &Kek) -> Result<Dek, JournalError> {
        let wrapped =
            self.deks.get(dek_id).ok_or_else(|| wrong(&format!("it has no data key {dek_id:?}")))?;
        Ok(Dek(self.unwrapped(dek_id, wrapped, kek)?))
    }

    /// The KEK of the journal that is under this DEK: the present one, or that of before.
    ///
    /// # Errors
    /// If that of before was not wrapped by the present one.
    pub fn kek_of(&self, dek_id: &str, kek: &Kek) -> Result<Kek, JournalError> {
        match self.before.as_ref().filter(|before| before.dek_id == dek_id) {
            Some(before) => Ok(Kek(self.unwrapped(&name_of_kek(dek_id), &before.kek, kek)?)),
            None => Ok(kek.clone()),
        }
    }

    fn wrapped(
        &self,
        name: &str,
        mut text: Zeroizing<[u8; 32]>,
        kek: &Kek,
        keys: &dyn KeySource,
    ) -> Result<String, JournalError> {
        let salt = seal::salt(keys)?;
        let tag = sealer(kek).seal(&salt, &self.associated(name), text.as_mut_slice())?;
        Ok(STANDARD.encode([salt.as_slice(), text.as_slice(), &tag].concat()))
    }

    fn unwrapped(&self, name: &str, wrapped: &str, kek: &Kek) -> Result<Zeroizing<[u8; 32]>, JournalError> {
        let malformed = || wrong(&format!("data key {name:?} is damaged"));
        let wrapped = STANDARD.decode(wrapped).map_err(|_| malformed())?;
        let (salt, sealed) = wrapped.split_first_chunk::<SALT>().ok_or_else(malformed)?;
        if sealed.len() != 32 + TAG {
            return Err(malformed());
        }
        let text = sealer(kek)
            .open(salt, &self.associated(name), sealed)
            .ok_or_else(|| wrong(&format!("data key {name:?} was changed or wrapped by another key")))?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&text);
        Ok(key)
    }

    /// A wrapped DEK is valid under its own name and origin only.
    fn associated(&self, dek_id: &str) -> Vec<u8> {
        [self.origin.as_bytes(), b"\0", dek_id.as_bytes()].concat()
    }
}

/// No identifier of a DEK looks so.
fn name_of_kek(dek_id: &str) -> String {
    format!("KEK of {dek_id}")
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

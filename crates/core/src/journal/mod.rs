//! The sealed journal: a chain of records that only holders of the data key can read and only holders of the
//! key-encryption key can extend.
//!
//! The data is a readable header and then records. Each record has a sequence number, the hash of the record
//! before it, an AEAD ciphertext under the data key (DEK), and a MAC over its hash under a key derived from the
//! KEK. This module turns payloads into bytes and back; what payloads mean, and where bytes rest, is not its business.
//! It cannot notice that the data is an older version of itself: that needs a witness outside.

mod header;
pub mod keyfile;
mod record;
mod seal;
#[cfg(test)]
mod tests;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::keys::{KeyError, KeySource};
use crate::recovery::Hints;
use record::{DataKeys, HeadKey, Reader, Record};

/// The data key: reads the journal. Recovery key holders can rebuild it.
#[derive(Clone)]
pub struct Dek(pub Zeroizing<[u8; 32]>);

/// The key-encryption key: wraps the DEK and authenticates the head. Never leaves the TEE or its attested peers.
#[derive(Clone)]
pub struct Kek(pub Zeroizing<[u8; 32]>);

impl Dek {
    /// A fresh one.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate(keys: &dyn KeySource) -> Result<Self, KeyError> {
        random(keys).map(Self)
    }
}

impl Kek {
    /// A fresh one.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate(keys: &dyn KeySource) -> Result<Self, KeyError> {
        random(keys).map(Self)
    }
}

fn random(keys: &dyn KeySource) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut key = Zeroizing::new([0; 32]);
    keys.fill(key.as_mut_slice())?;
    Ok(key)
}

impl PartialEq for Dek {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl PartialEq for Kek {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Dek {}
impl Eq for Kek {}

/// The readable beginning of the data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Header {
    /// Version of this format: 1.
    pub format: u32,
    /// How the state was made: `simulation`, or the kind of TEE. A state is opened only where it was made.
    pub origin: String,
    /// Names the DEK without telling anything about it: which entry of the key file opens this journal.
    pub dek_id: String,
    /// What recovery needs before anything can be decrypted.
    pub recovery: Hints,
}

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// The whole state; the first record of the data and no other.
    Snapshot,
    /// Events that follow.
    Events,
}

/// The end of a journal: commits to everything before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Sequence number of the last record; counts from 1 and goes on over snapshots.
    pub sequence: u64,
    /// SHA-256 of the last record.
    pub hash: [u8; 32],
}

/// An open journal: the keys and the head; knows how to make the next record.
pub struct Journal {
    header: Header,
    data_keys: DataKeys,
    head_key: HeadKey,
    head: Head,
}

/// A record ready to be stored. It counts only once [`Journal::advance`] was told that it is durable.
pub struct Encoded {
    /// Bytes for the store.
    pub bytes: Vec<u8>,
    /// The head after it.
    pub head: Head,
}

/// What was read from the data.
pub struct Opened {
    /// The journal, ready to go on.
    pub journal: Journal,
    /// Payloads in order; the first is a snapshot.
    pub records: Vec<(RecordKind, Zeroizing<Vec<u8>>)>,
    /// How many bytes of the data count. Less than its length if the tail was torn and never acknowledged: then the
    /// data has to be replaced (see [`Journal::compact`]) before anything is appended.
    pub valid_length: u64,
}

/// What a holder of the DEK alone can read. Nothing shows that a Coordinator wrote it: whoever knows the DEK can make
/// such data, so it may be believed only after other proof, such as signatures by the recovery keys that it names.
pub struct Unauthenticated {
    /// The readable header.
    pub header: Header,
    /// As [`Opened::records`].
    pub records: Vec<(RecordKind, Zeroizing<Vec<u8>>)>,
    /// The last record; new data that follows it is made by [`Journal::start`].
    pub head: Head,
    /// As [`Opened::valid_length`].
    pub valid_length: u64,
}

/// Why data does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The header cannot be read.
    #[error("sealed_data: header: {0}")]
    Header(String),
    /// A record does not verify.
    #[error("sealed_data: record {sequence} at byte {offset}: {reason}")]
    Record {
        /// Which record, as its place tells.
        sequence: u64,
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The key file cannot be read or used.
    #[error("sealed_key: {0}")]
    KeyFile(String),
    /// More than one record can hold.
    #[error("{length} bytes are more than one journal record can hold")]
    TooLarge {
        /// How many bytes were given.
        length: usize,
    },
    /// No more than 2^64 - 1 records.
    #[error("sealed_data: all sequence numbers are used up")]
    UsedUp,
    /// No key could be made or used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Journal {
    /// Starts new data with a snapshot as its first record, after `previous` (`None`: the very first).
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn start(
        header: Header,
        dek: Dek,
        kek: &Kek,
        previous: Option<Head>,
        snapshot: &[u8],
        keys: &dyn KeySource,
    ) -> Result<(Self, Vec<u8>), JournalError> {
        let (data_keys, head_key) = (DataKeys::new(dek)?, HeadKey::new(kek)?);
        let head = previous.unwrap_or(Head { sequence: 0, hash: [0; 32] });
        let mut journal = Self { header, data_keys, head_key, head };
        let Encoded { bytes, head } = journal.snapshot(previous, snapshot, keys)?;
        journal.head = head;
        Ok((journal, bytes))
    }

    /// Reads the header alone, without any key. It is checked against damage; against forgery only by
    /// [`Journal::open`].
    ///
    /// # Errors
    /// [`JournalError::Header`].
    pub fn read_header(data: &[u8]) -> Result<Header, JournalError> {
        Ok(header::read(data)?.header)
    }

    /// Opens data: every record must verify. A last record that is incomplete is cut.
    ///
    /// # Errors
    /// Names the first record that does not verify.
    pub fn open(data: &[u8], dek: Dek, kek: &Kek) -> Result<Opened, JournalError> {
        let (data_keys, head_key) = (DataKeys::new(dek)?, HeadKey::new(kek)?);
        let Unauthenticated { header, records, head, valid_length } =
            read(data, &data_keys, Some(&head_key))?;
        Ok(Opened { journal: Self { header, data_keys, head_key, head }, records, valid_length })
    }

    /// Opens data without the KEK, for recovery: chain and encryption are checked, but not who wrote it.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_without_head_key(data: &[u8], dek: &Dek) -> Result<Unauthenticated, JournalError> {
        read(data, &DataKeys::new(dek.clone())?, None)
    }

    /// Makes the record that follows the head. Nothing changes until [`Journal::advance`].
    ///
    /// # Errors
    /// If there is no randomness, or the events are too large.
    pub fn encode(&self, events: &[u8], keys: &dyn KeySource) -> Result<Encoded, JournalError> {
        let mut bytes = Vec::new();
        let head = record::write(self.keys(), &self.head, (RecordKind::Events, events), keys, &mut bytes)?;
        Ok(Encoded { bytes, head })
    }

    /// The record or snapshot that ends in `head` is durable.
    pub fn advance(&mut self, head: Head) {
        self.head = head;
    }

    /// Data that replaces all records by one snapshot of the same state; sequence numbers go on.
    ///
    /// # Errors
    /// If there is no randomness, or the snapshot is too large.
    pub fn compact(&self, snapshot: &[u8], keys: &dyn KeySource) -> Result<Encoded, JournalError> {
        self.snapshot(Some(self.head), snapshot, keys)
    }

    /// Where the journal stands.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The readable header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn keys(&self) -> (&DataKeys, &HeadKey) {
        (&self.data_keys, &self.head_key)
    }

    fn snapshot(
        &self,
        after: Option<Head>,
        snapshot: &[u8],
        keys: &dyn KeySource,
    ) -> Result<Encoded, JournalError> {
        let (mut bytes, anchor) = header::write(&self.header, after)?;
        let head = record::write(self.keys(), &anchor, (RecordKind::Snapshot, snapshot), keys, &mut bytes)?;
        Ok(Encoded { bytes, head })
    }
}

fn read(
    data: &[u8],
    data_keys: &DataKeys,
    head_key: Option<&HeadKey>,
) -> Result<Unauthenticated, JournalError> {
    let prologue = header::read(data)?;
    let mut reader = Reader::new(data, prologue.length, prologue.anchor, data_keys, head_key);
    let records = records(&mut reader)?;
    Ok(Unauthenticated {
        header: prologue.header,
        records,
        head: reader.head(),
        valid_length: reader.offset() as u64,
    })
}

/// One snapshot, then events.
fn records(reader: &mut Reader<'_>) -> Result<Vec<Record>, JournalError> {
    let mut records = Vec::new();
    loop {
        let before = reader.wrong("it is not the kind of record that belongs here");
        let Some((kind, payload)) = reader.next()? else { break };
        if (kind == RecordKind::Snapshot) != records.is_empty() {
            return Err(before);
        }
        records.push((kind, payload));
    }
    if records.is_empty() {
        // Data is replaced as a whole, so no crash leaves it without its snapshot.
        return Err(reader.wrong("the snapshot that begins the data is missing or incomplete"));
    }
    Ok(records)
}

//! The sealed journal: a chain of records that only holders of the data key can read and only holders of the
//! key-encryption key can extend.
//!
//! The data is a readable header and then records. Each record has a sequence number, the hash of the record
//! before it, an AEAD ciphertext under the data key (DEK), and a MAC over its hash under a key derived from the
//! KEK. This module turns payloads into bytes and back; what payloads mean, and where bytes rest, is not its business.

pub mod keyfile;

use zeroize::Zeroizing;

use crate::keys::{KeyError, KeySource};
use crate::recovery::Hints;

/// The data key: reads the journal. Recovery key holders can rebuild it.
#[derive(Clone, PartialEq, Eq)]
pub struct Dek(pub Zeroizing<[u8; 32]>);

/// The key-encryption key: wraps the DEK and authenticates the head. Never leaves the TEE or its attested peers.
#[derive(Clone, PartialEq, Eq)]
pub struct Kek(pub Zeroizing<[u8; 32]>);

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
    /// The whole state; only the first record of the data.
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
    dek: Dek,
    head_key: Zeroizing<[u8; 32]>,
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
    /// How many bytes of the data count. Less than its length if the tail was torn and never acknowledged.
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
        let _ = (header, dek, kek, previous, snapshot, keys);
        todo!()
    }

    /// Reads the header alone, without any key.
    ///
    /// # Errors
    /// [`JournalError::Header`].
    pub fn read_header(data: &[u8]) -> Result<Header, JournalError> {
        let _ = data;
        todo!()
    }

    /// Opens data: every record must verify. A last record that is incomplete is cut.
    ///
    /// # Errors
    /// Names the first record that does not verify.
    pub fn open(data: &[u8], dek: Dek, kek: &Kek) -> Result<Opened, JournalError> {
        let _ = (data, dek, kek);
        todo!()
    }

    /// Makes the record that follows the head. Nothing changes until [`Journal::advance`].
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn encode(&self, events: &[u8], keys: &dyn KeySource) -> Result<Encoded, JournalError> {
        let _ = (events, keys);
        todo!()
    }

    /// The record that ends in `head` is durable.
    pub fn advance(&mut self, head: Head) {
        self.head = head;
    }

    /// Data that replaces all records by one snapshot of the same state; sequence numbers go on.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn compact(&self, snapshot: &[u8], keys: &dyn KeySource) -> Result<Encoded, JournalError> {
        let _ = (snapshot, keys, &self.dek, &self.head_key);
        todo!()
    }

    /// Where the journal stands.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The readable header.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

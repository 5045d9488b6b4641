//! The readable beginning of the data: magic, header, what the data follows, and a checksum of all that.
//!
//! ```text
//! magic 8 | length of the header 4 | header, JSON | sequence 8 | hash 32 | SHA-256 of everything before 32
//! ```
//! Numbers are little endian. Sequence and hash are those of the record before a compaction (zeros if there is none).
//! The checksum tells damage from a wrong key without any key; against forgery it is the anchor of the chain, and so
//! covered by the first record's MAC.

use aws_lc_rs::digest;

use super::{Head, Header, JournalError};

const MAGIC: &[u8; 8] = b"mrunjrn\n";
const FORMAT: u32 = 1;
const FIXED: usize = MAGIC.len() + 4;
const BASE: usize = 8 + 32;
const CHECKSUM: usize = 32;

/// What stands before the records.
pub(super) struct Prologue {
    /// The header.
    pub(super) header: Header,
    /// Anchor of the chain: the sequence number before the first record, and the hash it chains to.
    pub(super) anchor: Head,
    /// Its length in bytes.
    pub(super) length: usize,
}

/// The bytes, and the anchor of the chain that starts there.
pub(super) fn write(header: &Header, base: Option<Head>) -> Result<(Vec<u8>, Head), JournalError> {
    let json = serde_json::to_vec(header).map_err(|error| JournalError::Header(error.to_string()))?;
    let length = u32::try_from(json.len()).map_err(|_| JournalError::TooLarge { length: json.len() })?;
    let Head { sequence, hash } = base.unwrap_or(Head { sequence: 0, hash: [0; 32] });
    let mut bytes = Vec::with_capacity(FIXED + json.len() + BASE + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&hash);
    let checksum = sha256(&bytes);
    bytes.extend_from_slice(&checksum);
    Ok((bytes, Head { sequence, hash: checksum }))
}

/// Reads what [`write()`] made. Nothing is allocated beyond what is there.
pub(super) fn read(data: &[u8]) -> Result<Prologue, JournalError> {
    let (magic, rest) = take::<8>(data)?;
    if &magic != MAGIC {
        return Err(wrong("this is no journal (or its first bytes are damaged)"));
    }
    let (length, rest) = take::<4>(rest)?;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| incomplete())?;
    let (json, rest) = rest.split_at_checked(length).ok_or_else(incomplete)?;
    let (sequence, rest) = take::<8>(rest)?;
    let (_, rest) = take::<32>(rest)?;
    let (checksum, _) = take::<CHECKSUM>(rest)?;
    let covered = FIXED + length + BASE;
    if sha256(&data[..covered]) != checksum {
        return Err(wrong("its checksum does not fit: it is damaged"));
    }
    let anchor = Head { sequence: u64::from_le_bytes(sequence), hash: checksum };
    Ok(Prologue { header: parse(json)?, anchor, length: covered + CHECKSUM })
}

fn parse(json: &[u8]) -> Result<Header, JournalError> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u32,
    }
    let malformed = |error: serde_json::Error| JournalError::Header(error.to_string());
    let Version { format } = serde_json::from_slice(json).map_err(malformed)?;
    if format != FORMAT {
        return Err(JournalError::Header(format!(
            "format {format} is not known here; this is format {FORMAT}"
        )));
    }
    serde_json::from_slice(json).map_err(malformed)
}

fn take<const N: usize>(data: &[u8]) -> Result<([u8; N], &[u8]), JournalError> {
    data.split_first_chunk().map(|(chunk, rest)| (*chunk, rest)).ok_or_else(incomplete)
}

fn incomplete() -> JournalError {
    wrong("it is incomplete")
}

fn wrong(why: &str) -> JournalError {
    JournalError::Header(why.to_owned())
}

/// SHA-256 (FIPS 180-4).
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

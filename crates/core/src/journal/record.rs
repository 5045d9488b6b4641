//! One record: how it is made and how it is read.
//!
//! ```text
//! length 4 | kind 1 | zero 3 | sequence 8 | salt 32 | frame MAC 16 | ciphertext and tag, `length` bytes | head MAC 32
//! \___________________ frame, 64 bytes ___________________/
//! ```
//! - The **frame MAC** (HMAC-SHA256 under a key from the DEK, first 16 bytes, over the previous hash and the 48 bytes before
//!   it) lets a damaged length be told from a record that a crash cut off.
//! - The **ciphertext** is sealed under a key made from the DEK and the salt; previous hash and frame are its
//!   associated data.
//! - The **hash** is SHA-256 of the previous hash, the frame and the ciphertext.
//! - The **head MAC** is HMAC-SHA256 over the hash under a key from the KEK.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::seal::{self, SALT, Sealer, TAG};
use super::{Dek, Head, JournalError, Kek, RecordKind};
use crate::keys::{KeyError, KeySource};

const FRAME: usize = 64;
const FRAME_MAC: usize = 16;
const FRAMED: usize = FRAME - FRAME_MAC;
const HEAD_MAC: usize = 32;

/// Longest payload in bytes: what one record can make a reader allocate.
pub(super) const PAYLOAD_LIMIT: usize = 1 << 29;

/// Keys that a DEK holder has.
pub(super) struct DataKeys {
    dek: Dek,
    frame: hmac::Key,
}

impl DataKeys {
    pub(super) fn new(dek: Dek) -> Result<Self, KeyError> {
        let frame = seal::mac_key(&dek.0, b"marblerun journal frame v1")?;
        Ok(Self { dek, frame })
    }

    fn sealer(&self) -> Sealer<'_> {
        Sealer { secret: &self.dek.0, label: b"marblerun journal record v1" }
    }

    /// The first bytes of HMAC-SHA256 are a MAC of that length (RFC 2104 section 5).
    fn frame_mac(&self, previous: &Head, framed: &[u8]) -> [u8; FRAME_MAC] {
        let mut context = hmac::Context::with_key(&self.frame);
        context.update(&previous.hash);
        context.update(framed);
        let mut mac = [0; FRAME_MAC];
        mac.copy_from_slice(&context.sign().as_ref()[..FRAME_MAC]);
        mac
    }
}

/// The key that only holders of the KEK have.
pub(super) struct HeadKey(hmac::Key);

impl HeadKey {
    pub(super) fn new(kek: &Kek) -> Result<Self, KeyError> {
        Ok(Self(seal::mac_key(&kek.0, b"marblerun journal head v1")?))
    }
}

/// Adds a record after `previous` to `out` and gives the new head.
pub(super) fn write(
    (data_keys, head_key): (&DataKeys, &HeadKey),
    previous: &Head,
    (kind, payload): (RecordKind, &[u8]),
    keys: &dyn KeySource,
    out: &mut Vec<u8>,
) -> Result<Head, JournalError> {
    if payload.len() > PAYLOAD_LIMIT {
        return Err(JournalError::TooLarge { length: payload.len() });
    }
    let sequence = previous.sequence.checked_add(1).ok_or(JournalError::UsedUp)?;
    let salt = seal::salt(keys)?;
    let start = out.len();
    // In one piece: growing would leave copies of the payload behind in freed memory.
    out.reserve_exact(FRAME + payload.len() + TAG + HEAD_MAC);
    out.extend_from_slice(&((payload.len() + TAG) as u32).to_le_bytes());
    out.extend_from_slice(&[kind_byte(kind), 0, 0, 0]);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&salt);
    let mac = data_keys.frame_mac(previous, &out[start..]);
    out.extend_from_slice(&mac);
    let aad = associated(previous, &out[start..]);
    let body = out.len();
    out.extend_from_slice(payload);
    let tag = data_keys.sealer().seal(&salt, &aad, &mut out[body..])?;
    out.extend_from_slice(&tag);
    let hash = hash(previous, &out[start..]);
    out.extend_from_slice(hmac::sign(&head_key.0, &hash).as_ref());
    Ok(Head { sequence, hash })
}

/// Reads records one after the other.
pub(super) struct Reader<'a> {
    data: &'a [u8],
    offset: usize,
    previous: Head,
    data_keys: &'a DataKeys,
    head_key: Option<&'a HeadKey>,
}

/// What one record said.
pub(super) type Record = (RecordKind, Zeroizing<Vec<u8>>);

impl<'a> Reader<'a> {
    /// Records of `data` from `offset`, the first one chained to `anchor`. Without a head key the head MACs are not
    /// checked.
    pub(super) fn new(
        data: &'a [u8],
        offset: usize,
        anchor: Head,
        data_keys: &'a DataKeys,
        head_key: Option<&'a HeadKey>,
    ) -> Self {
        Self { data: without_zero_tail(data), offset, previous: anchor, data_keys, head_key }
    }

    /// The last record that was read.
    pub(super) fn head(&self) -> Head {
        self.previous
    }

    /// Where the next record would begin.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The next record; `None` at the end, or where a crash cut a record off.
    pub(super) fn next(&mut self) -> Result<Option<Record>, JournalError> {
        let rest = self.data.get(self.offset..).unwrap_or_default();
        let Some((frame, rest)) = rest.split_first_chunk::<FRAME>() else { return Ok(None) };
        let (length, kind) = self.frame(frame)?;
        let Some((sealed, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some((mac, _)) = rest.split_first_chunk::<HEAD_MAC>() else { return Ok(None) };
        let salt = chunk::<SALT>(frame, 16);
        let payload = self
            .data_keys
            .sealer()
            .open(&salt, &associated(&self.previous, frame), sealed)
            .ok_or_else(|| self.wrong("its content was changed"))?;
        let end = self.offset + FRAME + length;
        let hash = hash(&self.previous, &self.data[self.offset..end]);
        self.check_head(&hash, mac)?;
        self.previous = Head { sequence: self.previous.sequence + 1, hash };
        self.offset = end + HEAD_MAC;
        Ok(Some((kind, payload)))
    }

    /// Length of the ciphertext, and kind. Nothing of the frame is believed before its MAC was checked.
    fn frame(&self, frame: &[u8; FRAME]) -> Result<(usize, RecordKind), JournalError> {
        let mac = self.data_keys.frame_mac(&self.previous, &frame[..FRAMED]);
        verify_slices_are_equal(&mac, &frame[FRAMED..])
            .map_err(|_| self.wrong("its frame was changed, or it was written under another data key"))?;
        let length = u32::from_le_bytes(chunk(frame, 0)) as usize;
        if !(TAG..=PAYLOAD_LIMIT + TAG).contains(&length) {
            return Err(self.wrong(&format!("no record has a length of {length} bytes")));
        }
        if Some(u64::from_le_bytes(chunk(frame, 8))) != self.previous.sequence.checked_add(1) {
            return Err(self.wrong("it is out of sequence"));
        }
        match frame[4..8] {
            [1, 0, 0, 0] => Ok((length, RecordKind::Snapshot)),
            [2, 0, 0, 0] => Ok((length, RecordKind::Events)),
            [kind, ..] => Err(self.wrong(&format!("kind {kind} is not known here"))),
            [] => Err(self.wrong("it has no kind")),
        }
    }

    fn check_head(&self, hash: &[u8; 32], mac: &[u8; HEAD_MAC]) -> Result<(), JournalError> {
        let Some(HeadKey(key)) = self.head_key else { return Ok(()) };
        hmac::verify(key, hash, mac)
            .map_err(|_| self.wrong("no Coordinator that holds this key-encryption key wrote it"))
    }

    /// The record that comes next is wrong.
    pub(super) fn wrong(&self, reason: &str) -> JournalError {
        JournalError::Record {
            sequence: self.previous.sequence.saturating_add(1),
            offset: self.offset as u64,
            reason: reason.to_owned(),
        }
    }
}

/// A crash can leave a file that is already longer while its last blocks are not yet written and read as zeros. A
/// complete record ends in a MAC, which ends in so many zeros once in 2^64 records.
fn without_zero_tail(data: &[u8]) -> &[u8] {
    const CERTAIN: usize = 8;
    let written = data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if data.len() - written >= CERTAIN { &data[..written] } else { data }
}

fn kind_byte(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Snapshot => 1,
        RecordKind::Events => 2,
    }
}

fn associated(previous: &Head, frame: &[u8]) -> Vec<u8> {
    [previous.hash.as_slice(), frame].concat()
}

fn hash(previous: &Head, frame_and_ciphertext: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&previous.hash);
    context.update(frame_and_ciphertext);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn chunk<const N: usize>(frame: &[u8; FRAME], at: usize) -> [u8; N] {
    let mut chunk = [0; N];
    chunk.copy_from_slice(&frame[at..at + N]);
    chunk
}

//! What the software TEE seals: the name of the key stands before the ciphertext.
//!
//! ```text
//! "MRE1" | to (1) | svn (2) | tcb (16) | salt (32) | nonce (12) | ciphertext and tag
//! ```

use zeroize::Zeroizing;

use super::wire::KeyId;
use crate::sealed::{self, fields, purpose_byte, purpose_of};
use crate::{SealTo, TeeError};

const MARK: &[u8] = b"MRE1";
const HEADER_BYTES: usize = 4 + 1 + 2 + 16 + 32;

/// A sealing key and its name.
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) key: Zeroizing<Vec<u8>>,
}

/// Seals under a key.
pub(super) fn seal(key: &Key, to: SealTo, secret: &[u8]) -> Result<Vec<u8>, TeeError> {
    let id = &key.id;
    let header = [MARK, &[purpose_byte(to)], &id.svn.to_le_bytes(), &id.tcb, &id.salt].concat();
    sealed::seal(header, &key.key, secret)
}

/// Which key something was sealed with.
pub(super) fn key_of(sealed: &[u8]) -> Result<(SealTo, KeyId), TeeError> {
    let header = fields(sealed, MARK, HEADER_BYTES, "the software TEE")?;
    let mut id = KeyId { svn: u16::from_le_bytes([header[1], header[2]]), tcb: [0; 16], salt: [0; 32] };
    id.tcb.copy_from_slice(&header[3..19]);
    id.salt.copy_from_slice(&header[19..]);
    Ok((purpose_of(header[0])?, id))
}

/// Takes out what was sealed.
pub(super) fn open(key: &Key, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
    sealed::open(HEADER_BYTES, &key.key, sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        let id = KeyId { svn: 3, tcb: [9; 16], salt: [7; 32] };
        Key { id, key: Zeroizing::new(vec![1; 32]) }
    }

    #[test]
    fn what_was_sealed_names_its_key_and_opens_with_it() {
        for to in [SealTo::Product, SealTo::Unique] {
            let sealed = seal(&key(), to, b"secret").unwrap();
            assert_eq!(key_of(&sealed).unwrap(), (to, key().id));
            assert_eq!(open(&key(), &sealed).unwrap().as_slice(), b"secret");
        }
    }

    #[test]
    fn every_changed_or_missing_byte_is_found() {
        let sealed = seal(&key(), SealTo::Product, b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            open(&key(), &changed).unwrap_err();
            open(&key(), &sealed[..at]).unwrap_err();
            assert!(key_of(&sealed[..at]).is_err() || at >= HEADER_BYTES);
        }
    }
}

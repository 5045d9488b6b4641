//! Sealed bytes: which key, then AES-256-GCM under it, with the name of the key authenticated.
//!
//! ```text
//! "MRE1" | to (1) | svn (2) | tcb (16) | salt (32) | nonce (12) | ciphertext and tag
//! ```

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::wire::KeyId;
use crate::{SealTo, TeeError};

const MARK: &[u8] = b"MRE1";
const HEADER_BYTES: usize = 4 + 1 + 2 + 16 + 32;
const PRODUCT: u8 = 1;
const UNIQUE: u8 = 2;

/// A sealing key and its name.
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) key: Zeroizing<Vec<u8>>,
}

/// Seals under a key.
pub(super) fn seal(key: &Key, to: SealTo, secret: &[u8]) -> Result<Vec<u8>, TeeError> {
    let mut sealed = header(to, &key.id);
    let mut content = secret.to_vec();
    let nonce = cipher(key)?
        .seal_in_place_append_tag(Aad::from(&sealed), &mut content)
        .map_err(|_| TeeError::Refused("the cryptographic library sealed nothing".into()))?;
    sealed.extend(nonce.as_ref());
    sealed.extend(content);
    Ok(sealed)
}

/// Which key something was sealed with.
pub(super) fn key_of(sealed: &[u8]) -> Result<(SealTo, KeyId), TeeError> {
    let foreign = || TeeError::NotOurs("it was not sealed by the software TEE".into());
    let header =
        sealed.get(..HEADER_BYTES).and_then(|header| header.strip_prefix(MARK)).ok_or_else(foreign)?;
    let to = match header[0] {
        PRODUCT => SealTo::Product,
        UNIQUE => SealTo::Unique,
        _ => return Err(foreign()),
    };
    let mut id = KeyId { svn: u16::from_le_bytes([header[1], header[2]]), tcb: [0; 16], salt: [0; 32] };
    id.tcb.copy_from_slice(&header[3..19]);
    id.salt.copy_from_slice(&header[19..]);
    Ok((to, id))
}

/// Takes out what was sealed.
pub(super) fn open(key: &Key, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
    let damaged = || {
        let why = "another program or another platform sealed it, or it is damaged";
        TeeError::NotOurs(why.into())
    };
    let (header, rest) = sealed.split_at_checked(HEADER_BYTES).ok_or_else(damaged)?;
    let (nonce, content) = rest.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
    let mut content = Zeroizing::new(content.to_vec());
    let opened = cipher(key)?.open_in_place(nonce, Aad::from(header), &mut content);
    let length = opened.map_err(|_| damaged())?.len();
    content.truncate(length);
    Ok(content)
}

fn header(to: SealTo, id: &KeyId) -> Vec<u8> {
    let to = match to {
        SealTo::Product => PRODUCT,
        SealTo::Unique => UNIQUE,
    };
    [MARK, &[to], &id.svn.to_le_bytes(), &id.tcb, &id.salt].concat()
}

fn cipher(key: &Key) -> Result<RandomizedNonceKey, TeeError> {
    RandomizedNonceKey::new(&AES_256_GCM, &key.key)
        .map_err(|_| TeeError::Refused("the sealing key has not 256 bits".into()))
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

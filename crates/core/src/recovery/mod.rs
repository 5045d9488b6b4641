//! Recovery secrets: the state key, split and encrypted to the holders named in the manifest, and put together again.
//!
//! One holder gets the key itself; holders of whom all are needed get random shares whose XOR is the key; a threshold
//! makes Shamir shares. Each is RSA-OAEP encrypted, so nothing here ever sees a holder's private key.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use marblerun_manifest::RecoveryKey;
use zeroize::Zeroizing;

use crate::keys::{KeyError, KeySource};

mod collect;
mod ephemeral;
mod gf256;
pub mod shamir;
#[cfg(test)]
mod tests;

pub use collect::{Given, Proven, check_holders};
pub use ephemeral::{EphemeralKey, Sent};
use shamir::{ShamirError, Share};

/// What recovery needs to know without any key; stands readable beside the sealed state.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Hints {
    /// How many shares suffice.
    pub threshold: usize,
    /// Holders by name.
    pub holders: BTreeMap<String, Holder>,
}

/// One holder of a recovery key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// SubjectPublicKeyInfo DER, base64 in text formats.
    #[serde(with = "crate::encoding::base64")]
    pub public_key: Vec<u8>,
    /// SHA-256 of the holder's share, base64 in text formats. A share holds at least 256 random bits, so its hash
    /// tells nothing about it.
    #[serde(with = "crate::encoding::base64")]
    pub share_sha256: Vec<u8>,
}

/// The state key as shares: what each holder gets, and what stands beside the state.
#[derive(Debug, Clone)]
pub struct Shares {
    /// By holder: the share, RSA-OAEP (SHA-256, empty label) encrypted.
    pub encrypted: BTreeMap<String, Vec<u8>>,
    /// The readable part.
    pub hints: Hints,
}

/// Splits the 32-byte state key for `holders`. One: the key itself. `threshold` 0 or equal to their number: XOR
/// shares. Otherwise Shamir shares. No holders: nothing.
///
/// # Errors
/// If a public key cannot be used, with the holder's name; if the threshold does not fit the number of holders.
pub fn split(
    key: &Zeroizing<[u8; 32]>,
    holders: &BTreeMap<String, RecoveryKey>,
    threshold: usize,
    keys: &dyn KeySource,
) -> Result<Shares, KeyError> {
    let public_keys = holders.iter().map(|(name, key)| (name.clone(), key.public_key.clone())).collect();
    split_for(key, public_keys, threshold, keys)
}

/// As [`split`], for public keys by holder.
fn split_for(
    key: &[u8; 32],
    holders: BTreeMap<String, Vec<u8>>,
    threshold: usize,
    keys: &dyn KeySource,
) -> Result<Shares, KeyError> {
    let needed = needed(holders.len(), threshold);
    let plain = plain_shares(key, holders.len(), needed, keys)?;
    let mut shares =
        Shares { encrypted: BTreeMap::new(), hints: Hints { threshold: needed, holders: BTreeMap::new() } };
    for ((name, public_key), share) in holders.into_iter().zip(plain) {
        let encrypted =
            encrypt(&public_key, &share).map_err(|why| KeyError(format!("RecoveryKeys.{name}: {why}")))?;
        shares.encrypted.insert(name.clone(), encrypted);
        shares.hints.holders.insert(name, Holder { public_key, share_sha256: sha256(&share) });
    }
    Ok(shares)
}

/// How many shares of `count` suffice, for a threshold as manifests write it.
fn needed(count: usize, threshold: usize) -> usize {
    if threshold == 0 || count < 2 { count } else { threshold }
}

/// How a key is divided.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// Nobody gets anything.
    None,
    /// One holder has the key.
    Whole,
    /// XOR of all shares.
    All,
    /// Shamir.
    Threshold,
}

impl Scheme {
    fn of(count: usize, needed: usize) -> Self {
        match count {
            0 => Self::None,
            1 => Self::Whole,
            _ if needed == count => Self::All,
            _ => Self::Threshold,
        }
    }
}

fn plain_shares(
    key: &[u8; 32],
    count: usize,
    needed: usize,
    keys: &dyn KeySource,
) -> Result<Vec<Share>, KeyError> {
    match Scheme::of(count, needed) {
        Scheme::None => Ok(Vec::new()),
        Scheme::Whole => Ok(vec![Zeroizing::new(key.to_vec())]),
        Scheme::All => xor_split(key, count, keys),
        Scheme::Threshold => shamir::split(key, count, needed, keys),
    }
}

/// All shares but the last are random; the last makes their XOR the key.
fn xor_split(key: &[u8; 32], count: usize, keys: &dyn KeySource) -> Result<Vec<Share>, KeyError> {
    let mut last = Zeroizing::new(key.to_vec());
    let mut shares = Vec::with_capacity(count);
    for _ in 1..count {
        let mut share = Zeroizing::new(vec![0; key.len()]);
        keys.fill(&mut share)?;
        xor(&mut last, &share);
        shares.push(share);
    }
    shares.push(last);
    Ok(shares)
}

fn xor(into: &mut [u8], other: &[u8]) {
    into.iter_mut().zip(other).for_each(|(a, b)| *a ^= b);
}

/// RSAES-OAEP (RFC 8017 section 7.1) with SHA-256 and the empty label.
fn encrypt(public_key: &[u8], share: &[u8]) -> Result<Vec<u8>, &'static str> {
    let unusable = "this is no RSA public key of 2048 to 8192 bits";
    let key = PublicEncryptingKey::from_der(public_key).map_err(|_| unusable)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| unusable)?;
    let mut encrypted = vec![0; key.ciphertext_size()];
    let length = key
        .encrypt(&OAEP_SHA256_MGF1SHA256, share, &mut encrypted, None)
        .map_err(|_| "RSA-OAEP encryption failed")?
        .len();
    encrypted.truncate(length);
    Ok(encrypted)
}

/// Why shares do not give a key, or the key is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// There is nobody who could recover the state.
    #[error(
        "the manifest of the stored state has no recovery keys: restore sealed_key from a backup, or set a manifest anew"
    )]
    NoHolders,
    /// Neither a share nor something encrypted to our ephemeral key.
    #[error(
        "recoverySecret has {0} bytes: expected a decrypted recovery secret (32, 33 or 16), or one encrypted to the \
         Coordinator's ephemeral key (512)"
    )]
    Length(usize),
    /// Not encrypted to our ephemeral key.
    #[error(
        "recoverySecret is not encrypted to this Coordinator's ephemeral key, which changes with every start: get it \
         anew from /api/v2/recover/public-key"
    )]
    Encryption,
    /// A share that no holder was given: mistyped, or of another state.
    #[error("this is not a recovery secret of the stored state")]
    Unknown,
    /// The right share, but its holder did not sign it.
    #[error(
        "recoverySecretSignature is not a signature of the recovery key {holder:?} over the decrypted secret \
         (RSA PKCS#1 v1.5, SHA-256)"
    )]
    Signature {
        /// Whose share it is.
        holder: String,
    },
    /// A share that was given before.
    #[error("the recovery secret of {holder:?} was already given")]
    Repeated {
        /// Whose it is.
        holder: String,
    },
    /// More shares are needed.
    #[error("{given} of {needed} recovery secrets were given")]
    TooFew {
        /// How many different ones there are.
        given: usize,
        /// How many suffice.
        needed: usize,
    },
    /// The shares are those whose hashes stand beside the state, and still do not fit together: the hints are forged.
    #[error("the recovery secrets do not fit together: {0}")]
    Unfit(String),
    /// The key does not open all of the state.
    #[error(
        "these are the recovery secrets of the stored state, but it does not open: it was damaged, changed, or \
         written by another version; the Coordinator's log says more. Restore sealed_data from a backup, then send them \
         again"
    )]
    Damaged,
    /// The state that the key opened is not the one whose hints the shares were held against.
    #[error(
        "the state that the recovery secrets open does not belong to those who sent them: {0}. It was not used"
    )]
    Holders(&'static str),
}

impl From<ShamirError> for RecoveryError {
    fn from(error: ShamirError) -> Self {
        Self::Unfit(error.to_string())
    }
}

impl Hints {
    /// Whose share this is.
    ///
    /// # Errors
    /// [`RecoveryError::Unknown`].
    pub fn holder_of(&self, share: &[u8]) -> Result<&str, RecoveryError> {
        let hash = sha256(share);
        let holder = self.holders.iter().find(|(_, holder)| holder.share_sha256 == hash);
        holder.map(|(name, _)| name.as_str()).ok_or(RecoveryError::Unknown)
    }
}

/// Puts the state key together from shares of different holders. The hints decide early refusals only: whether the key
/// is right shows when it opens the journal.
///
/// # Errors
/// The first share that is unknown or repeated; too few shares.
pub fn combine(shares: &[Share], hints: &Hints) -> Result<Zeroizing<[u8; 32]>, RecoveryError> {
    let mut given = BTreeSet::new();
    for share in shares {
        let holder = hints.holder_of(share)?;
        if !given.insert(holder) {
            return Err(RecoveryError::Repeated { holder: holder.to_owned() });
        }
    }
    let needed = hints.threshold.max(1);
    if given.len() < needed {
        return Err(RecoveryError::TooFew { given: given.len(), needed });
    }
    let key = match Scheme::of(hints.holders.len(), needed) {
        Scheme::None | Scheme::Whole => shares[0].clone(),
        Scheme::All => xor_combine(shares),
        Scheme::Threshold => shamir::combine(shares)?,
    };
    let length = key.len();
    let mut whole = Zeroizing::new([0; 32]);
    if length != whole.len() {
        return Err(RecoveryError::Unfit(format!("they give {length} bytes instead of {}", whole.len())));
    }
    whole.copy_from_slice(&key);
    Ok(whole)
}

fn xor_combine(shares: &[Share]) -> Zeroizing<Vec<u8>> {
    let length = shares.iter().map(|share| share.len()).max().unwrap_or_default();
    let mut key = Zeroizing::new(vec![0; length]);
    shares.iter().for_each(|share| xor(&mut key, share));
    key
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

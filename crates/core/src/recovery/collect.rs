//! Shares come back, one by one: who sent them is proved, they are kept until they suffice, and what they open is held
//! against who they are.
//!
//! Nothing here writes anything. Shares are in memory only, one for each holder at most, and forgotten by a restart. A
//! wrong one is refused by what stands readable beside the sealed state, at the same cost whatever was sent before.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use marblerun_manifest::Manifest;

use super::shamir::Share;
use super::{Hints, RecoveryError, combine, needed};
use crate::journal::{Dek, Header};
use crate::pki::Pki;
use crate::state::Recovery;

/// A share of the stored state, by its hash, that the holder's key signed. Only [`Hints::prove`] makes one.
#[derive(Clone)]
pub struct Proven {
    holder: String,
    share: Share,
}

impl Proven {
    /// Whose share it is.
    pub fn holder(&self) -> &str {
        &self.holder
    }
}

/// What one more share leads to.
pub enum Given {
    /// More are needed; this is the phase from now on.
    More(Recovery),
    /// They suffice. Whether the key is right shows when it opens the journal.
    Enough(Dek),
}

impl Hints {
    /// Checks a decrypted recovery secret and its signature (RSA PKCS#1 v1.5, SHA-256, RFC 8017 section 8.2, over the
    /// secret). The hash comes first: it costs a stranger's request next to nothing.
    ///
    /// # Errors
    /// What is wrong; [`RecoveryError::NoHolders`] if nothing can be right.
    pub fn prove(&self, share: Share, signature: &[u8]) -> Result<Proven, RecoveryError> {
        if self.holders.is_empty() {
            return Err(RecoveryError::NoHolders);
        }
        let holder = self.holder_of(&share)?.to_owned();
        let public_key = &self.holders[&holder].public_key;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key)
            .verify(&share, signature)
            .map_err(|_| RecoveryError::Signature { holder: holder.clone() })?;
        Ok(Proven { holder, share })
    }
}

impl Recovery {
    /// The phase at its beginning.
    pub fn new(pki: Pki, header: Option<Header>, reason: String) -> Self {
        Self { pki, header, reason, given: BTreeMap::new() }
    }

    /// What recovery may know of the sealed state without opening it.
    ///
    /// # Errors
    /// [`RecoveryError::NoHolders`].
    pub fn hints(&self) -> Result<&Hints, RecoveryError> {
        let hints = self.header.as_ref().map(|header| &header.recovery);
        hints.filter(|hints| !hints.holders.is_empty()).ok_or(RecoveryError::NoHolders)
    }

    /// How many shares are still needed.
    pub fn remaining(&self) -> usize {
        let threshold = self.hints().map_or(0, |hints| hints.threshold.max(1));
        threshold.saturating_sub(self.given.len())
    }

    /// Takes a share.
    ///
    /// # Errors
    /// [`RecoveryError::Repeated`]; if the last one comes and they do not fit together. Nothing is kept then.
    pub fn give(&self, proven: &Proven) -> Result<Given, RecoveryError> {
        let hints = self.hints()?;
        let mut given = self.given.clone();
        if given.insert(proven.holder.clone(), proven.share.clone()).is_some() {
            return Err(RecoveryError::Repeated { holder: proven.holder.clone() });
        }
        if given.len() < hints.threshold {
            let (pki, header, reason) = (self.pki.clone(), self.header.clone(), self.reason.clone());
            return Ok(Given::More(Self { pki, header, reason, given }));
        }
        let shares: Vec<Share> = given.into_values().collect();
        combine(&shares, hints).map(|key| Given::Enough(Dek(key)))
    }
}

/// Holds an opened state against the hints by which its shares were judged: its manifest must have exactly these
/// recovery keys, and the same threshold. Hints alone prove nothing: whoever knows the DEK can write a state, and
/// beside it hints that name keys of his own.
///
/// # Errors
/// [`RecoveryError::Holders`].
pub fn check_holders(hints: &Hints, manifest: &Manifest) -> Result<(), RecoveryError> {
    let hinted = hints.holders.iter().map(|(name, holder)| (name, &holder.public_key));
    let sealed = manifest.recovery_keys.iter().map(|(name, key)| (name, &key.public_key));
    if !hinted.eq(sealed) {
        return Err(RecoveryError::Holders("its manifest has other recovery keys"));
    }
    if hints.threshold != needed(hints.holders.len(), manifest.config.recovery_threshold) {
        return Err(RecoveryError::Holders("its manifest asks for another number of recovery secrets"));
    }
    Ok(())
}

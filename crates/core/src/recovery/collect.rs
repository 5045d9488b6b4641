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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    use zeroize::Zeroizing;

    use super::*;
    use crate::keys::FreshKeys;
    use crate::recovery::split_for;
    use crate::recovery::tests::{holders, key, opened, recorded};
    use crate::{Command, Refusal, State, decide};

    fn sign(name: &str, share: &[u8]) -> Vec<u8> {
        let key = RsaKeyPair::from_pkcs8(&recorded(name, "key")).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), share, &mut signature).unwrap();
        signature
    }

    fn pki() -> Pki {
        Pki::generate(&["localhost".into()], &[], &FreshKeys, SystemTime::UNIX_EPOCH).unwrap()
    }

    fn header(recovery: Hints) -> Header {
        Header { format: 1, origin: "simulation".into(), dek_id: "1".into(), recovery }
    }

    /// The phase, and by holder the share that it has.
    fn waiting(count: usize, threshold: usize) -> (Recovery, BTreeMap<String, Share>) {
        let shares = split_for(&key(), holders(count), threshold, &FreshKeys).unwrap();
        let plain = opened(&shares);
        let by_holder = shares.hints.holders.keys().cloned().zip(plain).collect();
        (Recovery::new(pki(), Some(header(shares.hints)), "test".into()), by_holder)
    }

    fn prove(recovery: &Recovery, name: &str, share: &Share) -> Result<Proven, RecoveryError> {
        recovery.hints()?.prove(share.clone(), &sign(name, share))
    }

    /// Any `needed` of the holders, in an order that is not that of their names, have the key; nobody earlier.
    #[track_caller]
    fn check(count: usize, threshold: usize, needed: usize) {
        let (mut recovery, shares) = waiting(count, threshold);
        for (before, (name, share)) in shares.iter().rev().take(needed).enumerate() {
            assert_eq!(recovery.remaining(), needed - before);
            let proven = prove(&recovery, name, share).unwrap();
            recovery = match recovery.give(&proven).unwrap() {
                Given::More(recovery) => recovery,
                Given::Enough(dek) => {
                    assert_eq!((before + 1, *dek.0), (needed, *key()));
                    return;
                }
            };
        }
        panic!("{needed} shares do not suffice");
    }

    #[test]
    fn as_many_as_are_needed_bring_the_key_back() {
        check(1, 0, 1);
        check(3, 0, 3);
        check(4, 3, 3);
        check(4, 2, 2);
    }

    #[test]
    fn a_share_counts_once() {
        let (recovery, shares) = waiting(3, 2);
        let proven = prove(&recovery, "safe-one", &shares["safe-one"]).unwrap();
        let Given::More(recovery) = recovery.give(&proven).unwrap() else { panic!("one is not enough") };
        let repeated = RecoveryError::Repeated { holder: "safe-one".into() };
        assert_eq!(recovery.give(&proven).err(), Some(repeated.clone()));
        assert_eq!(recovery.remaining(), 1);
        let state = State::Recovery(recovery.into());
        let decided = decide(&state, &Command::Recover(proven.into()));
        assert_eq!(decided.err(), Some(Refusal::Recovery(repeated)));
    }

    #[test]
    fn only_a_share_that_its_holder_signed_is_proven() {
        let (recovery, shares) = waiting(3, 2);
        let (own, other) = (&shares["safe-one"], &shares["safe-four"]);
        let unsigned = RecoveryError::Signature { holder: "safe-one".into() };
        let hints = recovery.hints().unwrap();
        assert_eq!(prove(&recovery, "safe-four", own).err(), Some(unsigned.clone()), "by another holder");
        assert_eq!(hints.prove(own.clone(), &sign("safe-one", other)).err(), Some(unsigned.clone()));
        assert_eq!(hints.prove(own.clone(), b"").err(), Some(unsigned));
        let foreign = &waiting(3, 2).1["safe-one"];
        assert_eq!(prove(&recovery, "safe-one", foreign).err(), Some(RecoveryError::Unknown));
        assert_eq!(prove(&recovery, "safe-one", &Zeroizing::default()).err(), Some(RecoveryError::Unknown));
        assert_eq!(prove(&recovery, "safe-one", own).unwrap().holder(), "safe-one");
    }

    #[test]
    fn without_recovery_keys_nothing_is_taken() {
        for header in [None, Some(header(Hints::default()))] {
            let recovery = Recovery::new(pki(), header, "test".into());
            assert_eq!(recovery.hints(), Err(RecoveryError::NoHolders));
        }
        let (recovery, shares) = waiting(1, 0);
        let proven = prove(&recovery, "safe-four", &shares["safe-four"]).unwrap();
        let decided = decide(&State::Accepting(pki().into()), &Command::Recover(proven.into()));
        assert!(matches!(decided, Err(Refusal::NotInRecovery(_))));
    }

    /// A manifest whose recovery keys are those of `names`.
    fn manifest(names: &[&str], threshold: usize) -> Manifest {
        let keys: serde_json::Map<_, _> = names
            .iter()
            .map(|name| {
                ((*name).into(), crate::encoding::pem("PUBLIC KEY", &recorded(name, "public")).into())
            })
            .collect();
        let json = serde_json::json!({
            "Packages": {"p": {"UniqueID": "ab".repeat(32)}},
            "Marbles": {"m": {"Package": "p"}},
            "RecoveryKeys": keys,
            "Config": {"RecoveryThreshold": threshold},
        });
        Manifest::parse(json.to_string().as_bytes(), SystemTime::UNIX_EPOCH).unwrap().manifest
    }

    #[test]
    fn the_opened_state_must_belong_to_exactly_those_who_sent_the_shares() {
        let hints = |threshold| split_for(&key(), holders(3), threshold, &FreshKeys).unwrap().hints;
        let three = ["safe-four", "safe-one", "safe-three"];
        let keys = Err(RecoveryError::Holders("its manifest has other recovery keys"));
        let number = Err(RecoveryError::Holders("its manifest asks for another number of recovery secrets"));
        assert_eq!(check_holders(&hints(2), &manifest(&three, 2)), Ok(()));
        assert_eq!(check_holders(&hints(3), &manifest(&three, 0)), Ok(()));
        assert_eq!(check_holders(&hints(2), &manifest(&three[..2], 2)), keys);
        assert_eq!(check_holders(&hints(2), &manifest(&["safe-four", "safe-one", "safe-two"], 2)), keys);
        assert_eq!(check_holders(&hints(2), &manifest(&three, 0)), number);
        assert_eq!(check_holders(&hints(3), &manifest(&three, 2)), number);
        let mut renamed = hints(2);
        let holder = renamed.holders.remove("safe-one").unwrap();
        renamed.holders.insert("safe".into(), holder);
        assert_eq!(check_holders(&renamed, &manifest(&three, 2)), keys);
    }
}

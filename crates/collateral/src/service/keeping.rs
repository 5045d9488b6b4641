//! Keeping what counts, in memory and in the folder.

use std::sync::{Arc, PoisonError};

use marblerun_attest::{Collateral, Failure, Needs};

use super::{Inner, Service, at};
use crate::cache::Slot;
use crate::{CollateralError, Entry, Key, Refused};

impl Inner {
    pub(super) fn check_clock(&self, now: u64) -> Result<(), CollateralError> {
        match self.cache.newest() {
            seen if now < seen => Err(CollateralError::Clock { now, seen }),
            _ => Ok(()),
        }
    }

    /// Keeps an entry that was fetched at some time, or says why it does not count.
    pub(super) fn take(&self, entry: &Entry, fetched: u64, now: u64) -> Option<Refused> {
        let kept = Key::of(&entry.needs)
            .and_then(|key| self.keep(&key, &entry.needs, entry.collateral.clone(), fetched, now));
        kept.err().map(|error| Refused { needs: entry.needs.clone(), error })
    }

    /// Only what counts is kept. Gives it, and the key of what made room for it.
    pub(super) fn keep(
        &self,
        key: &Key,
        needs: &Needs,
        collateral: Collateral,
        fetched: u64,
        now: u64,
    ) -> Result<(Slot, Option<Key>), CollateralError> {
        let roots = self.roots.read().unwrap_or_else(PoisonError::into_inner).clone();
        let refused = |failure| CollateralError::Refused { key: key.to_string(), failure };
        let validity = collateral.validity(needs, &roots, at(now)).map_err(refused)?;
        let half = validity.until.saturating_sub(fetched) / 2;
        let step = half.min(self.options.refresh.as_secs());
        let (due, overdue) = (fetched.saturating_add(step), fetched.saturating_add(2 * step));
        let collateral = Arc::new(collateral);
        let needs = needs.clone();
        let slot = Slot { needs, collateral, validity, fetched, tried: fetched, due, overdue };
        let unused = self.cache.keep(key, slot.clone())?;
        Ok((slot, unused))
    }

    /// The keys of what rests on a certificate that one of the roots' lists in `newer` names.
    fn revoked_by(&self, newer: &Collateral, now: u64) -> Vec<Key> {
        let roots = self.roots.read().unwrap_or_else(PoisonError::into_inner).clone();
        let is_revoked = |slot: &Slot| {
            let with_list = with_roots_list(&slot.collateral, newer);
            matches!(with_list.validity(&slot.needs, &roots, at(now)), Err(Failure::Revoked { .. }))
        };
        let all = self.cache.all().into_iter();
        all.filter(|(_, slot)| is_revoked(slot)).map(|(key, _)| key).collect()
    }

    /// A folder that cannot be written costs a fetch after the next restart, and nothing else.
    pub(super) async fn write(&self, key: &Key, slot: Slot, unused: Option<Key>) {
        let Some(folder) = self.folder.clone() else { return };
        let (key, newest) = (key.clone(), self.cache.newest());
        let write = move || {
            unused.map_or(Ok(()), |unused| folder.remove(&unused))?;
            folder.write(&key, slot.entry(), newest)
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::warn!(%error, "collateral was not saved");
        }
    }
}

impl Service {
    /// What was fetched is refused because a list names one of its certificates. What is kept may rest on the same one, and
    /// does not outlive the root's word against it just because nothing came in its place. Held against each entry by
    /// itself: somebody in between may have put a revoked certificate beside a genuine list.
    pub(super) async fn withdraw_revoked(&self, refused: &Collateral, why: &CollateralError, now: u64) {
        if !matches!(why, CollateralError::Refused { failure: Failure::Revoked { .. }, .. }) {
            return;
        }
        for key in self.0.revoked_by(refused, now) {
            tracing::error!(%key, %why, "collateral is withdrawn: evidence of these platforms is refused");
            self.0.cache.remove(&key);
            let Some(folder) = self.0.folder.clone() else { continue };
            // One that cannot be changed is held against the newer list again after the next start.
            let _ = tokio::task::spawn_blocking(move || folder.remove(&key)).await;
        }
    }
}

/// The same with the root's revocation list of another.
fn with_roots_list(collateral: &Collateral, other: &Collateral) -> Collateral {
    let mut with = collateral.clone();
    if let (Some(intel), Some(other)) = (&mut with.intel, &other.intel) {
        intel.root_ca_crl.clone_from(&other.root_ca_crl);
    }
    if let (Some(amd), Some(other)) = (&mut with.amd, &other.amd) {
        amd.crl.clone_from(&other.crl);
    }
    with
}

impl Slot {
    /// For the folder, which outlives a restart.
    pub(super) fn entry(self) -> Entry {
        Entry { fetched: Some(self.fetched), ..Entry::new(self.needs, (*self.collateral).clone()) }
    }
}

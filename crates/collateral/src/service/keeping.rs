//! Keeping what counts, in memory and in the folder.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use marblerun_attest::{Collateral, Needs};

use super::Inner;
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
        let at = UNIX_EPOCH.checked_add(Duration::from_secs(now)).unwrap_or(UNIX_EPOCH);
        let refused = |failure| CollateralError::Refused { key: key.to_string(), failure };
        let validity = collateral.validity(needs, &roots, at).map_err(refused)?;
        let half = validity.until.saturating_sub(fetched) / 2;
        let due = fetched.saturating_add(half.min(self.options.refresh.as_secs()));
        let slot = Slot {
            needs: needs.clone(),
            collateral: Arc::new(collateral),
            validity,
            fetched,
            tried: fetched,
            due,
        };
        let unused = self.cache.keep(key, slot.clone())?;
        Ok((slot, unused))
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

impl Slot {
    /// For the folder, which outlives a restart.
    pub(super) fn entry(self) -> Entry {
        Entry { fetched: Some(self.fetched), ..Entry::new(self.needs, (*self.collateral).clone()) }
    }
}

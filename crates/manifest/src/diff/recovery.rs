//! Recovery keys: who could bring a lost state back, and who can afterwards.

use std::fmt;

use super::Change;
use super::pairs::{Names, Pair, pairs};
use crate::{Manifest, RecoveryKey};

/// How many holders of recovery keys have to come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shares {
    /// Holders.
    pub holders: usize,
    /// How many of them suffice.
    pub needed: usize,
}

/// Who can recover the state afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryChange {
    /// Holders of recovery keys that come, go or have another key.
    Holders {
        /// New holders.
        added: Vec<String>,
        /// Holders of before.
        removed: Vec<String>,
        /// Holders with another key.
        replaced: Vec<String>,
    },
    /// There is a new state key: recovery secrets of before open nothing any more.
    StateKeyReplaced {
        /// Who could recover the state before.
        before: Shares,
        /// Who can afterwards, with new recovery secrets.
        after: Shares,
    },
}

pub(super) fn compare(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let others = old.recovery_keys != new.recovery_keys;
    let mut changes: Vec<Change> = others.then(|| holders(old, new)).into_iter().collect();
    let (before, after) = (Shares::of(old), Shares::of(new));
    // A state that is sealed in another way gets another key as well. Who cannot recover it, before or after, need not care.
    let rekeyed = others
        || old.config.recovery_threshold != new.config.recovery_threshold
        || old.config.seal_mode != new.config.seal_mode;
    if rekeyed && before.holders + after.holders > 0 {
        changes.push(Change::Recovery(RecoveryChange::StateKeyReplaced { before, after }));
    }
    changes
}

fn holders(old: &Manifest, new: &Manifest) -> Change {
    let of = |wanted: fn(&Pair<'_, RecoveryKey>) -> bool| -> Vec<String> {
        let pairs = pairs(&old.recovery_keys, &new.recovery_keys).filter(|(_, pair)| wanted(pair));
        pairs.map(|(name, _)| name.to_owned()).collect()
    };
    Change::Recovery(RecoveryChange::Holders {
        added: of(|pair| matches!(pair, Pair::Added(_))),
        removed: of(|pair| matches!(pair, Pair::Removed(_))),
        replaced: of(|pair| matches!(pair, Pair::Both(old, new) if old != new)),
    })
}

impl Shares {
    fn of(manifest: &Manifest) -> Self {
        let (holders, threshold) = (manifest.recovery_keys.len(), manifest.config.recovery_threshold);
        Self { holders, needed: if threshold == 0 { holders } else { threshold } }
    }
}

impl RecoveryChange {
    pub(super) fn warns(&self) -> bool {
        matches!(self, Self::StateKeyReplaced { .. })
    }
}

impl fmt::Display for RecoveryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holders { added, removed, replaced } => {
                let lists = [(added, "added"), (removed, "removed"), (replaced, "replaced by another key")];
                let lists = lists.into_iter().filter(|(names, _)| !names.is_empty());
                let lists: Vec<String> =
                    lists.map(|(names, what)| format!("{} {what}", Names(names))).collect();
                write!(f, "recovery keys: {}", lists.join(", "))
            }
            Self::StateKeyReplaced { before, after } => write!(
                f,
                "the state gets a new key, and recovery secrets of before open nothing any more: {after} can recover it, \
                 instead of {before}"
            ),
        }
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.holders, self.needed) {
            (0, _) => f.write_str("nobody"),
            (1, _) => f.write_str("its one holder"),
            (holders, needed) => write!(f, "{needed} of {holders} holders"),
        }
    }
}

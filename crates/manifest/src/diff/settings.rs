//! Platforms, connections, and the Coordinator's own settings.

use std::fmt;

use super::Change;
use super::pairs::{Pair, pairs};
use crate::{FeatureGate, Manifest, SealMode};

/// What becomes of the Coordinator's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigChange {
    /// The state is sealed in another way.
    SealMode(SealMode, SealMode),
    /// A part of the client API is open from now on.
    GateOpened(FeatureGate),
    /// It is closed.
    GateClosed(FeatureGate),
}

/// What becomes of a platform on which marbles may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfrastructureChange {
    /// It is new. If it is the first, marbles may run there alone.
    Added,
    /// It is gone. If it was the last, marbles may run anywhere.
    Removed,
    /// It is described in another way.
    Changed,
}

pub(super) fn infrastructures(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let changes = pairs(&old.infrastructures, &new.infrastructures).filter_map(|(name, pair)| {
        let change = match pair {
            Pair::Added(_) => InfrastructureChange::Added,
            Pair::Removed(_) => InfrastructureChange::Removed,
            Pair::Both(old, new) if old == new => return None,
            Pair::Both(..) => InfrastructureChange::Changed,
        };
        Some(Change::Infrastructure(name.to_owned(), change))
    });
    changes.collect()
}

pub(super) fn tls(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let changed =
        pairs(&old.tls, &new.tls).filter(|(_, pair)| !matches!(pair, Pair::Both(old, new) if old == new));
    changed.map(|(name, _)| Change::Tls(name.to_owned())).collect()
}

pub(super) fn config(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let (before, after) = (&old.config, &new.config);
    let seal = (before.seal_mode != after.seal_mode)
        .then_some(ConfigChange::SealMode(before.seal_mode, after.seal_mode));
    let missing = |from: &[FeatureGate], gate: &&FeatureGate| !from.contains(gate);
    let opened = after.feature_gates.iter().filter(|gate| missing(&before.feature_gates, gate));
    let closed = before.feature_gates.iter().filter(|gate| missing(&after.feature_gates, gate));
    let gates =
        opened.copied().map(ConfigChange::GateOpened).chain(closed.copied().map(ConfigChange::GateClosed));
    seal.into_iter().chain(gates).map(Change::Config).collect()
}

impl InfrastructureChange {
    /// The first one narrows and the last one widens, so all of them are worth a look.
    pub(super) fn warns(self) -> bool {
        true
    }
}

impl fmt::Display for InfrastructureChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "is added: where there are any, marbles run on these alone",
            Self::Removed => "is removed: its platforms are refused, unless none is left, which means any",
            Self::Changed => "is described in another way: platforms may be refused",
        })
    }
}

impl ConfigChange {
    pub(super) fn warns(&self) -> bool {
        !matches!(self, Self::GateOpened(_))
    }
}

impl fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SealMode(before, SealMode::Disabled) => {
                write!(
                    f,
                    "the state is not kept any more, instead of sealed by {before:?}: a restart loses everything"
                )
            }
            Self::SealMode(before, after) => {
                write!(f, "the state is sealed by {after:?} instead of {before:?}")
            }
            Self::GateOpened(gate) => write!(f, "the feature {gate:?} is open"),
            Self::GateClosed(gate) => write!(f, "the feature {gate:?} is closed"),
        }
    }
}

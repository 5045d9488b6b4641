//! Packages: other software, other versions, other platforms.

use std::collections::BTreeMap;
use std::fmt;

use super::pairs::{Pair, pairs};
use super::software::{self, Difference, Tee};
use super::{Change, InForce, marbles};
use crate::{Manifest, Package};

/// What becomes of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackageChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It names other software: this field changes.
    Identity(&'static str),
    /// It asks for something else: this field changes.
    Requirement(&'static str),
    /// It may run in another kind of environment as well.
    TeeAdded(Tee),
    /// It may not run in this kind of environment any more.
    TeeRemoved(Tee),
    /// Debug enclaves are admitted from now on, and no others.
    DebugOn,
    /// Debug enclaves are refused from now on.
    DebugOff,
    /// A higher security version is needed; `None` before: none was.
    Raised(Option<u64>, u64),
    /// A lower one suffices; `None` after: none is needed.
    Lowered(u64, Option<u64>),
    /// An update of packages names the version that is in force.
    Same(u64),
    /// Other TCB statuses are accepted.
    TcbStatuses {
        /// Statuses that suffice from now on.
        added: Vec<String>,
        /// Statuses that do no longer.
        removed: Vec<String>,
    },
    /// Other advisories are tolerated.
    Advisories,
    /// An update of packages names one that does not exist: the Coordinator refuses it.
    Unknown,
    /// An update of packages names one that is not told apart by versions: the Coordinator refuses it.
    NoVersion,
}

pub(super) fn compare(old: InForce<'_>, new: &Manifest) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, pair) in pairs(&old.manifest.packages, &new.packages) {
        let found = match pair {
            Pair::Added(package) if package.debug => vec![PackageChange::Added, PackageChange::DebugOn],
            Pair::Added(_) => vec![PackageChange::Added],
            Pair::Removed(_) => vec![PackageChange::Removed],
            Pair::Both(before, after) => differences(&in_force(old, name, before), after),
        };
        changes.extend(found.into_iter().map(|change| Change::Package(name.to_owned(), change)));
    }
    changes
}

/// An update of packages alone.
pub(super) fn compare_versions(old: InForce<'_>, versions: &BTreeMap<String, u64>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, version) in versions {
        let before = old.manifest.packages.get(name).map(|package| in_force(old, name, package));
        let change = match before.as_ref().map(|package| package.security_version) {
            None => PackageChange::Unknown,
            Some(None) => PackageChange::NoVersion,
            Some(Some(current)) if current < *version => PackageChange::Raised(Some(current), *version),
            Some(Some(current)) if current > *version => PackageChange::Lowered(current, Some(*version)),
            Some(Some(_)) => PackageChange::Same(*version),
        };
        let raises = matches!(change, PackageChange::Raised(..));
        changes.push(Change::Package(name.clone(), change));
        if let Some(before) = before.filter(|_| raises) {
            let after = Package { security_version: Some(*version), ..before.clone() };
            changes.extend(marbles::narrowed_by(old.manifest, name, &before, &after));
        }
    }
    changes
}

/// The package with the version that was raised since the manifest was set.
pub(super) fn in_force(old: InForce<'_>, name: &str, package: &Package) -> Package {
    let raised = old.raised.get(name).copied();
    Package { security_version: raised.or(package.security_version), ..package.clone() }
}

fn differences(before: &Package, after: &Package) -> Vec<PackageChange> {
    let software = software::differences(before, after).into_iter().map(|difference| match difference {
        Difference::Software { field, .. } => PackageChange::Identity(field),
        Difference::Requirement { field, .. } => PackageChange::Requirement(field),
        Difference::TeeAdded(tee) => PackageChange::TeeAdded(tee),
        Difference::TeeRemoved(tee) => PackageChange::TeeRemoved(tee),
    });
    let debug = (before.debug != after.debug).then_some(if after.debug {
        PackageChange::DebugOn
    } else {
        PackageChange::DebugOff
    });
    let advisories =
        (before.accepted_advisories != after.accepted_advisories).then_some(PackageChange::Advisories);
    software
        .chain(debug)
        .chain(version(before, after))
        .chain(statuses(before, after))
        .chain(advisories)
        .collect()
}

fn version(before: &Package, after: &Package) -> Option<PackageChange> {
    match (before.security_version, after.security_version) {
        (before, after) if before == after => None,
        (before, Some(after)) if before < Some(after) => Some(PackageChange::Raised(before, after)),
        (Some(before), after) => Some(PackageChange::Lowered(before, after)),
        (None, _) => None,
    }
}

fn statuses(before: &Package, after: &Package) -> Option<PackageChange> {
    let missing = |from: &Package, of: &Package| -> Vec<String> {
        let has = |status: &&String| !from.accepted_tcb_statuses.contains(status);
        of.accepted_tcb_statuses.iter().filter(has).cloned().collect()
    };
    let (added, removed) = (missing(before, after), missing(after, before));
    (!added.is_empty() || !removed.is_empty()).then_some(PackageChange::TcbStatuses { added, removed })
}

impl PackageChange {
    pub(super) fn warns(&self) -> bool {
        match self {
            Self::Removed | Self::Identity(_) | Self::DebugOn | Self::Lowered(..) => true,
            Self::Requirement(_) | Self::TeeAdded(_) | Self::TeeRemoved(_) => true,
            Self::Unknown | Self::NoVersion | Self::Advisories => true,
            Self::TcbStatuses { added, .. } => !added.is_empty(),
            Self::Added | Self::DebugOff | Self::Raised(..) | Self::Same(_) => false,
        }
    }
}

impl fmt::Display for PackageChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("is added"),
            Self::Removed => f.write_str("is removed"),
            Self::Identity(key) => write!(f, "is other software: its {key} changes"),
            Self::Requirement(key) => write!(f, "asks for something else: its {key} changes"),
            Self::TeeAdded(tee) => write!(f, "admits {tee} as well"),
            Self::TeeRemoved(tee) => write!(f, "admits no {tee} any more"),
            Self::DebugOn => f.write_str("admits debug enclaves, whose memory the host can read"),
            Self::DebugOff => f.write_str("admits no debug enclaves any more"),
            Self::Raised(Some(before), after) => {
                write!(f, "needs SecurityVersion {after} instead of {before}")
            }
            Self::Raised(None, after) => write!(f, "needs SecurityVersion {after}"),
            Self::Lowered(before, Some(after)) => {
                write!(
                    f,
                    "needs only SecurityVersion {after} instead of {before}: older builds are admitted again"
                )
            }
            Self::Lowered(before, None) => {
                write!(f, "needs no SecurityVersion any more, instead of {before}")
            }
            Self::Same(version) => write!(f, "stays at SecurityVersion {version}"),
            Self::TcbStatuses { added, removed } => listed(f, added, removed),
            Self::Advisories => f.write_str("tolerates other advisories"),
            Self::Unknown => f.write_str("does not exist: the Coordinator refuses the update"),
            Self::NoVersion => {
                f.write_str("has no SecurityVersion to raise: the Coordinator refuses the update")
            }
        }
    }
}

/// Statuses are from a fixed list, so they are fit for a terminal.
fn listed(f: &mut fmt::Formatter<'_>, added: &[String], removed: &[String]) -> fmt::Result {
    let lists = [("accepts", added), ("refuses", removed)];
    let lists: Vec<String> = lists
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(verb, list)| format!("{verb} platforms with TCB status {}", list.join(", ")))
        .collect();
    f.write_str(&lists.join(" and "))
}

//! Types of marbles: which are refused, which start with other parameters, which get other keys.
//!
//! Marbles that run go on running: a Coordinator refuses them when they start again. So what is said here holds for the
//! next activation.

use std::collections::BTreeMap;
use std::fmt;

use super::packages::in_force;
use super::pairs::{Names, Pair, pairs};
use super::software::{self, Difference, Tee};
use super::{Change, InForce};
use crate::{Manifest, Marble, Package, Parameter};

/// What becomes of a type of marble.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarbleChange {
    /// It is new.
    Added,
    /// It does not exist any more: its marbles are refused.
    Removed,
    /// It is another package.
    Package(String, String),
    /// Marbles that were admitted are refused.
    Refused(Narrowing),
    /// How many may be activated; 0 means no limit. Activations of before count.
    MaxActivations(u64, u64),
    /// It is started with other arguments.
    Argv,
    /// Files that come, go or have another content.
    Files(Vec<String>),
    /// Variables that come, go or have another value.
    Env(Vec<String>),
    /// Other TLS tags apply.
    Tls,
    /// The type's name counts in per-marble keys from now on, or does no longer: every one of them changes.
    SecretBinding,
}

/// Why marbles that were admitted are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Narrowing {
    /// The package names other software by this field.
    Software(&'static str),
    /// What does not meet this field, which changed.
    Requirement(&'static str),
    /// All in this kind of environment.
    Tee(Tee),
    /// Debug enclaves are wanted where others were, or the other way round.
    Debug,
    /// Builds below this security version.
    Version(u64),
    /// Platforms with these TCB statuses.
    Statuses(Vec<String>),
    /// Platforms with advisories that are no longer tolerated.
    Advisories,
}

pub(super) fn compare(old: InForce<'_>, new: &Manifest) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, pair) in pairs(&old.manifest.marbles, &new.marbles) {
        let found = match pair {
            Pair::Added(_) => vec![MarbleChange::Added],
            Pair::Removed(_) => vec![MarbleChange::Removed],
            Pair::Both(before, after) => differences(old, new, before, after),
        };
        changes.extend(found.into_iter().map(|change| Change::Marble(name.to_owned(), change)));
    }
    changes
}

/// What another form of a package means for the marbles that use it.
pub(super) fn narrowed_by(
    manifest: &Manifest,
    package: &str,
    before: &Package,
    after: &Package,
) -> Vec<Change> {
    let marbles = manifest.marbles.iter().filter(|(_, marble)| marble.package == package);
    let refused = marbles.flat_map(|(name, _)| {
        narrowings(before, after)
            .into_iter()
            .map(|why| Change::Marble(name.clone(), MarbleChange::Refused(why)))
    });
    refused.collect()
}

fn differences(old: InForce<'_>, new: &Manifest, before: &Marble, after: &Marble) -> Vec<MarbleChange> {
    let mut changes = Vec::new();
    if before.package != after.package {
        changes.push(MarbleChange::Package(before.package.clone(), after.package.clone()));
    }
    let packages = (old.manifest.packages.get(&before.package), new.packages.get(&after.package));
    if let (Some(was), Some(is)) = packages {
        changes.extend(
            narrowings(&in_force(old, &before.package, was), is).into_iter().map(MarbleChange::Refused),
        );
    }
    if before.max_activations != after.max_activations {
        changes.push(MarbleChange::MaxActivations(before.max_activations, after.max_activations));
    }
    changes.extend(parameters(before, after));
    if before.disable_secret_binding != after.disable_secret_binding {
        changes.push(MarbleChange::SecretBinding);
    }
    changes
}

fn parameters(before: &Marble, after: &Marble) -> impl Iterator<Item = MarbleChange> {
    let argv = (before.argv != after.argv).then_some(MarbleChange::Argv);
    let files = named(&before.files, &after.files).map(MarbleChange::Files);
    let env = named(&before.env, &after.env).map(MarbleChange::Env);
    let tls = (before.tls != after.tls).then_some(MarbleChange::Tls);
    [argv, files, env, tls].into_iter().flatten()
}

fn named(before: &BTreeMap<String, Parameter>, after: &BTreeMap<String, Parameter>) -> Option<Vec<String>> {
    let same = |pair: &Pair<'_, Parameter>| matches!(pair, Pair::Both(before, after) if before == after);
    let changed = pairs(before, after).filter(|(_, pair)| !same(pair));
    let names: Vec<String> = changed.map(|(name, _)| name.to_owned()).collect();
    (!names.is_empty()).then_some(names)
}

/// Ways in which `after` admits less than `before`.
fn narrowings(before: &Package, after: &Package) -> Vec<Narrowing> {
    let software =
        software::differences(before, after).into_iter().filter_map(|difference| match difference {
            Difference::Software { field, narrows } => narrows.then_some(Narrowing::Software(field)),
            Difference::Requirement { field, narrows } => narrows.then_some(Narrowing::Requirement(field)),
            Difference::TeeRemoved(tee) => Some(Narrowing::Tee(tee)),
            Difference::TeeAdded(_) => None,
        });
    let debug = (before.debug != after.debug).then_some(Narrowing::Debug);
    let raised = after.security_version.filter(|version| *version > before.security_version.unwrap_or(0));
    let refused: Vec<String> = before
        .accepted_tcb_statuses
        .iter()
        .filter(|status| !after.accepted_tcb_statuses.contains(status))
        .cloned()
        .collect();
    let statuses = (!refused.is_empty()).then_some(Narrowing::Statuses(refused));
    let advisories = fewer_advisories(before, after).then_some(Narrowing::Advisories);
    software.chain(debug).chain(raised.map(Narrowing::Version)).chain(statuses).chain(advisories).collect()
}

/// A list that is absent or empty tolerates all.
fn fewer_advisories(before: &Package, after: &Package) -> bool {
    let list = |package: &Package| package.accepted_advisories.clone().unwrap_or_default();
    let (before, after) = (list(before), list(after));
    !after.is_empty() && (before.is_empty() || before.iter().any(|advisory| !after.contains(advisory)))
}

impl MarbleChange {
    pub(super) fn warns(&self) -> bool {
        match self {
            Self::Removed | Self::Package(..) | Self::Refused(_) | Self::SecretBinding => true,
            Self::MaxActivations(before, after) => *after != 0 && (*before == 0 || after < before),
            Self::Added | Self::Argv | Self::Files(_) | Self::Env(_) | Self::Tls => false,
        }
    }
}

impl fmt::Display for MarbleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |limit: &u64| if *limit == 0 { "no limit".into() } else { format!("at most {limit}") };
        match self {
            Self::Added => f.write_str("is added"),
            Self::Removed => {
                f.write_str("does not exist any more: its marbles are refused when they start again")
            }
            Self::Package(before, after) => {
                write!(f, "is package {} instead of {}", Names(&[after]), Names(&[before]))
            }
            Self::Refused(why) => write!(f, "refuses marbles that were admitted: {why}"),
            Self::MaxActivations(before, after) => write!(
                f,
                "has {} activations instead of {}; activations of before count",
                limit(after),
                limit(before)
            ),
            Self::Argv => f.write_str("starts with other arguments"),
            Self::Files(names) => write!(f, "starts with other files: {}", Names(names)),
            Self::Env(names) => write!(f, "starts with other variables: {}", Names(names)),
            Self::Tls => f.write_str("has other TLS tags"),
            Self::SecretBinding => {
                f.write_str("derives its per-marble keys in another way: all of them change")
            }
        }
    }
}

impl fmt::Display for Narrowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Software(key) => write!(f, "those with another {key}, as all that run today have"),
            Self::Requirement(key) => write!(f, "those that do not meet its other {key}"),
            Self::Tee(tee) => write!(f, "all {tee}"),
            Self::Debug => f.write_str("debug enclaves are told from others"),
            Self::Version(version) => write!(f, "builds below SecurityVersion {version}"),
            Self::Statuses(statuses) => {
                write!(f, "those on platforms with TCB status {}", statuses.join(", "))
            }
            Self::Advisories => {
                f.write_str("those on platforms with advisories that are not tolerated any more")
            }
        }
    }
}

//! What an update would change, in the words of those who are asked to agree to it.
//!
//! [`compare`] takes the manifest in force and the one that is to replace it, [`compare_packages`] an update of packages
//! alone. Both know what a Coordinator does with an update (which secrets it keeps, when it makes a new state key, which
//! marbles it refuses) and decide nothing: whether an update is allowed is for the Coordinator. Names are shown, contents
//! of files, variables and certificates never are.

mod change;
mod consent;
mod marbles;
mod packages;
mod pairs;
mod people;
mod recovery;
mod secrets;
mod settings;
mod software;

use std::collections::BTreeMap;

pub use change::Change;
pub use consent::{Consent, updaters};
pub use marbles::{MarbleChange, Narrowing};
pub use packages::PackageChange;
pub use people::{Right, UserChange};
pub use recovery::{RecoveryChange, Shares};
pub use secrets::SecretChange;
pub use settings::{ConfigChange, InfrastructureChange};
pub use software::Tee;

use crate::{Manifest, PackageUpdate};

/// The manifest in force, and what package updates have changed since it was set.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    /// As it was set.
    pub manifest: &'a Manifest,
    /// Raised security versions, by package.
    pub raised: &'a BTreeMap<String, u64>,
}

/// What an update would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Everything that changes, section by section; empty if nothing does.
    pub changes: Vec<Change>,
    /// Secrets that are defined as before and keep their values.
    pub kept: Vec<String>,
    /// Who has to agree.
    pub consent: Consent,
    /// Whether the manifest is in force for good afterwards: no user may update it.
    pub last: bool,
}

/// What changes when `new` replaces the manifest in force.
#[must_use]
pub fn compare(old: InForce<'_>, new: &Manifest) -> Difference {
    let mut changes = packages::compare(old, new);
    changes.extend(settings::infrastructures(old.manifest, new));
    changes.extend(marbles::compare(old, new));
    let (secrets, kept) = secrets::compare(old.manifest, new);
    changes.extend(secrets);
    changes.extend(people::compare(old.manifest, new));
    changes.extend(consent::compare(old.manifest, new));
    changes.extend(recovery::compare(old.manifest, new));
    changes.extend(settings::tls(old.manifest, new));
    changes.extend(settings::config(old.manifest, new));
    let last = updaters(new).is_empty();
    Difference { changes, kept, consent: Consent::of_manifest(old.manifest), last }
}

/// What changes when security versions are raised. What the Coordinator would refuse is among the changes:
/// [`PackageChange::Unknown`], [`PackageChange::NoVersion`], [`PackageChange::Lowered`].
#[must_use]
pub fn compare_packages(old: InForce<'_>, update: &PackageUpdate) -> Difference {
    let changes = packages::compare_versions(old, &update.versions);
    let consent = Consent::of_packages(old.manifest, update.versions.keys());
    Difference { changes, kept: old.manifest.secrets.keys().cloned().collect(), consent, last: false }
}

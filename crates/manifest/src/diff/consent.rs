//! Who has to agree to an update.

use std::collections::BTreeSet;
use std::fmt;

use super::Change;
use super::pairs::Names;
use crate::{Manifest, Role};

/// Who may agree to an update, and how many of them have to. The sender counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consent {
    /// Names of the users, in order.
    pub users: Vec<String>,
    /// How many of them it takes. More than there are users, if nobody may: the update is refused.
    pub needed: usize,
}

/// The users who may update a manifest, in order.
#[must_use]
pub fn updaters(manifest: &Manifest) -> Vec<&str> {
    let updates = |role: &String| matches!(manifest.roles.get(role), Some(Role::Manifest { update: true }));
    let may = manifest.users.iter().filter(|(_, user)| user.roles.iter().any(updates));
    may.map(|(name, _)| name.as_str()).collect()
}

/// How many users have to agree to the update after this one.
pub(super) fn compare(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let (before, after) = (Consent::of_manifest(old), Consent::of_manifest(new));
    match after.users.is_empty() {
        true => vec![Change::NobodyCanUpdate],
        false if before == after => vec![],
        false => vec![Change::UpdateConsent { before, after }],
    }
}

impl Consent {
    /// To a manifest that replaces this one.
    pub(super) fn of_manifest(manifest: &Manifest) -> Self {
        let users: Vec<String> = updaters(manifest).into_iter().map(str::to_owned).collect();
        let all = users.len().max(1);
        let needed =
            if manifest.config.update_threshold == 0 { all } else { manifest.config.update_threshold };
        Self { users, needed }
    }

    /// To raised security versions: any one who may raise all of them.
    pub(super) fn of_packages<'a>(
        manifest: &Manifest,
        packages: impl Iterator<Item = &'a String> + Clone,
    ) -> Self {
        let may = manifest.users.iter().filter(|(_, user)| {
            let raisable = raisable(manifest, &user.roles);
            packages.clone().all(|package| raisable.contains(package))
        });
        Self { users: may.map(|(name, _)| name.clone()).collect(), needed: 1 }
    }

    /// Whether anybody can bring the update about.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.needed <= self.users.len()
    }
}

fn raisable<'a>(manifest: &'a Manifest, roles: &[String]) -> BTreeSet<&'a String> {
    let roles = roles.iter().filter_map(|role| manifest.roles.get(role));
    let names = roles.filter_map(|role| match role {
        Role::Packages { names, update_security_version: true } => Some(names),
        _ => None,
    });
    names.flatten().collect()
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, needed } = self;
        match (users.as_slice(), needed) {
            ([], _) => f.write_str("a user who may do it, and there is none"),
            ([user], _) => write!(f, "{} alone", Names(&[user])),
            (users, 1) => write!(f, "any one of {}", Names(users)),
            (users, needed) if *needed == users.len() => write!(f, "all of {}", Names(users)),
            (users, needed) => write!(f, "{needed} of {}", Names(users)),
        }
    }
}

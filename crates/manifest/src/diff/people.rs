//! Users: who comes and goes, and what each of them may do afterwards. Roles are only names for rights, so rights are
//! what is compared.

use std::collections::BTreeSet;
use std::fmt;

use super::Change;
use super::pairs::{Pair, pairs};
use crate::finding::shown;
use crate::{Manifest, Role, User};

/// Something that a user may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Right {
    /// Replace the manifest, or agree to that.
    UpdateManifest,
    /// Read who used which secret, and which marbles came.
    ReadAudit,
    /// Raise the security version of this package.
    Raise(String),
    /// Read this secret.
    Read(String),
    /// Upload this secret.
    Write(String),
}

/// What becomes of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserChange {
    /// May log in from now on, with these rights.
    Added(Vec<Right>),
    /// May not log in any more.
    Removed(Vec<Right>),
    /// Logs in with another certificate from now on: the name may mean another person.
    Certificate,
    /// Has more rights.
    Gains(Vec<Right>),
    /// Has fewer rights.
    Loses(Vec<Right>),
}

pub(super) fn compare(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, pair) in pairs(&old.users, &new.users) {
        let found = match pair {
            Pair::Added(user) => vec![UserChange::Added(rights(new, user).into_iter().collect())],
            Pair::Removed(user) => vec![UserChange::Removed(rights(old, user).into_iter().collect())],
            Pair::Both(before, after) => differences((old, before), (new, after)),
        };
        changes.extend(found.into_iter().map(|change| Change::User(name.to_owned(), change)));
    }
    changes
}

fn differences((old, before): (&Manifest, &User), (new, after): (&Manifest, &User)) -> Vec<UserChange> {
    let certificate = (before.certificate != after.certificate).then_some(UserChange::Certificate);
    let (had, has) = (rights(old, before), rights(new, after));
    let gained: Vec<Right> = has.difference(&had).cloned().collect();
    let lost: Vec<Right> = had.difference(&has).cloned().collect();
    let gains = (!gained.is_empty()).then_some(UserChange::Gains(gained));
    let loses = (!lost.is_empty()).then_some(UserChange::Loses(lost));
    certificate.into_iter().chain(gains).chain(loses).collect()
}

fn rights(manifest: &Manifest, user: &User) -> BTreeSet<Right> {
    user.roles.iter().filter_map(|role| manifest.roles.get(role)).flat_map(of_role).collect()
}

fn of_role(role: &Role) -> Vec<Right> {
    let each = |given: bool, names: &[String], right: fn(String) -> Right| -> Vec<Right> {
        names.iter().filter(|_| given).cloned().map(right).collect()
    };
    match role {
        Role::Manifest { update } => each(*update, &[String::new()], |_| Right::UpdateManifest),
        Role::Audit { read } => each(*read, &[String::new()], |_| Right::ReadAudit),
        Role::Packages { names, update_security_version } => {
            each(*update_security_version, names, Right::Raise)
        }
        Role::Secrets { names, read, write } => {
            [each(*read, names, Right::Read), each(*write, names, Right::Write)].concat()
        }
    }
}

impl UserChange {
    pub(super) fn warns(&self) -> bool {
        match self {
            Self::Removed(_) | Self::Certificate | Self::Loses(_) => true,
            Self::Added(rights) | Self::Gains(rights) => rights.contains(&Right::UpdateManifest),
        }
    }
}

impl fmt::Display for UserChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(rights) => write!(f, "is added and may {}", Rights(rights)),
            Self::Removed(rights) => write!(f, "is removed; the name could {}", Rights(rights)),
            Self::Certificate => f.write_str("logs in with another certificate"),
            Self::Gains(rights) => write!(f, "may from now on {}", Rights(rights)),
            Self::Loses(rights) => write!(f, "may no longer {}", Rights(rights)),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpdateManifest => f.write_str("update the manifest"),
            Self::ReadAudit => f.write_str("read the audit"),
            Self::Raise(name) => write!(f, "raise the SecurityVersion of `{}`", shown(name)),
            Self::Read(name) => write!(f, "read secret `{}`", shown(name)),
            Self::Write(name) => write!(f, "write secret `{}`", shown(name)),
        }
    }
}

struct Rights<'a>(&'a [Right]);

impl fmt::Display for Rights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rights: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        match rights.is_empty() {
            true => f.write_str("do nothing but log in"),
            false => f.write_str(&rights.join(", ")),
        }
    }
}

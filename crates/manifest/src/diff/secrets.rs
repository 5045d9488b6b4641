//! Secrets: what is kept, made anew, dropped and waited for.
//!
//! A definition that stays the same keeps its value, with two exceptions: certificates are issued anew with each update,
//! and a rotation of the root secret renews all keys that the Coordinator made.

use std::fmt;

use super::Change;
use super::pairs::{Names, Pair, pairs};
use crate::{Manifest, Secret, SecretKind};

/// What becomes of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretChange {
    /// It is new, and the Coordinator makes it.
    Made,
    /// It must be uploaded before marbles of these types can be activated.
    Awaited(Vec<String>),
    /// It was defined in another way: its value is dropped, and the Coordinator makes another one.
    Remade,
    /// It was defined in another way: its value is dropped, and another one must be uploaded before marbles of these
    /// types can be activated.
    Dropped(Vec<String>),
    /// It has no definition any more: its value is deleted.
    Deleted,
    /// Its certificate and key are made anew, as with each update.
    Reissued,
    /// It gets another value, as the root secret is rotated.
    Rotated,
}

/// What changes, and the names of the secrets that stay as they are.
pub(super) fn compare(old: &Manifest, new: &Manifest) -> (Vec<Change>, Vec<String>) {
    let rotated = new.config.rotate_root_secret;
    let mut changes: Vec<Change> = rotated.then_some(Change::RootSecretRotated).into_iter().collect();
    let mut kept = Vec::new();
    for (name, pair) in pairs(&old.secrets, &new.secrets) {
        match change(name, &pair, new) {
            Some(change) => changes.push(Change::Secret(name.to_owned(), change)),
            None => kept.push(name.to_owned()),
        }
    }
    (changes, kept)
}

fn change(name: &str, pair: &Pair<'_, Secret>, new: &Manifest) -> Option<SecretChange> {
    Some(match pair {
        Pair::Removed(_) => SecretChange::Deleted,
        Pair::Added(secret) if secret.user_defined => SecretChange::Awaited(users_of(name, new)),
        Pair::Added(_) => SecretChange::Made,
        Pair::Both(before, after) if before == after => {
            return unchanged(after, new.config.rotate_root_secret);
        }
        Pair::Both(_, after) if after.user_defined => SecretChange::Dropped(users_of(name, new)),
        Pair::Both(..) => SecretChange::Remade,
    })
}

/// What happens to a secret that is defined as before; `None` if it keeps its value.
fn unchanged(secret: &Secret, rotated: bool) -> Option<SecretChange> {
    match secret.kind {
        _ if secret.user_defined => None,
        SecretKind::Symmetric { .. } => rotated.then_some(SecretChange::Rotated),
        // A certificate of each marble's own is another one at each activation anyway.
        _ => secret.shared.then_some(SecretChange::Reissued),
    }
}

/// Types of marbles that need the secret, or may.
fn users_of(secret: &str, manifest: &Manifest) -> Vec<String> {
    let needs = |uses: &crate::Uses| uses.any || uses.secrets.contains(secret);
    manifest.marbles.iter().filter(|(_, marble)| needs(&marble.uses)).map(|(name, _)| name.clone()).collect()
}

impl SecretChange {
    pub(super) fn warns(&self) -> bool {
        match self {
            Self::Remade | Self::Dropped(_) | Self::Deleted => true,
            Self::Awaited(marbles) => !marbles.is_empty(),
            Self::Made | Self::Reissued | Self::Rotated => false,
        }
    }
}

impl fmt::Display for SecretChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made => f.write_str("is added; the Coordinator makes it"),
            Self::Awaited(marbles) => write!(f, "is added and must be uploaded{}", Before(marbles)),
            Self::Remade => f.write_str(
                "is defined in another way: its value is lost, and the Coordinator makes another one",
            ),
            Self::Dropped(marbles) => write!(
                f,
                "is defined in another way: its value is lost, and another one must be uploaded{}",
                Before(marbles)
            ),
            Self::Deleted => f.write_str("is removed, and its value is deleted"),
            Self::Reissued => f.write_str("gets another certificate and key, as with every update"),
            Self::Rotated => f.write_str("gets another value, as the root secret is rotated"),
        }
    }
}

struct Before<'a>(&'a [String]);

impl fmt::Display for Before<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            marbles => write!(f, " before {} can be activated again", Names(marbles)),
        }
    }
}

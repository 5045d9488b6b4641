//! Who is logged in: a user of the manifest in force, and what the manifest lets them do.
//!
//! A [`User`] is made from one certificate only, the one whose key a handshake proved, and nowhere else. Whoever holds
//! one need not ask again who is calling, only what they may do.

use std::fmt;

use marblerun_manifest::{Manifest, Role};

use crate::refusal::Refusal;
use crate::state::Deployment;

/// A user of a manifest, proven by the leaf certificate of a connection. Cheap to clone.
#[derive(Clone)]
pub struct User {
    name: String,
    /// The manifest that names the user: under another one the proof is void.
    manifest: Manifest,
}

impl User {
    /// The user whose certificate is exactly `leaf` (DER): issuer, subject and dates do not count. `None` if the
    /// manifest has none. `leaf` must be the certificate whose key the handshake proved.
    pub fn login(deployment: &Deployment, leaf: &[u8]) -> Option<Self> {
        let manifest = &deployment.manifest;
        let mut users = manifest.users.iter();
        let (name, _) = users.find(|(_, user)| !leaf.is_empty() && user.certificate == leaf)?;
        Some(Self { name: name.clone(), manifest: manifest.clone() })
    }

    /// The name in the manifest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the user's roles have `ReadSecret` on this secret.
    pub fn may_read(&self, secret: &str) -> bool {
        self.roles().any(|role| matches!(role, Role::Secrets { names, read: true, .. } if has(names, secret)))
    }

    /// Whether the user's roles have `WriteSecret` on this secret.
    pub fn may_write(&self, secret: &str) -> bool {
        self.roles()
            .any(|role| matches!(role, Role::Secrets { names, write: true, .. } if has(names, secret)))
    }

    /// Whether the user's roles have `UpdateSecurityVersion` on this package.
    pub fn may_raise(&self, package: &str) -> bool {
        self.roles().any(|role| {
            matches!(role, Role::Packages { names, update_security_version: true } if has(names, package))
        })
    }

    /// Whether the user's roles have `UpdateManifest`.
    pub fn may_update_manifest(&self) -> bool {
        self.roles().any(|role| matches!(role, Role::Manifest { update: true }))
    }

    /// Whether the user's roles have `ReadAudit`.
    pub fn may_read_audit(&self) -> bool {
        self.roles().any(|role| matches!(role, Role::Audit { read: true }))
    }

    /// Whether there is anything at all that the user may update.
    pub(crate) fn may_update_anything(&self) -> bool {
        self.may_update_manifest()
            || self.roles().any(|role| matches!(role, Role::Packages { update_security_version: true, .. }))
    }

    /// Refuses a proof that was made under another manifest than the deployment's.
    pub(crate) fn must_belong_to(&self, deployment: &Deployment) -> Result<(), Refusal> {
        if self.manifest.fingerprint == deployment.manifest.fingerprint {
            return Ok(());
        }
        Err(Refusal::Superseded)
    }

    fn roles(&self) -> impl Iterator<Item = &Role> {
        let names = self.manifest.users.get(&self.name).into_iter().flat_map(|user| &user.roles);
        names.filter_map(|name| self.manifest.roles.get(name))
    }
}

/// The name alone: a manifest is long.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.name).finish()
    }
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other == name)
}

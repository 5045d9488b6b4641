//! An update that waits, and how far it is.

use std::collections::BTreeSet;
use std::time::SystemTime;

use marblerun_manifest::{Manifest, Role};

use crate::state::Deployment;

/// A manifest that waits for acknowledgements.
#[derive(Clone)]
pub struct Pending {
    /// The manifest, checked.
    pub manifest: Manifest,
    /// As of when it was checked, as the journal has it.
    pub proposed_at: SystemTime,
    /// Who sent or acknowledged it.
    pub acknowledged: BTreeSet<String>,
}

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Users who may still acknowledge, in order.
    pub missing_users: Vec<String>,
    /// How many of them must; 0: the update took effect.
    pub missing: usize,
}

impl Standing {
    /// Of an update that these users sent or acknowledged, by the rules of the manifest in force.
    pub(crate) fn of(manifest: &Manifest, acknowledged: &BTreeSet<String>) -> Self {
        let owners = owners(manifest);
        let needed = match manifest.config.update_threshold {
            0 => owners.len(),
            threshold => threshold,
        };
        let given = owners.iter().filter(|owner| acknowledged.contains(**owner)).count();
        let missing_users = owners.iter().filter(|owner| !acknowledged.contains(**owner));
        Self {
            missing_users: missing_users.map(|owner| (*owner).to_owned()).collect(),
            missing: needed.saturating_sub(given),
        }
    }
}

/// The users of a manifest who may update it.
fn owners(manifest: &Manifest) -> Vec<&str> {
    let may = |role: &String| matches!(manifest.roles.get(role), Some(Role::Manifest { update: true }));
    let owners = manifest.users.iter().filter(|(_, user)| user.roles.iter().any(may));
    owners.map(|(name, _)| name.as_str()).collect()
}

impl Deployment {
    /// How far the pending update is; `None` if none is pending.
    pub fn standing(&self) -> Option<Standing> {
        self.pending.as_ref().map(|pending| Standing::of(&self.manifest, &pending.acknowledged))
    }

    /// How far the pending update would be, were it also acknowledged by `user`; without one, how far an update would
    /// be that `user` sent.
    pub fn standing_with(&self, user: &str) -> Standing {
        let mut acknowledged = self.pending.as_ref().map(|p| p.acknowledged.clone()).unwrap_or_default();
        acknowledged.insert(user.to_owned());
        Standing::of(&self.manifest, &acknowledged)
    }
}

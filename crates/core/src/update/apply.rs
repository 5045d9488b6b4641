//! What an update changed, as the journal holds it, and the deployment that follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use marblerun_manifest::Manifest;
use serde::{Deserialize, Serialize};

use super::{Pending, Standing};
use crate::event::ReplayError;
use crate::log::{LogLine, from_milliseconds};
use crate::pki::Pki;
use crate::policy::Policies;
use crate::secrets::{RootSecret, SecretValue};
use crate::state::{Chain, Deployment, Previous};

/// An update that took effect.
#[derive(Clone, Serialize, Deserialize)]
pub struct Updated {
    /// Milliseconds since 1970.
    pub at: u64,
    /// Who sent it, or acknowledged it last.
    pub user: String,
    /// The certificates from now on: another intermediate below the same root.
    pub pki: Pki,
    /// Values of shared and of uploaded secrets from now on.
    pub secrets: BTreeMap<String, SecretValue>,
    /// What else changed.
    pub change: Change,
}

/// The two kinds of update.
#[derive(Clone, Serialize, Deserialize)]
pub enum Change {
    /// Smallest security versions were raised.
    Packages(BTreeMap<String, u64>),
    /// Another manifest is in force.
    Manifest {
        /// Milliseconds since 1970: as of when the manifest was checked.
        checked_at: u64,
        /// As sent.
        #[serde(with = "crate::encoding::base64")]
        manifest: Vec<u8>,
        /// See [`Deployment::manifest_signature`].
        #[serde(with = "crate::encoding::base64")]
        signature: Vec<u8>,
        /// The new root secret, if it was rotated: then what was before it becomes the previous one.
        rotated: Option<RootSecret>,
    },
}

const WAITING: &str =
    "Complete Manifest update initiated by user. Waiting for acknowledgments to apply the update";
const ALONE: &str = "Complete Manifest update initiated by user. No further acknowledgements required";
const ACKNOWLEDGED: &str = "Complete Manifest update acknowledged by user";
const CANCELLED: &str = "Complete Manifest update cancelled by user";
const DONE: &str = "Complete Manifest updated";
const RAISED: &str = "SecurityVersion increased";

impl Deployment {
    /// With a manifest that waits from now on.
    pub(crate) fn with_proposal(&self, at: u64, user: &str, raw: &[u8]) -> Result<Self, ReplayError> {
        if self.pending.is_some() {
            return Err(ReplayError::Order("an update was proposed while another was pending"));
        }
        let proposed_at = from_milliseconds(at);
        let manifest = Manifest::parse(raw, proposed_at)?.manifest;
        let acknowledged = BTreeSet::from([user.to_owned()]);
        let standing = Standing::of(&self.manifest, &acknowledged);
        let log = self.log.with(progress(at, WAITING, user, &manifest, &standing));
        let pending = Some(Arc::new(Pending { manifest, proposed_at, acknowledged }));
        Ok(Self { pending, log, ..self.clone() })
    }

    /// With one acknowledgement more, which was not the last.
    pub(crate) fn with_acknowledgement(&self, at: u64, user: &str) -> Result<Self, ReplayError> {
        let mut pending = Pending::clone(self.awaited()?);
        pending.acknowledged.insert(user.to_owned());
        let standing = Standing::of(&self.manifest, &pending.acknowledged);
        let log = self.log.with(progress(at, ACKNOWLEDGED, user, &pending.manifest, &standing));
        Ok(Self { pending: Some(Arc::new(pending)), log, ..self.clone() })
    }

    /// Without the pending update.
    pub(crate) fn without_proposal(&self, at: u64, user: &str) -> Result<Self, ReplayError> {
        let pending = self.awaited()?;
        let log = self.log.with(about(at, CANCELLED, &pending.manifest).with("user", user));
        Ok(Self { pending: None, log, ..self.clone() })
    }

    /// As an update leaves it. Activations and counters go on; the epoch ends, so that nothing is handed out that was
    /// made before.
    pub(crate) fn updated(&self, update: &Updated) -> Result<Self, ReplayError> {
        let common = Self {
            chain: Arc::new(Chain::of(&update.pki)),
            pki: Arc::new(update.pki.clone()),
            secrets: Arc::new(update.secrets.clone()),
            epoch: self.epoch.saturating_add(1),
            ..self.clone()
        };
        match &update.change {
            Change::Packages(versions) => common.with_versions(update, versions),
            Change::Manifest { checked_at, manifest, signature, rotated } => {
                let set_at = from_milliseconds(*checked_at);
                let manifest = Manifest::parse(manifest, set_at)?.manifest;
                let log = self.log_of(update, &manifest);
                let (root_secret, previous) = self.after_rotation(rotated.as_ref());
                let manifest_signature = signature.clone().into();
                let (raised, pending) = (Arc::default(), None);
                let policies = Arc::new(Policies::of(&manifest, &raised)?);
                Ok(Self {
                    manifest,
                    set_at,
                    manifest_signature,
                    log,
                    root_secret,
                    previous,
                    raised,
                    pending,
                    policies,
                    ..common
                })
            }
        }
    }

    fn with_versions(self, update: &Updated, versions: &BTreeMap<String, u64>) -> Result<Self, ReplayError> {
        let (mut raised, mut log) = (Arc::clone(&self.raised), self.log.clone());
        for (package, version) in versions {
            Arc::make_mut(&mut raised).insert(package.clone(), *version);
            let line = LogLine::new(from_milliseconds(update.at), RAISED);
            log = log.with(
                line.with("user", update.user.as_str())
                    .with("package", package.as_str())
                    .with("new version", *version),
            );
        }
        let policies = Arc::new(Policies::of(&self.manifest, &raised)?);
        Ok(Self { raised, log, policies, ..self })
    }

    /// Root secret and previous values after an update; a rotation makes today's the previous ones.
    fn after_rotation(&self, rotated: Option<&RootSecret>) -> (RootSecret, Option<Arc<Previous>>) {
        match rotated {
            None => (self.root_secret.clone(), self.previous.clone()),
            Some(fresh) => {
                let (root_secret, secrets) = (self.root_secret.clone(), (*self.secrets).clone());
                (fresh.clone(), Some(Arc::new(Previous { root_secret, secrets })))
            }
        }
    }

    fn log_of(&self, update: &Updated, manifest: &Manifest) -> crate::log::History {
        let first = match &self.pending {
            None => about(update.at, ALONE, manifest).with("user", update.user.as_str()),
            Some(_) => {
                let standing = self.standing_with(&update.user);
                progress(update.at, ACKNOWLEDGED, &update.user, manifest, &standing)
            }
        };
        self.log.with(first).with(about(update.at, DONE, manifest))
    }

    fn awaited(&self) -> Result<&Arc<Pending>, ReplayError> {
        self.pending.as_ref().ok_or(ReplayError::Order("an update was acknowledged that is not pending"))
    }
}

fn about(at: u64, text: &str, manifest: &Manifest) -> LogLine {
    LogLine::new(from_milliseconds(at), text).with("manifestFingerprint", hex::encode(manifest.fingerprint))
}

fn progress(at: u64, text: &str, user: &str, manifest: &Manifest, standing: &Standing) -> LogLine {
    about(at, text, manifest)
        .with("user", user)
        .with("missingAcknowledgments", standing.missing)
        .with("missingUsers", standing.missing_users.clone())
}

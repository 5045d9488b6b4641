//! What happened: the only way state changes, and what the journal holds.
//!
//! Events carry results (keys that were made, values that were set), never instructions to make them, so that
//! applying them again gives the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use marblerun_manifest::{Manifest, ManifestErrors, SecretKind};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access::Accesses;
use crate::counters::{CounterId, Counters};
use crate::encoding::json;
use crate::log::{History, LogKey, LogLine, from_milliseconds, milliseconds};
use crate::pki::Pki;
use crate::policy::Policies;
use crate::secrets::{RootSecret, SecretValue};
use crate::state::{Chain, Deployment, Previous, State};
use crate::update::{Pending, Updated};

/// Something that happened and was made durable.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A manifest was set; the deployment begins.
    ManifestSet(Box<Stored>),
    /// A marble of a limited type was activated.
    Activated {
        /// The type.
        marble_type: String,
    },
    /// A user uploaded values of secrets; all of them at once.
    SecretsSet {
        /// Milliseconds since 1970.
        at: u64,
        /// Name of the user.
        user: String,
        /// By name.
        values: BTreeMap<String, SecretValue>,
    },
    /// A user read values of secrets; durable before they are handed out.
    SecretsRead {
        /// Milliseconds since 1970.
        at: u64,
        /// Name of the user.
        user: String,
        /// Names of the secrets, each once.
        names: BTreeSet<String>,
    },
    /// A marble raised a counter.
    CounterRaised {
        /// Which one.
        id: CounterId,
        /// Its new value.
        value: u64,
    },
    /// A user sent a manifest that waits for acknowledgements.
    UpdateProposed {
        /// Milliseconds since 1970.
        at: u64,
        /// Name of the user.
        user: String,
        /// The manifest as sent.
        #[serde(with = "crate::encoding::base64")]
        manifest: Vec<u8>,
    },
    /// A user acknowledged it, and others still have to.
    UpdateAcknowledged {
        /// Milliseconds since 1970.
        at: u64,
        /// Name of the user.
        user: String,
    },
    /// A user cancelled it.
    UpdateCancelled {
        /// Milliseconds since 1970.
        at: u64,
        /// Name of the user.
        user: String,
    },
    /// An update took effect; the last acknowledgement, if any, is part of it.
    Updated(Box<Updated>),
}

/// A deployment as the journal holds it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Stored {
    /// Milliseconds since 1970 when the manifest was set.
    pub set_at: u64,
    /// The manifest as uploaded.
    #[serde(with = "crate::encoding::base64")]
    pub manifest: Vec<u8>,
    /// See [`Deployment::manifest_signature`].
    #[serde(with = "crate::encoding::base64")]
    pub manifest_signature: Vec<u8>,
    /// Certificates and keys.
    pub pki: Pki,
    /// See [`Deployment::root_secret`].
    pub root_secret: RootSecret,
    /// See [`Deployment::secrets`].
    pub secrets: BTreeMap<String, SecretValue>,
    /// See [`Deployment::previous`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<(RootSecret, BTreeMap<String, SecretValue>)>,
    /// See [`Deployment::activations`].
    #[serde(default)]
    pub activations: BTreeMap<String, u64>,
    /// See [`Deployment::log`].
    #[serde(default)]
    pub log: History,
    /// See [`Deployment::log_key`].
    pub log_key: LogKey,
    /// See [`Deployment::epoch`].
    #[serde(default)]
    pub epoch: u64,
    /// See [`Deployment::accesses`].
    #[serde(default, skip_serializing_if = "Accesses::is_empty")]
    pub accesses: Accesses,
    /// See [`Deployment::counters`].
    #[serde(default, skip_serializing_if = "Counters::is_empty")]
    pub counters: Counters,
    /// See [`Deployment::raised`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub raised: BTreeMap<String, u64>,
    /// See [`Deployment::pending`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<StoredPending>,
}

/// A pending update as the journal holds it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredPending {
    /// Milliseconds since 1970.
    pub proposed_at: u64,
    /// The manifest as sent.
    #[serde(with = "crate::encoding::base64")]
    pub manifest: Vec<u8>,
    /// Who sent or acknowledged it.
    pub acknowledged: BTreeSet<String>,
}

/// A stored state or event cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The bytes are no event of this version.
    #[error("a stored record is not understood: {0}")]
    Encoding(String),
    /// The stored manifest does not pass the checks of this version.
    #[error("the stored manifest is not accepted by this version: {0}")]
    Manifest(#[from] ManifestErrors),
    /// The roots of hardware vendors that this program was built with cannot be read.
    #[error(transparent)]
    Roots(#[from] marblerun_attest::RootsError),
    /// An event does not fit the state before it.
    #[error("a stored event does not fit the state before it: {0}")]
    Order(&'static str),
}

/// The state after an event. Pure: the same event on the same state gives the same state.
///
/// # Errors
/// If the event cannot have happened in this state.
pub fn apply(state: &State, event: &Event) -> Result<State, ReplayError> {
    match (event, state) {
        (Event::ManifestSet(_), State::Serving(_)) => Err(ReplayError::Order("a manifest was set twice")),
        (Event::ManifestSet(stored), _) => Ok(State::Serving(stored.restore()?)),
        (event, State::Serving(deployment)) => Ok(State::Serving(deployment.after(event)?)),
        _ => Err(ReplayError::Order("a deployment changed before a manifest was set")),
    }
}

/// A snapshot of a deployment as bytes for the journal.
///
/// # Errors
/// If encoding fails.
pub fn encode_snapshot(deployment: &Deployment) -> Result<Zeroizing<Vec<u8>>, ReplayError> {
    encode(&Stored::of(deployment))
}

/// Reads what [`encode_snapshot`] wrote.
///
/// # Errors
/// If the bytes are no snapshot of this version.
pub fn decode_snapshot(bytes: &[u8]) -> Result<Deployment, ReplayError> {
    decode::<Stored>(bytes)?.restore()
}

/// Events as bytes for the journal.
///
/// # Errors
/// If encoding fails.
pub fn encode_events(events: &[Event]) -> Result<Zeroizing<Vec<u8>>, ReplayError> {
    encode(events)
}

/// Reads what [`encode_events`] wrote.
///
/// # Errors
/// If the bytes are no events of this version.
pub fn decode_events(bytes: &[u8]) -> Result<Vec<Event>, ReplayError> {
    decode(bytes)
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Zeroizing<Vec<u8>>, ReplayError> {
    json(value).map_err(encoding)
}

fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, ReplayError> {
    serde_json::from_slice(bytes).map_err(encoding)
}

/// Only class and place: serde's own text may quote a value.
fn encoding(error: serde_json::Error) -> ReplayError {
    ReplayError::Encoding(format!(
        "{:?} at line {}, column {}",
        error.classify(),
        error.line(),
        error.column()
    ))
}

impl Stored {
    /// The deployment as it is to be stored.
    pub fn of(deployment: &Deployment) -> Self {
        Self {
            set_at: milliseconds(deployment.set_at),
            manifest: deployment.manifest.raw.clone(),
            manifest_signature: deployment.manifest_signature.to_vec(),
            pki: (*deployment.pki).clone(),
            root_secret: deployment.root_secret.clone(),
            secrets: (*deployment.secrets).clone(),
            previous: deployment.previous.as_ref().map(|p| (p.root_secret.clone(), p.secrets.clone())),
            activations: (*deployment.activations).clone(),
            log: deployment.log.clone(),
            log_key: deployment.log_key.clone(),
            epoch: deployment.epoch,
            accesses: deployment.accesses.clone(),
            counters: deployment.counters.clone(),
            raised: (*deployment.raised).clone(),
            pending: deployment.pending.as_deref().map(StoredPending::of),
        }
    }

    /// The deployment that was stored. The manifest is checked as of the moment it was set.
    fn restore(&self) -> Result<Deployment, ReplayError> {
        let set_at = from_milliseconds(self.set_at);
        let manifest = Manifest::parse(&self.manifest, set_at)?.manifest;
        let pending = self.pending.as_ref().map(StoredPending::restore).transpose()?;
        Ok(Deployment { pending: pending.map(Arc::new), ..self.with_manifest(manifest)? })
    }

    /// The deployment, for a manifest that was just parsed from the same bytes, without a pending update.
    fn with_manifest(&self, manifest: Manifest) -> Result<Deployment, ReplayError> {
        Ok(Deployment {
            policies: Arc::new(Policies::of(&manifest, &self.raised)?),
            manifest,
            set_at: from_milliseconds(self.set_at),
            manifest_signature: self.manifest_signature.clone().into(),
            chain: Arc::new(Chain::of(&self.pki)),
            pki: Arc::new(self.pki.clone()),
            root_secret: self.root_secret.clone(),
            secrets: Arc::new(self.secrets.clone()),
            previous: self.previous.as_ref().map(|(root_secret, secrets)| {
                Arc::new(Previous { root_secret: root_secret.clone(), secrets: secrets.clone() })
            }),
            activations: Arc::new(self.activations.clone()),
            log: self.log.clone(),
            log_key: self.log_key.clone(),
            head: None,
            epoch: self.epoch,
            accesses: self.accesses.clone(),
            counters: self.counters.clone(),
            raised: Arc::new(self.raised.clone()),
            pending: None,
        })
    }
}

impl StoredPending {
    fn of(pending: &Pending) -> Self {
        Self {
            proposed_at: milliseconds(pending.proposed_at),
            manifest: pending.manifest.raw.clone(),
            acknowledged: pending.acknowledged.clone(),
        }
    }

    /// The manifest is checked as of the moment it was sent.
    fn restore(&self) -> Result<Pending, ReplayError> {
        let proposed_at = from_milliseconds(self.proposed_at);
        let manifest = Manifest::parse(&self.manifest, proposed_at)?.manifest;
        Ok(Pending { manifest, proposed_at, acknowledged: self.acknowledged.clone() })
    }
}

/// The line of the update log; its texts are known to clients.
fn secret_set(at: u64, user: &str, name: &str, kind: SecretKind) -> LogLine {
    LogLine::new(from_milliseconds(at), "Secret set")
        .with("user", user)
        .with("secret", name)
        .with("type", kind.type_name())
}

impl Deployment {
    fn after(&self, event: &Event) -> Result<Self, ReplayError> {
        match event {
            Event::ManifestSet(_) => Err(ReplayError::Order("a manifest was set twice")),
            Event::Activated { marble_type } => Ok(self.counting(marble_type)),
            Event::SecretsSet { at, user, values } => self.with_secrets(*at, user, values),
            Event::SecretsRead { at, user, names } => Ok(self.with_reads(*at, user, names)),
            Event::CounterRaised { id, value } => {
                Ok(Self { counters: self.counters.raised(id, *value), ..self.clone() })
            }
            Event::UpdateProposed { at, user, manifest } => self.with_proposal(*at, user, manifest),
            Event::UpdateAcknowledged { at, user } => self.with_acknowledgement(*at, user),
            Event::UpdateCancelled { at, user } => self.without_proposal(*at, user),
            Event::Updated(update) => self.updated(update),
        }
    }

    fn counting(&self, marble_type: &str) -> Self {
        let mut activations = Arc::clone(&self.activations);
        let counts = Arc::make_mut(&mut activations);
        let count = counts.entry(marble_type.to_owned()).or_default();
        *count = count.saturating_add(1);
        Self { activations, ..self.clone() }
    }

    fn with_reads(&self, at: u64, user: &str, names: &BTreeSet<String>) -> Self {
        let mut accesses = self.accesses.clone();
        names.iter().for_each(|name| accesses.read(user, name, at));
        Self { accesses, ..self.clone() }
    }

    /// With uploaded values, which end the epoch: what was rendered with older ones is void.
    fn with_secrets(
        &self,
        at: u64,
        user: &str,
        values: &BTreeMap<String, SecretValue>,
    ) -> Result<Self, ReplayError> {
        let (mut secrets, mut log) = (Arc::clone(&self.secrets), self.log.clone());
        let mut accesses = self.accesses.clone();
        for (name, value) in values {
            let definition = self.manifest.secrets.get(name);
            let definition = definition.ok_or(ReplayError::Order("a secret was set that is not defined"))?;
            Arc::make_mut(&mut secrets).insert(name.clone(), value.clone());
            log = log.with(secret_set(at, user, name, definition.kind));
            accesses.written(user, name, at);
        }
        Ok(Self { secrets, log, accesses, epoch: self.epoch.saturating_add(1), ..self.clone() })
    }
}

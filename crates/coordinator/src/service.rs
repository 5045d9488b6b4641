//! What the Coordinator does for its callers, whatever the wire: one method per use case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use marblerun_attest::{Binding, Verified};
use marblerun_core::activation::{self, Admission, Request};
use marblerun_core::secrets::Upload;
use marblerun_core::{
    Abilities, ActiveMarble, Command, Deployment, Phase, Prepared, Refusal, State, User, milliseconds,
    prepare, upload_secrets,
};
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};

use crate::admissions::Admissions;
use crate::attestation::Attestation;
use crate::events::Events;
use crate::failure::Failure;
use crate::invitation::Invitations;
use crate::key_pool::PooledKeys;
use crate::metrics::{Metrics, UNKNOWN_TYPE};
use crate::quote::Issuer;
use crate::recovery::Ephemeral;
use crate::slow::{is_slow, kinds_to_keep_ready};
use crate::tls::{PeerCertificate, Presented};
use crate::update::Names;
use crate::wanted::{Caller, WhileWanted};
use crate::writer::{CommitError, Published, Writer};

/// How often an activation is made again because the deployment changed under it.
const RETRIES: usize = 3;

/// A running Coordinator. Cheap to clone.
#[derive(Clone)]
pub struct Coordinator(Arc<Parts>);

/// What a Coordinator is made of.
pub struct Parts {
    /// The state that readers see.
    pub published: Arc<Published>,
    /// The way to change it.
    pub writer: Writer,
    /// Judges evidence.
    pub attestation: Attestation,
    /// Issues our own evidence.
    pub issuer: Issuer,
    /// What manifests can ask for.
    pub abilities: Arc<Abilities>,
    /// Makes keys.
    pub keys: Arc<PooledKeys>,
    /// The certificates on the listeners.
    pub presented: Presented,
    /// Counters.
    pub metrics: Metrics,
    /// The last activations.
    pub events: Events,
    /// The last marbles that came.
    pub admissions: Admissions,
    /// What time it is.
    pub clock: fn() -> SystemTime,
    /// At most this many slow activations at once.
    pub slow: Arc<Semaphore>,
    /// One manifest is prepared at a time.
    pub preparing: Arc<Mutex<()>>,
    /// For recovery secrets on their way.
    pub ephemeral: Ephemeral,
    /// What the Coordinator's certificates are for.
    pub names: Arc<Names>,
    /// What marbles are told before they prove anything.
    pub invitations: Invitations,
}

impl Coordinator {
    /// From its parts; shows the state that was found at start.
    pub fn new(parts: Parts) -> Self {
        let coordinator = Self(Arc::new(parts));
        coordinator.follow(&coordinator.state());
        coordinator
    }

    /// The state at this moment.
    pub fn state(&self) -> Arc<State> {
        self.0.published.load_full()
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The last activations.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Issues our own evidence.
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// What manifests can ask for.
    pub(crate) fn abilities(&self) -> &Arc<Abilities> {
        &self.0.abilities
    }

    /// The last marbles that came.
    pub(crate) fn admissions(&self) -> &Admissions {
        &self.0.admissions
    }

    /// Judges evidence.
    pub(crate) fn attestation(&self) -> &Attestation {
        &self.0.attestation
    }

    /// The key for recovery secrets on their way.
    pub(crate) fn ephemeral(&self) -> &Ephemeral {
        &self.0.ephemeral
    }

    /// Makes keys.
    pub(crate) fn keys(&self) -> &Arc<PooledKeys> {
        &self.0.keys
    }

    /// What the Coordinator's certificates are for.
    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.0.names
    }

    /// What marbles are told before they prove anything.
    pub(crate) fn invitations(&self) -> &Invitations {
        &self.0.invitations
    }

    /// Waits for the right to prepare a manifest or an update.
    pub(crate) async fn turn_to_prepare(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0.preparing).lock_owned().await
    }

    /// Carries out a command; its outcome is durable and visible then.
    pub(crate) async fn submit(&self, command: Command) -> Result<(), CommitError> {
        self.0.writer.submit(command).await.map(drop)
    }

    /// The phase, and the sentence that clients show.
    pub fn status(&self) -> (Phase, String) {
        let phase = self.state().phase();
        let remark = match self.0.issuer.origin() {
            "simulation" => " WARNING: the Coordinator runs in simulation mode; nothing is protected.",
            software if software.starts_with("emulated-") => {
                " WARNING: the Coordinator runs in a software TEE; nothing is protected."
            }
            _ => "",
        };
        (phase, format!("{}{remark}", phase.message()))
    }

    /// Sets the manifest: checks it, makes everything slow, then decides and commits.
    ///
    /// # Errors
    /// Why nothing changed.
    pub async fn set_manifest(&self, raw: Vec<u8>) -> Result<Arc<Prepared>, Failure> {
        self.set_manifest_after(raw, |_| Ok(())).await
    }

    /// As [`Coordinator::set_manifest`]; `first` is done before anything is committed, and if it fails nothing is.
    ///
    /// # Errors
    /// Why nothing changed.
    pub async fn set_manifest_after(
        &self,
        raw: Vec<u8>,
        first: impl FnOnce(&Prepared) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Arc<Prepared>, Failure> {
        let turn = self.turn_to_prepare().await;
        let caller = Caller::default();
        let keys = caller.keys(Arc::<PooledKeys>::clone(&self.0.keys));
        // A task of its own: a caller who hangs up in the middle must not leave a committed manifest half followed,
        // and the next one's turn comes only when the work for this one has ended.
        let this = self.clone();
        let task = tokio::spawn(async move {
            let outcome = this.prepare_and_set(raw, keys, first).await;
            drop(turn);
            outcome
        });
        let outcome = task.await.map_err(|_| Failure::panicked())?;
        drop(caller);
        outcome
    }

    async fn prepare_and_set(
        &self,
        raw: Vec<u8>,
        keys: WhileWanted,
        first: impl FnOnce(&Prepared) -> std::io::Result<()>,
    ) -> Result<Arc<Prepared>, Failure> {
        let state = self.state();
        if state.deployment().is_some() {
            return Err(Refusal::ManifestAlreadySet.into());
        }
        let now = (self.0.clock)();
        let abilities = Arc::clone(&self.0.abilities);
        let preparing =
            tokio::task::spawn_blocking(move || prepare(&raw, state.pki(), &keys, &abilities, now));
        let prepared = Arc::new(preparing.await.map_err(|_| Failure::panicked())??);
        first(&prepared).map_err(|error| Failure::Internal(error.to_string()))?;
        self.0.writer.submit(Command::SetManifest(Arc::clone(&prepared))).await?;
        for warning in &prepared.warnings {
            tracing::warn!(path = warning.path, "manifest: {}", warning.message);
        }
        tracing::info!(fingerprint = hex::encode(prepared.manifest.fingerprint), "manifest set");
        self.follow(&self.state());
        Ok(prepared)
    }

    /// What time it is.
    pub fn now(&self) -> SystemTime {
        (self.0.clock)()
    }

    /// Sets uploaded secrets, all or none. Marbles receive them at their next activation.
    ///
    /// # Errors
    /// Why nothing changed.
    pub async fn set_secrets(&self, user: User, uploads: BTreeMap<String, Upload>) -> Result<(), Failure> {
        let name = user.name().to_owned();
        let secrets: Vec<String> = uploads.keys().cloned().collect();
        let (state, now) = (self.state(), self.now());
        // Checking many RSA keys takes long.
        let checking = tokio::task::spawn_blocking(move || {
            let deployment = state.deployment().ok_or_else(|| Refusal::NotServing(state.phase()))?;
            upload_secrets(deployment, &user, uploads, now)
        });
        let command = checking.await.map_err(|_| Failure::panicked())??;
        self.0.writer.submit(command).await?;
        tracing::info!(user = name, ?secrets, "secrets set");
        Ok(())
    }

    /// Records that a user reads secrets, if they may; gives the state with the values, once the record is durable.
    ///
    /// # Errors
    /// Why nothing is to be handed out.
    pub async fn read_secrets(&self, user: User, names: Vec<String>) -> Result<State, Failure> {
        let at = milliseconds(self.now());
        Ok(self.0.writer.submit(Command::ReadSecrets { user, names, at }).await?)
    }

    /// Raises a marble's counter if `value` is higher; gives the value before.
    ///
    /// # Errors
    /// Why the counter is as it was.
    pub async fn raise_counter(
        &self,
        marble: ActiveMarble,
        name: String,
        value: u64,
    ) -> Result<u64, Failure> {
        let id = marble.counter(name.clone());
        let before = self.0.writer.submit(Command::RaiseCounter { marble, name, value }).await?;
        Ok(before.deployment().map_or(0, |deployment| deployment.counters.value(&id)))
    }

    /// Activates a marble: `peer` is the certificate whose key its handshake proved.
    ///
    /// # Errors
    /// Why the marble receives nothing.
    pub async fn activate(&self, peer: &PeerCertificate, ask: Ask) -> Result<Admission, Failure> {
        let state = self.state();
        let label = known_type(&state, &ask.marble_type);
        self.0.metrics.activation_started(label);
        let outcome = self.admit(peer, &ask).await;
        self.0.metrics.activation_ended(label, outcome.as_ref().map_or_else(Failure::grpc_name, |_| "OK"));
        match &outcome {
            Ok(admission) => self.admitted(&ask, admission),
            Err(failure) => {
                tracing::warn!(marble_type = label, uuid = cut(&ask.uuid), "activation refused: {failure}");
                self.0.admissions.refused(&ask.marble_type, &ask.uuid, &failure.message(), self.now());
            }
        }
        outcome
    }

    fn admitted(&self, ask: &Ask, admission: &Admission) {
        let uuid = admission.uuid.hyphenated().to_string();
        tracing::info!(marble_type = ask.marble_type, uuid, "marble activated");
        let now = self.now();
        self.0.events.activated(&ask.marble_type, &uuid, &ask.evidence, now);
        self.0.admissions.admitted(&ask.marble_type, &uuid, now);
    }

    async fn admit(&self, peer: &PeerCertificate, ask: &Ask) -> Result<Admission, Failure> {
        for _ in 0..RETRIES {
            let admission = self.prepare_admission(peer, ask).await?;
            let Some(count) = admission.count.clone() else { return Ok(admission) };
            // Nothing is handed out before the count is durable.
            match self.0.writer.submit(count).await {
                Ok(_) => return Ok(admission),
                Err(CommitError::Refused(Refusal::Superseded)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Superseded.into())
    }

    async fn prepare_admission(&self, peer: &PeerCertificate, ask: &Ask) -> Result<Admission, Failure> {
        let state = self.state();
        let deployment = state.deployment().ok_or_else(|| Refusal::NotServing(state.phase()))?;
        let (_, marble) = activation::marble(deployment, &ask.marble_type)?;
        // One activation has one time: a host that moves the clock in the middle gets no certificate that outlives what
        // its evidence was believed by.
        let now = self.now();
        let verified = self.verified(deployment, peer, ask, now).await?;
        if !is_slow(deployment, marble) {
            return self.admit_at(now, deployment, &verified, ask);
        }
        let permit = Arc::clone(&self.0.slow).acquire_owned().await.map_err(|_| Failure::panicked())?;
        let (this, state, ask) = (self.clone(), Arc::clone(&state), ask.clone());
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let deployment = state.deployment().ok_or_else(|| Refusal::NotServing(state.phase()))?;
            this.admit_at(now, deployment, &verified, &ask)
        });
        task.await.map_err(|_| Failure::panicked())?
    }

    /// That the marble is what it claims to be, and that its evidence is bound to the key of this very connection.
    async fn verified(
        &self,
        deployment: &Deployment,
        peer: &PeerCertificate,
        ask: &Ask,
        now: SystemTime,
    ) -> Result<Verified, Refusal> {
        let binding = match &*ask.challenge {
            [] => Binding::marble(&peer.0),
            challenge => {
                self.0.invitations.challenges.check(challenge, now)?;
                Binding::fresh_marble(&peer.0, challenge)
            }
        };
        self.0.attestation.verify(deployment, &ask.marble_type, &ask.evidence, &binding, now).await
    }

    fn admit_at(
        &self,
        now: SystemTime,
        deployment: &Deployment,
        verified: &Verified,
        ask: &Ask,
    ) -> Result<Admission, Failure> {
        let request = Request { marble_type: &ask.marble_type, uuid: &ask.uuid, csr: &ask.csr };
        Ok(activation::admit(deployment, verified, request, &*self.0.keys, now)?)
    }

    /// Effects of a new state: certificates on the listeners, the state metric, keys to keep ready.
    pub(crate) fn follow(&self, state: &State) {
        self.0.metrics.state.set(state.phase().code().into());
        if let Err(error) = self.0.presented.show(state.pki()) {
            tracing::error!(%error, "the listeners keep their old certificates");
        }
        if state.recovery().is_none() {
            self.0.ephemeral.end();
        }
        if let Some(deployment) = state.deployment() {
            self.0.keys.want_only(&kinds_to_keep_ready(deployment));
            self.0.attestation.follow(deployment);
        }
    }
}

/// What a marble sent.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Name of its entry in the manifest.
    pub marble_type: String,
    /// Its UUID as text.
    pub uuid: String,
    /// PKCS#10 request, DER.
    pub csr: Vec<u8>,
    /// Evidence, as sent.
    pub evidence: Vec<u8>,
    /// The challenge that the evidence covers; empty from marbles that know of none.
    pub challenge: Vec<u8>,
}

/// A label for metrics and logs: strangers cannot choose it.
fn known_type<'a>(state: &State, marble_type: &'a str) -> &'a str {
    let known = state.deployment().is_some_and(|d| d.manifest.marbles.contains_key(marble_type));
    if known { marble_type } else { UNKNOWN_TYPE }
}

/// At most 64 characters of a text from the wire.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;

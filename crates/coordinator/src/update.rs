//! Updates as callers see them: checked and made beside the writer, decided by it, tried again when the deployment
//! changed meanwhile.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use marblerun_core::keys::KeySource;
use marblerun_core::update::{
    Making, PreparedUpdate, Ready, Sent, Standing, begin_acknowledgement, begin_update, needs_new_key,
    prepare_update,
};
use marblerun_core::{Abilities, Command, Deployment, Refusal, State, User, milliseconds};
use marblerun_manifest::Finding;

use crate::failure::Failure;
use crate::key_pool::PooledKeys;
use crate::service::Coordinator;
use crate::wanted::{Caller, WhileWanted};
use crate::writer::CommitError;

/// How often an update is made again because the deployment changed under it.
const RETRIES: usize = 3;

/// The names that the Coordinator's certificates carry.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// DNS names.
    pub dns: Vec<String>,
    /// Addresses; the loopback ones are added.
    pub ip: Vec<IpAddr>,
}

/// What a caller's answer can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Recovery secrets, too.
    RecoverySecrets,
    /// No recovery secrets: an update that makes some is refused.
    Nothing,
}

/// What became of an update.
pub(crate) struct Outcome {
    /// Who has to agree still; nobody if it took effect.
    pub(crate) standing: Standing,
    /// New recovery secrets, encrypted to their holders, if the update made some (or removed all holders).
    pub(crate) recovery_secrets: Option<BTreeMap<String, Vec<u8>>>,
    /// What the operator should know.
    pub(crate) warnings: Vec<Finding>,
}

/// What a user asks for.
#[derive(Clone)]
enum Asked {
    Update(Arc<[u8]>),
    Acknowledge([u8; 32]),
}

impl Coordinator {
    /// Takes an update: it takes effect, or waits for others.
    ///
    /// # Errors
    /// Why nothing changed.
    pub(crate) async fn update(
        &self,
        user: User,
        raw: Vec<u8>,
        carries: Carries,
    ) -> Result<Outcome, Failure> {
        self.carry_out(user, Asked::Update(raw.into()), carries).await
    }

    /// Takes an acknowledgement of the manifest with these bytes; the last one lets it take effect.
    ///
    /// # Errors
    /// Why nothing changed.
    pub(crate) async fn acknowledge(
        &self,
        user: User,
        raw: &[u8],
        carries: Carries,
    ) -> Result<Outcome, Failure> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, raw);
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest.as_ref());
        self.carry_out(user, Asked::Acknowledge(fingerprint), carries).await
    }

    /// Forgets the pending update.
    ///
    /// # Errors
    /// Why nothing changed.
    pub(crate) async fn cancel_update(&self, user: User) -> Result<(), Failure> {
        let name = user.name().to_owned();
        self.submit(Command::CancelUpdate { user, at: milliseconds(self.now()) }).await?;
        tracing::info!(user = name, "update cancelled");
        Ok(())
    }

    /// One update is prepared at a time, in a task of its own: a caller who hangs up in the middle must not leave a
    /// committed update half followed.
    async fn carry_out(&self, user: User, asked: Asked, carries: Carries) -> Result<Outcome, Failure> {
        let turn = self.turn_to_prepare().await;
        let caller = Caller::default();
        let keys = caller.keys(Arc::<PooledKeys>::clone(self.keys()));
        let this = self.clone();
        let task = tokio::spawn(async move {
            let outcome = this.attempts(user, asked, carries, Arc::new(keys)).await;
            drop(turn);
            outcome
        });
        let outcome = task.await.map_err(|_| Failure::panicked())?;
        drop(caller);
        outcome
    }

    async fn attempts(
        &self,
        user: User,
        asked: Asked,
        carries: Carries,
        keys: Arc<WhileWanted>,
    ) -> Result<Outcome, Failure> {
        for _ in 0..RETRIES {
            let (state, now) = (self.state(), self.now());
            let abilities = Arc::clone(self.abilities());
            let attempt =
                Attempt { state, user: user.clone(), asked: asked.clone(), carries, abilities, now };
            let (names, keys) = (Arc::clone(self.names()), Arc::clone(&keys));
            let made = tokio::task::spawn_blocking(move || attempt.make(&names, &*keys));
            let made = made.await.map_err(|_| Failure::panicked())??;
            match self.submit(made.command.clone()).await {
                Ok(()) => return Ok(self.done(&user, made)),
                Err(CommitError::Refused(Refusal::Superseded)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Superseded.into())
    }

    fn done(&self, user: &User, made: Made) -> Outcome {
        let user = user.name();
        for warning in &made.warnings {
            tracing::warn!(path = warning.path, "manifest: {}", warning.message);
        }
        let recovery_secrets = match &made.command {
            Command::Update(prepared) => {
                tracing::info!(user, "update in force");
                self.follow(&self.state());
                secrets_of(prepared)
            }
            _ => {
                tracing::info!(user, missing = made.standing.missing, "update waits for acknowledgements");
                None
            }
        };
        Outcome { standing: made.standing, recovery_secrets, warnings: made.warnings }
    }
}

fn secrets_of(prepared: &PreparedUpdate) -> Option<BTreeMap<String, Vec<u8>>> {
    prepared.rekey.as_ref().map(|rekey| rekey.shares.encrypted.clone())
}

/// One try, on one state.
struct Attempt {
    state: Arc<State>,
    user: User,
    asked: Asked,
    carries: Carries,
    abilities: Arc<Abilities>,
    now: SystemTime,
}

/// A command that is ready to be decided, and what there is to say once it is.
struct Made {
    command: Command,
    standing: Standing,
    warnings: Vec<Finding>,
}

const NOBODY: Standing = Standing { missing_users: Vec::new(), missing: 0 };

impl Attempt {
    /// Everything slow.
    fn make(self, names: &Names, keys: &dyn KeySource) -> Result<Made, Refusal> {
        let deployment = self.state.deployment().ok_or_else(|| Refusal::NotServing(self.state.phase()))?;
        let sent = match &self.asked {
            Asked::Update(raw) => begin_update(deployment, &self.user, raw, &self.abilities, self.now)?,
            Asked::Acknowledge(fingerprint) => begin_acknowledgement(deployment, &self.user, fingerprint)?,
        };
        let (user, at) = (self.user.clone(), milliseconds(self.now));
        match (sent, &self.asked) {
            (Sent::Ready(ready), _) => self.prepare(deployment, ready, names, keys),
            (Sent::Waits { manifest, warnings }, _) => {
                self.must_carry(needs_new_key(deployment, &manifest))?;
                let standing = deployment.standing_with(user.name());
                let command = Command::ProposeUpdate { user, manifest, at };
                Ok(Made { command, standing, warnings })
            }
            (Sent::Counts, Asked::Acknowledge(fingerprint)) => {
                let standing = deployment.standing_with(user.name());
                let command = Command::AcknowledgeUpdate { user, fingerprint: *fingerprint, at };
                Ok(Made { command, standing, warnings: Vec::new() })
            }
            (Sent::Counts, Asked::Update(_)) => Err(Refusal::Superseded),
        }
    }

    fn prepare(
        &self,
        deployment: &Deployment,
        ready: Ready,
        names: &Names,
        keys: &dyn KeySource,
    ) -> Result<Made, Refusal> {
        self.must_carry(ready.makes_recovery_secrets(deployment))?;
        let making = Making { names: &names.dns, addresses: &names.ip, keys, now: self.now };
        let mut prepared = prepare_update(deployment, self.user.clone(), ready, making)?;
        let warnings = std::mem::take(&mut prepared.warnings);
        Ok(Made { command: Command::Update(Arc::new(prepared)), standing: NOBODY, warnings })
    }

    /// Refuses what would make recovery secrets that nobody would ever see.
    fn must_carry(&self, recovery_secrets: bool) -> Result<(), Refusal> {
        if recovery_secrets && self.carries == Carries::Nothing {
            return Err(Refusal::NeedsVersion2);
        }
        Ok(())
    }
}

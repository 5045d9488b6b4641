//! Commands and what they lead to.

use std::collections::BTreeMap;
use std::sync::Arc;

use marblerun_manifest::Manifest;

use crate::event::Event;
use crate::marble::ActiveMarble;
use crate::recovery::{Given, Proven};
use crate::refusal::Refusal;
use crate::secrets::SecretValue;
use crate::setup::Prepared;
use crate::state::{Deployment, State};
use crate::update::{self, PreparedUpdate};
use crate::user::User;

/// Something that is to happen. Slow parts (keys, certificates) were made before.
#[derive(Clone)]
#[non_exhaustive]
pub enum Command {
    /// Begin a deployment with this manifest.
    SetManifest(Arc<Prepared>),
    /// Take a recovery secret.
    Recover(Arc<Proven>),
    /// Count an activation of a limited type.
    CountActivation {
        /// The type.
        marble_type: String,
        /// [`Deployment::epoch`] under which the admission was made.
        epoch: u64,
    },
    /// Set values that a user uploaded; made by [`crate::upload_secrets`], which checked them.
    SetSecrets {
        /// Who; proven.
        user: User,
        /// By name.
        values: BTreeMap<String, SecretValue>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// Hand out values of secrets to a user who may read them all; the values are in the state that this is decided on.
    ReadSecrets {
        /// Who; proven.
        user: User,
        /// Names of the secrets.
        names: Vec<String>,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// Raise a marble's counter; a value that is not higher changes nothing.
    RaiseCounter {
        /// Whose; proven.
        marble: ActiveMarble,
        /// The name that the marble chose.
        name: String,
        /// The new value.
        value: u64,
    },
    /// Let a manifest wait for acknowledgements.
    ProposeUpdate {
        /// Who; proven.
        user: User,
        /// Checked.
        manifest: Manifest,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// Acknowledge the pending manifest; the last acknowledgement is [`Command::Update`].
    AcknowledgeUpdate {
        /// Who; proven.
        user: User,
        /// SHA-256 of the manifest that the user sent.
        fingerprint: [u8; 32],
        /// Milliseconds since 1970.
        at: u64,
    },
    /// Forget the pending manifest.
    CancelUpdate {
        /// Who; proven.
        user: User,
        /// Milliseconds since 1970.
        at: u64,
    },
    /// Let an update take effect.
    Update(Arc<PreparedUpdate>),
}

/// What a command leads to in this state. Nothing has happened yet: the events count once they are durable.
///
/// # Errors
/// Why the command is refused.
pub fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::SetManifest(prepared) => set_manifest(state, prepared),
        // No event: shares are in memory only, and the state that they open is there already.
        Command::Recover(proven) => recover(state, proven).map(|_| Vec::new()),
        Command::CountActivation { marble_type, epoch } => {
            count_activation(serving(state)?, marble_type, *epoch)
        }
        Command::SetSecrets { user, values, at } => {
            user.must_belong_to(serving(state)?)?;
            Ok(vec![Event::SecretsSet { at: *at, user: user.name().into(), values: values.clone() }])
        }
        Command::ReadSecrets { user, names, at } => read_secrets(serving(state)?, user, names, *at),
        Command::RaiseCounter { marble, name, value } => raise_counter(serving(state)?, marble, name, *value),
        Command::ProposeUpdate { user, manifest, at } => {
            update::propose(serving(state)?, user, manifest, *at)
        }
        Command::AcknowledgeUpdate { user, fingerprint, at } => {
            update::acknowledge(serving(state)?, user, fingerprint, *at)
        }
        Command::CancelUpdate { user, at } => update::cancel(serving(state)?, user, *at),
        Command::Update(prepared) => update::apply_update(serving(state)?, prepared),
    }
}

fn set_manifest(state: &State, prepared: &Prepared) -> Result<Vec<Event>, Refusal> {
    if state.deployment().is_some() {
        return Err(Refusal::ManifestAlreadySet);
    }
    // A Coordinator that restarted its phase has other certificates; those in the command are void.
    if state.pki().root != prepared.stored.pki.root {
        return Err(Refusal::Superseded);
    }
    Ok(vec![Event::ManifestSet(Box::new(prepared.stored.clone()))])
}

/// What a recovery secret leads to. Nothing has happened yet: a key counts once it has opened the stored state.
///
/// # Errors
/// Why the secret is refused.
pub fn recover(state: &State, proven: &Proven) -> Result<Given, Refusal> {
    let recovery = state.recovery().ok_or(Refusal::NotInRecovery(state.phase()))?;
    Ok(recovery.give(proven)?)
}

fn count_activation(deployment: &Deployment, marble_type: &str, epoch: u64) -> Result<Vec<Event>, Refusal> {
    if deployment.epoch != epoch {
        return Err(Refusal::Superseded);
    }
    check_limit(deployment, marble_type)?;
    Ok(vec![Event::Activated { marble_type: marble_type.to_owned() }])
}

fn serving(state: &State) -> Result<&Deployment, Refusal> {
    state.deployment().ok_or(Refusal::NotServing(state.phase()))
}

fn read_secrets(
    deployment: &Deployment,
    user: &User,
    names: &[String],
    at: u64,
) -> Result<Vec<Event>, Refusal> {
    let found = crate::upload::read_secrets(deployment, user, names)?;
    let names = found.into_keys().map(str::to_owned).collect();
    Ok(vec![Event::SecretsRead { at, user: user.name().into(), names }])
}

fn raise_counter(
    deployment: &Deployment,
    marble: &ActiveMarble,
    name: &str,
    value: u64,
) -> Result<Vec<Event>, Refusal> {
    marble.must_belong_to(deployment)?;
    let id = marble.counter(name.to_owned());
    let rises = deployment.counters.would_raise(&id, value)?;
    Ok(rises.then_some(Event::CounterRaised { id, value }).into_iter().collect())
}

/// Whether one more activation of this type is allowed.
///
/// # Errors
/// [`Refusal::LimitReached`], or [`Refusal::UnknownMarble`].
pub(crate) fn check_limit(deployment: &Deployment, marble_type: &str) -> Result<(), Refusal> {
    let marble =
        deployment.manifest.marbles.get(marble_type).ok_or_else(|| Refusal::unknown_marble(marble_type))?;
    let count = deployment.activations.get(marble_type).copied().unwrap_or_default();
    if marble.max_activations != 0 && count >= marble.max_activations {
        return Err(Refusal::LimitReached {
            marble_type: marble_type.to_owned(),
            limit: marble.max_activations,
        });
    }
    Ok(())
}

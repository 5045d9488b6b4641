//! Commands and what they lead to.

use std::sync::Arc;

use crate::event::Event;
use crate::recovery::{Given, Proven};
use crate::refusal::Refusal;
use crate::setup::Prepared;
use crate::state::{Deployment, State};

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
            let deployment = state.deployment().ok_or(Refusal::NotServing(state.phase()))?;
            count_activation(deployment, marble_type, *epoch)
        }
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

//! Decisions about updates. Each is made on the state in which it takes effect: what was prepared on another is void.

use marblerun_manifest::Manifest;

use super::prepare::{Kind, PreparedUpdate};
use crate::event::Event;
use crate::refusal::Refusal;
use crate::state::Deployment;
use crate::user::User;

/// A manifest is to wait for acknowledgements.
pub(crate) fn propose(
    deployment: &Deployment,
    user: &User,
    manifest: &Manifest,
    at: u64,
) -> Result<Vec<Event>, Refusal> {
    may_update(deployment, user)?;
    none_pending(deployment)?;
    Ok(vec![Event::UpdateProposed { at, user: user.name().into(), manifest: manifest.raw.clone() }])
}

/// One acknowledgement more. Who acknowledged before changes nothing; the last one needs a prepared update.
pub(crate) fn acknowledge(
    deployment: &Deployment,
    user: &User,
    fingerprint: &[u8; 32],
    at: u64,
) -> Result<Vec<Event>, Refusal> {
    may_update(deployment, user)?;
    let pending = pending(deployment, fingerprint)?;
    if pending.acknowledged.contains(user.name()) {
        return Ok(Vec::new());
    }
    match deployment.standing_with(user.name()).missing {
        0 => Err(Refusal::Superseded),
        _ => Ok(vec![Event::UpdateAcknowledged { at, user: user.name().into() }]),
    }
}

/// The pending update is to be forgotten.
pub(crate) fn cancel(deployment: &Deployment, user: &User, at: u64) -> Result<Vec<Event>, Refusal> {
    may_update(deployment, user)?;
    deployment.pending.as_ref().ok_or(Refusal::NoUpdatePending)?;
    Ok(vec![Event::UpdateCancelled { at, user: user.name().into() }])
}

/// What was prepared takes effect, if it was prepared for this very state.
pub(crate) fn apply_update(
    deployment: &Deployment,
    prepared: &PreparedUpdate,
) -> Result<Vec<Event>, Refusal> {
    prepared.user.must_belong_to(deployment)?;
    if deployment.epoch != prepared.epoch {
        return Err(Refusal::Superseded);
    }
    match &prepared.kind {
        Kind::Packages => none_pending(deployment)?,
        Kind::Sent => {
            may_update(deployment, &prepared.user)?;
            none_pending(deployment)?;
            enough(deployment, &prepared.user)?;
        }
        Kind::Acknowledged(fingerprint) => {
            may_update(deployment, &prepared.user)?;
            pending(deployment, fingerprint)?;
            enough(deployment, &prepared.user)?;
        }
    }
    Ok(vec![Event::Updated(Box::new(prepared.updated.clone()))])
}

/// Refuses users who may not update the manifest in force.
pub(super) fn may_update(deployment: &Deployment, user: &User) -> Result<(), Refusal> {
    user.must_belong_to(deployment)?;
    if user.may_update_manifest() {
        return Ok(());
    }
    Err(Refusal::MayNotUpdate { user: user.name().into() })
}

/// Refuses a second update beside a pending one.
pub(super) fn none_pending(deployment: &Deployment) -> Result<(), Refusal> {
    match &deployment.pending {
        None => Ok(()),
        Some(pending) => Err(Refusal::UpdatePending(hex::encode(pending.manifest.fingerprint))),
    }
}

/// The pending update, if it has these bytes.
pub(super) fn pending<'a>(
    deployment: &'a Deployment,
    fingerprint: &[u8; 32],
) -> Result<&'a super::Pending, Refusal> {
    let pending = deployment.pending.as_ref().ok_or(Refusal::NoUpdatePending)?;
    if pending.manifest.fingerprint == *fingerprint {
        return Ok(pending);
    }
    Err(Refusal::OtherUpdate {
        sent: hex::encode(fingerprint),
        pending: hex::encode(pending.manifest.fingerprint),
    })
}

fn enough(deployment: &Deployment, user: &User) -> Result<(), Refusal> {
    match deployment.standing_with(user.name()).missing {
        0 => Ok(()),
        _ => Err(Refusal::Superseded),
    }
}

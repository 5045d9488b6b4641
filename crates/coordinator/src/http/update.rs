//! `update`, `update-manifest`, `update-cancel`: users change the deployment together.

use http::Request;
use marblerun_api::rest::{Base64, Cancelled, PendingUpdate, UpdateOutcome, v2};
use marblerun_core::update::Standing;
use marblerun_core::{Refusal, State, User};
use marblerun_manifest::MAX_MANIFEST_BYTES;

use super::answer::{Refused, Success};
use super::body;
use super::endpoints::{MOST_ENCODED, accepted_with};
use super::routes::Version;
use crate::failure::Failure;
use crate::service::Coordinator;
use crate::traffic::Received;
use crate::update::{Carries, Outcome};

const APPLIED: &str = "All users have acknowledged the update manifest. Update successfully applied";
const CANCELLED: &str = "Update successfully cancelled";

/// The update that waits; anybody may look at it before acknowledging.
pub(super) fn pending(state: &State) -> Result<Success, Refused> {
    let deployment = state.deployment();
    let pending =
        deployment.and_then(|deployment| Some((deployment.pending.as_ref()?, deployment.standing()?)));
    let (pending, standing) = pending.ok_or(Failure::Refused(Refusal::NoUpdatePending))?;
    Success::new(PendingUpdate {
        manifest: Base64(pending.manifest.raw.clone()),
        message: still_missing(&standing),
        missing_users: standing.missing_users,
    })
}

/// Takes an update.
pub(super) async fn send(
    user: User,
    coordinator: &Coordinator,
    version: Version,
    request: Request<Received>,
) -> Result<Success, Refused> {
    let raw = manifest(version, request).await?;
    let mut outcome = coordinator.update(user, raw, carried_by(version)).await?;
    let warnings = accepted_with(&std::mem::take(&mut outcome.warnings));
    let success = match version {
        Version::V1 => Success::new(()),
        Version::V2 => Success::new(on_the_wire(outcome, None)),
    };
    Ok(success?.saying(warnings))
}

/// Takes an acknowledgement.
pub(super) async fn acknowledge(
    user: User,
    coordinator: &Coordinator,
    version: Version,
    request: Request<Received>,
) -> Result<Success, Refused> {
    let raw = manifest(version, request).await?;
    let outcome = coordinator.acknowledge(user, &raw, carried_by(version)).await?;
    match version {
        Version::V1 if outcome.standing.missing == 0 => Success::new(APPLIED),
        Version::V1 => Success::new(still_missing(&outcome.standing)),
        Version::V2 => {
            let message = in_full(&outcome.standing);
            Success::new(on_the_wire(outcome, Some(message)))
        }
    }
}

/// Forgets the pending update.
pub(super) async fn cancel(
    user: User,
    coordinator: &Coordinator,
    version: Version,
) -> Result<Success, Refused> {
    coordinator.cancel_update(user).await?;
    match version {
        Version::V1 => Success::new(CANCELLED),
        Version::V2 => Success::new(Cancelled { message: CANCELLED.into() }),
    }
}

async fn manifest(version: Version, request: Request<Received>) -> Result<Vec<u8>, Refused> {
    match version {
        Version::V1 => body::read(request.into_body(), MAX_MANIFEST_BYTES).await,
        Version::V2 => {
            let shape = r#"{"manifest": base64}"#;
            let sent: v2::SetManifest = body::json(request.into_body(), MOST_ENCODED, shape).await?;
            Ok(sent.manifest.0)
        }
    }
}

fn carried_by(version: Version) -> Carries {
    match version {
        Version::V1 => Carries::Nothing,
        Version::V2 => Carries::RecoverySecrets,
    }
}

fn on_the_wire(outcome: Outcome, message: Option<String>) -> UpdateOutcome {
    let Standing { missing, missing_users } = outcome.standing;
    let secrets = outcome
        .recovery_secrets
        .map(|secrets| secrets.into_iter().map(|(holder, secret)| (holder, Base64(secret))).collect());
    UpdateOutcome {
        message,
        missing_acknowledgments: missing as u64,
        missing_users: (missing > 0).then_some(missing_users),
        recovery_secrets: secrets,
    }
}

/// Clients show these texts.
fn still_missing(standing: &Standing) -> String {
    match standing.missing {
        1 => "1 user still needs to acknowledge the update manifest".into(),
        more => format!("{more} users still need to acknowledge the update manifest"),
    }
}

fn in_full(standing: &Standing) -> String {
    if standing.missing == 0 {
        return APPLIED.into();
    }
    let who = standing.missing_users.join(", ");
    format!("{}.\nThe following users have not yet accepted: {who}", still_missing(standing))
}

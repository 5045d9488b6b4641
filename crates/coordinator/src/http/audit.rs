//! `audit`: what users with `ReadAudit` may know.

use std::time::{Duration, SystemTime};

use marblerun_api::rest::v3;
use marblerun_core::{Access, Deployment, Refusal, User, iso8601};

use super::answer::{Refused, Success};
use crate::failure::Failure;
use crate::service::Coordinator;

/// Who used which secret, and which marbles came.
pub(super) fn read(
    user: &User,
    deployment: &Deployment,
    coordinator: &Coordinator,
) -> Result<Success, Refused> {
    if !user.may_read_audit() {
        return Err(Failure::Refused(Refusal::MayNotAudit(user.name().into())).into());
    }
    let secrets = deployment.accesses.iter().map(|(user, secret, access)| on_the_wire(user, secret, access));
    let audit = v3::Audit { secrets: secrets.collect(), marbles: coordinator.admissions().on_the_wire() };
    tracing::info!(user = user.name(), "audit read");
    Success::new(audit)
}

fn on_the_wire(user: &str, secret: &str, access: Access) -> v3::SecretUse {
    v3::SecretUse {
        user: user.into(),
        secret: secret.into(),
        reads: access.reads,
        last_read: time(access.reads, access.last_read),
        writes: access.writes,
        last_written: time(access.writes, access.last_written),
    }
}

fn time(uses: u64, at: u64) -> Option<String> {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at));
    time.filter(|_| uses > 0).map(iso8601)
}

//! How well kept an Intel platform must be.

use super::{Findings, Package};
use crate::genuine::IntelPlatform;

pub(super) fn check(package: &Package, platform: &IntelPlatform, findings: &mut Findings<'_>) {
    let status = platform.tcb_status;
    if !package.accepted_tcb_statuses.contains(&status) {
        let accepted: Vec<_> = package.accepted_tcb_statuses.iter().map(ToString::to_string).collect();
        let change = format!("add {status} to it, or update the platform");
        findings.of_package("AcceptedTCBStatuses", status.to_string(), accepted.join(" or "), &change);
    }
    let Some(accepted) = &package.accepted_advisories else { return };
    let other: Vec<_> =
        platform.advisory_ids.iter().filter(|id| !accepted.contains(id)).map(String::as_str).collect();
    if !other.is_empty() {
        let (seen, wanted) = (other.join(", "), format!("none but {}", accepted.join(", ")));
        let change = format!("add {seen} to it, or update the platform");
        findings.of_package("AcceptedAdvisories", seen, wanted, &change);
    }
}

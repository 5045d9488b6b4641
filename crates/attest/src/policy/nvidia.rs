//! The rules for NVIDIA devices.

use std::collections::BTreeMap;

use super::{Findings, Package};
use crate::bytes::Hex;
use crate::nvidia::SpdmReport;

/// Which firmware is wanted, by its measurements; at least one must be named. NVIDIA publishes them as RIMs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NvidiaIdentity {
    /// Measurements by index.
    pub measurements: BTreeMap<u8, Hex<48>>,
    /// Versions of the driver that will do; none named: any.
    pub driver_versions: Vec<String>,
}

pub(super) fn check(
    package: &Package,
    report: &SpdmReport,
    on_hold: Option<&str>,
    findings: &mut Findings<'_>,
) {
    match package.nvidia.as_ref().filter(|identity| !identity.measurements.is_empty()) {
        Some(wanted) => check_identity(wanted, report, findings),
        None => findings.of_package(
            "NVIDIA.Measurements",
            "an NVIDIA device".to_owned(),
            "a package that names its firmware".to_owned(),
            "name its measurements",
        ),
    }
    if let Some(subject) = on_hold {
        findings.of_package(
            "NVIDIA",
            format!("a device whose certificate `{subject}` is revoked or on hold"),
            "a device that its vendor vouches for".to_owned(),
            "nothing; ask NVIDIA, or use another device",
        );
    }
}

fn check_identity(wanted: &NvidiaIdentity, report: &SpdmReport, findings: &mut Findings<'_>) {
    for (index, measurement) in &wanted.measurements {
        let field = format!("NVIDIA.Measurements.{index}");
        match report.measurements.get(index) {
            Some(seen) => findings.equal(&field, Some(measurement), seen),
            None => {
                let seen = "a report without it".to_owned();
                findings.of_package(&field, seen, measurement.to_string(), "do not name it");
            }
        }
    }
    let seen = &report.versions.driver_version;
    if !wanted.driver_versions.is_empty() && !wanted.driver_versions.contains(seen) {
        let named = wanted.driver_versions.join(" or ");
        findings.of_package("NVIDIA.DriverVersions", seen.clone(), named, &format!("add {seen} to it"));
    }
}

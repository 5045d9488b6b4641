//! The rules for SNP guests.

use super::{Findings, Package};
use crate::bytes::Hex;
use crate::genuine::AmdPlatform;
use crate::snp::{Product, SnpReport, SnpTcb};

/// Which guest is wanted. Its measurement must be named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnpIdentity {
    /// What the guest was launched with.
    pub measurement: Option<Hex<48>>,
    /// What the host said at launch.
    pub host_data: Option<Hex<32>>,
    /// From the guest's identity block.
    pub family_id: Option<Hex<16>>,
    /// From the guest's identity block.
    pub image_id: Option<Hex<16>>,
    /// The least security version of the guest.
    pub guest_svn: Option<u32>,
    /// The least TCB of the platform.
    pub minimum_tcb: Option<SnpTcb>,
    /// The guest's policy exactly.
    pub policy: Option<u64>,
    /// The least privileged level that may ask for evidence (0 is the most privileged); none named: any.
    pub vmpl: Option<u32>,
    /// Product lines that will do; none named: all but Milan, whose attestation keys were extracted in public.
    pub product_lines: Vec<Product>,
    /// Whether a migration agent may move the guest.
    pub allow_migration: bool,
}

pub(super) fn check(
    package: &Package,
    report: &SnpReport,
    platform: &AmdPlatform,
    findings: &mut Findings<'_>,
) {
    match package.snp.as_ref().filter(|identity| identity.measurement.is_some()) {
        Some(wanted) => check_identity(wanted, report, findings),
        None => findings.of_package(
            "SNP.Measurement",
            format!("an SNP guest with measurement {}", report.measurement),
            "a package that names an SNP guest".to_owned(),
            "name its Measurement",
        ),
    }
    let strict = SnpIdentity::default();
    let wanted = package.snp.as_ref().unwrap_or(&strict);
    check_platform(wanted, platform, findings);
    findings.debug(package.debug, report.policy.allows_debug(), "a guest that the host may debug");
    findings.allowed(
        "SNP.AllowMigration",
        wanted.allow_migration,
        report.policy.allows_migration(),
        "a guest that a migration agent may move",
    );
}

fn check_identity(wanted: &SnpIdentity, report: &SnpReport, findings: &mut Findings<'_>) {
    findings.equal("SNP.Measurement", wanted.measurement.as_ref(), &report.measurement);
    findings.equal("SNP.HostData", wanted.host_data.as_ref(), &report.host_data);
    findings.equal("SNP.FamilyID", wanted.family_id.as_ref(), &report.family_id);
    findings.equal("SNP.ImageID", wanted.image_id.as_ref(), &report.image_id);
    findings.at_least("SNP.GuestSVN", wanted.guest_svn.as_ref(), &report.guest_svn);
    findings.equal("SNP.Policy", wanted.policy.as_ref(), &report.policy.0);
    if let Some(vmpl) = wanted.vmpl.filter(|vmpl| report.vmpl > *vmpl) {
        let seen = report.vmpl.to_string();
        let change = format!("raise it to {seen}");
        findings.of_package("SNP.VMPL", seen, format!("at most {vmpl}"), &change);
    }
}

fn check_platform(wanted: &SnpIdentity, platform: &AmdPlatform, findings: &mut Findings<'_>) {
    if !is_accepted(&wanted.product_lines, platform.product) {
        let named: Vec<_> = wanted.product_lines.iter().map(ToString::to_string).collect();
        let named = if named.is_empty() { "any but Milan".to_owned() } else { named.join(" or ") };
        let seen = platform.product.to_string();
        let change = format!("add {seen} to it");
        findings.of_package("SNP.ProductLines", seen, named, &change);
    }
    if let Some(minimum) = wanted.minimum_tcb.filter(|minimum| !platform.reported_tcb.meets(minimum)) {
        let (seen, wanted) = (platform.reported_tcb.to_string(), format!("at least {minimum}"));
        findings.of_package("SNP.MinimumTCB", seen, wanted, "lower it, or update the platform's firmware");
    }
}

fn is_accepted(named: &[Product], product: Product) -> bool {
    if named.is_empty() { product != Product::Milan } else { named.contains(&product) }
}

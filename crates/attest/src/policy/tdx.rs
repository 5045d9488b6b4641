//! The rules for TDX trust domains.

use super::{Findings, Package};
use crate::bytes::Hex;
use crate::tdx::TdReport;

/// Which TD is wanted. MRTD must be named; it measures firmware only, so a package should also name the RTMRs that
/// measure its software.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TdxIdentity {
    /// What the TD was launched with.
    pub mrtd: Option<Hex<48>>,
    /// What was measured at run time, RTMR0 to RTMR3.
    pub rtmrs: [Option<Hex<48>>; 4],
    /// What the host said at launch.
    pub mrconfigid: Option<Hex<48>>,
    /// The TDX module.
    pub mrseam: Option<Hex<48>>,
    /// The attributes exactly, as the report has them.
    pub td_attributes: Option<Hex<8>>,
    /// Whether the host may inject #VE by taking pages away (SEPT_VE_DISABLE is not set).
    pub allow_sept_ve: bool,
    /// Whether another TD may move this one to another machine.
    pub allow_migration: bool,
    /// Whether service TDs may be bound.
    pub allow_service_td: bool,
}

pub(super) fn check(package: &Package, report: &TdReport, findings: &mut Findings<'_>) {
    match package.tdx.as_ref().filter(|identity| identity.mrtd.is_some()) {
        Some(wanted) => check_identity(wanted, report, findings),
        None => findings.of_package(
            "TDX.MRTD",
            format!("a TD with MRTD {}", report.mrtd),
            "a package that names a TD".to_owned(),
            "name its MRTD, and the RTMRs that measure the software",
        ),
    }
    let strict = TdxIdentity::default();
    check_attributes(package, package.tdx.as_ref().unwrap_or(&strict), report, findings);
}

fn check_identity(wanted: &TdxIdentity, report: &TdReport, findings: &mut Findings<'_>) {
    findings.equal("TDX.MRTD", wanted.mrtd.as_ref(), &report.mrtd);
    let rtmrs = [&report.rtmr0, &report.rtmr1, &report.rtmr2, &report.rtmr3];
    let fields = ["TDX.RTMR0", "TDX.RTMR1", "TDX.RTMR2", "TDX.RTMR3"];
    for ((field, wanted), seen) in fields.into_iter().zip(&wanted.rtmrs).zip(rtmrs) {
        findings.equal(field, wanted.as_ref(), seen);
    }
    findings.equal("TDX.MRCONFIGID", wanted.mrconfigid.as_ref(), &report.mrconfigid);
    findings.equal("TDX.MRSEAM", wanted.mrseam.as_ref(), &report.mrseam);
    findings.equal("TDX.TDAttributes", wanted.td_attributes.as_ref(), &report.td_attributes);
}

fn check_attributes(
    package: &Package,
    allowed: &TdxIdentity,
    report: &TdReport,
    findings: &mut Findings<'_>,
) {
    let attributes = report.attributes();
    let is_open = attributes.is_debug() || attributes.is_profiled();
    findings.debug(package.debug, is_open, "a debug or profiled TD, whose memory the host can read");
    findings.allowed(
        "TDX.AllowSeptVe",
        allowed.allow_sept_ve,
        !attributes.is_sept_ve_disabled(),
        "a TD without SEPT_VE_DISABLE, into which the host can inject #VE",
    );
    findings.allowed(
        "TDX.AllowMigration",
        allowed.allow_migration,
        attributes.is_migratable(),
        "a TD that a migration TD may move",
    );
    findings.allowed(
        "TDX.AllowServiceTD",
        allowed.allow_service_td,
        report.has_service_td(),
        "a TD to which a service TD is bound",
    );
}

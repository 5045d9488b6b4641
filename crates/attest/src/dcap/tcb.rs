//! Which TCB level a platform meets (Intel PCS API v4, "Get TCB Info"; Intel QVL for how statuses converge).
//!
//! dcap-qvl finds the same on its own, and both must agree (`check.rs`). Ours is there for TDs whose attributes
//! dcap-qvl refuses: the policy judges those, and wants to know the status first.

use std::fmt;
use std::str::FromStr;

use dcap_qvl::{QeIdentity, TcbInfo, TcbLevel, TcbStatusWithAdvisory};
use serde::{Deserialize, Serialize};

use super::{Body, PckExtensions};
use crate::error::Failure;
use crate::tdx::TdReport;

/// How well a platform is kept, by its vendor's judgement. Revoked is none: such a platform proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the vendor's names say it")]
pub enum TcbStatus {
    UpToDate,
    SWHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSWHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    /// The TDX module was updated under a running TD, which was launched by an outdated one.
    TDRelaunchAdvised,
    /// The same, and the platform's configuration is to be changed.
    TDRelaunchAdvisedConfigurationNeeded,
    Revoked,
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A name that is no TCB status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no TCB status; known are UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded, TDRelaunchAdvised, TDRelaunchAdvisedConfigurationNeeded and Revoked"
)]
pub struct ParseTcbStatusError(String);

impl FromStr for TcbStatus {
    type Err = ParseTcbStatusError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(name.into()).map_err(|_| ParseTcbStatusError(name.to_owned()))
    }
}

/// What the collateral says about the platform that a quote comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Appraisal {
    pub(super) status: TcbStatus,
    /// Of the platform, of the TDX module and of the quoting enclave, in this order, each once.
    pub(super) advisories: Vec<String>,
    /// The date of the platform's level.
    pub(super) date: String,
    pub(super) qe_status: TcbStatus,
}

/// Appraises a platform by collateral whose signatures were verified.
pub(super) fn appraise(
    tcb_info: &TcbInfo,
    qe_identity: &QeIdentity,
    qe_isvsvn: u16,
    pck: &PckExtensions,
    body: &Body,
) -> Result<Appraisal, Failure> {
    let qe = qe_level(qe_identity, qe_isvsvn)?;
    let (launched, current) = match body {
        Body::Sgx(_) => (None, None),
        Body::Tdx(report) => (Some(&report.tee_tcb_svn.0), current_svn(report)),
    };
    let level = highest_level(tcb_info, pck, launched)?;
    let launch = converged(tcb_info, level, launched)?.merge(&qe);
    let status = match current {
        None => own(launch.status),
        Some(svn) => {
            let now = highest_level(tcb_info, pck, Some(svn))?;
            relaunch(own(launch.status), own(converged(tcb_info, now, Some(svn))?.merge(&qe).status))
        }
    };
    let (advisories, date) = (launch.advisory_ids, level.tcb_date.clone());
    Ok(Appraisal { status, advisories, date, qe_status: own(qe.status) })
}

fn current_svn(report: &TdReport) -> Option<&[u8; 16]> {
    report.v15.as_ref().map(|v15| &v15.tee_tcb_svn_2.0)
}

/// The highest level that the platform meets in every component.
fn highest_level<'a>(
    tcb_info: &'a TcbInfo,
    pck: &PckExtensions,
    svn: Option<&[u8; 16]>,
) -> Result<&'a TcbLevel, Failure> {
    let meets = |level: &&TcbLevel| {
        level.shortfalls(&pck.cpusvn.0, pck.pcesvn, svn).is_ok_and(|shortfalls| shortfalls.is_empty())
    };
    let met = tcb_info.tcb_levels.iter().filter(meets);
    let order = |level: &&TcbLevel| {
        (level.tcb.sgx_components.clone(), level.tcb.pce_svn, level.tcb.tdx_components.clone())
    };
    met.max_by_key(order).ok_or_else(|| not_supported(pck, svn))
}

fn not_supported(pck: &PckExtensions, svn: Option<&[u8; 16]>) -> Failure {
    let tee = svn.map(|svn| format!(", TEE_TCB_SVN {}", hex::encode(svn))).unwrap_or_default();
    Failure::TcbNotSupported(format!("CPUSVN {}, PCESVN {}{tee}", pck.cpusvn, pck.pcesvn))
}

/// The level's status together with that of the TDX module that runs there.
fn converged(
    tcb_info: &TcbInfo,
    level: &TcbLevel,
    svn: Option<&[u8; 16]>,
) -> Result<TcbStatusWithAdvisory, Failure> {
    let platform = TcbStatusWithAdvisory::new(level.tcb_status, level.advisory_ids.clone());
    let Some(svn) = svn else { return Ok(platform) };
    let module =
        tcb_info.tdx_module_identity(svn).map_err(|error| Failure::TdxModule(format!("{error:#}")))?;
    let Some(module) = module else { return Ok(platform) };
    let met = module.tcb_levels.iter().find(|level| level.shortfall(svn).is_none());
    let met = met
        .ok_or_else(|| Failure::TcbNotSupported(format!("TDX module {} of ISVSVN {}", module.id, svn[0])))?;
    Ok(platform.merge(&TcbStatusWithAdvisory::new(met.tcb_status, met.advisory_ids.clone())))
}

fn qe_level(identity: &QeIdentity, isvsvn: u16) -> Result<TcbStatusWithAdvisory, Failure> {
    let met = identity.tcb_levels.iter().find(|level| isvsvn >= level.tcb.isvsvn);
    let met =
        met.ok_or_else(|| Failure::QuotingEnclave(format!("its ISVSVN {isvsvn} is below every level")))?;
    Ok(TcbStatusWithAdvisory::new(met.tcb_status, met.advisory_ids.clone()))
}

/// A TD that was launched on an outdated module, which is no longer outdated, is to be launched again.
fn relaunch(launched: TcbStatus, now: TcbStatus) -> TcbStatus {
    use TcbStatus::{
        ConfigurationAndSWHardeningNeeded, ConfigurationNeeded, OutOfDate, OutOfDateConfigurationNeeded,
        SWHardeningNeeded, TDRelaunchAdvised, TDRelaunchAdvisedConfigurationNeeded, UpToDate,
    };
    match (launched, now) {
        (OutOfDate, UpToDate | SWHardeningNeeded) => TDRelaunchAdvised,
        (OutOfDate, ConfigurationNeeded | ConfigurationAndSWHardeningNeeded)
        | (
            OutOfDateConfigurationNeeded,
            UpToDate | SWHardeningNeeded | ConfigurationNeeded | ConfigurationAndSWHardeningNeeded,
        ) => TDRelaunchAdvisedConfigurationNeeded,
        (_, TcbStatus::Revoked) => TcbStatus::Revoked,
        _ => launched,
    }
}

/// dcap-qvl's name for a status as ours.
pub(super) fn own(status: dcap_qvl::TcbStatus) -> TcbStatus {
    use dcap_qvl::TcbStatus as Theirs;
    match status {
        Theirs::UpToDate => TcbStatus::UpToDate,
        Theirs::SWHardeningNeeded => TcbStatus::SWHardeningNeeded,
        Theirs::ConfigurationNeeded => TcbStatus::ConfigurationNeeded,
        Theirs::ConfigurationAndSWHardeningNeeded => TcbStatus::ConfigurationAndSWHardeningNeeded,
        Theirs::OutOfDate => TcbStatus::OutOfDate,
        Theirs::OutOfDateConfigurationNeeded => TcbStatus::OutOfDateConfigurationNeeded,
        Theirs::TDRelaunchAdvised => TcbStatus::TDRelaunchAdvised,
        Theirs::TDRelaunchAdvisedConfigurationNeeded => TcbStatus::TDRelaunchAdvisedConfigurationNeeded,
        Theirs::Revoked => TcbStatus::Revoked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_vendors() {
        for name in ["UpToDate", "SWHardeningNeeded", "TDRelaunchAdvised", "Revoked"] {
            assert_eq!(name.parse::<TcbStatus>().unwrap().to_string(), name);
        }
        for name in ["", "uptodate", "Fine"] {
            assert!(name.parse::<TcbStatus>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_relaunch_is_advised_only_where_it_helps() {
        use TcbStatus::*;
        assert_eq!(relaunch(OutOfDate, UpToDate), TDRelaunchAdvised);
        assert_eq!(relaunch(OutOfDate, ConfigurationNeeded), TDRelaunchAdvisedConfigurationNeeded);
        assert_eq!(relaunch(OutOfDate, OutOfDate), OutOfDate);
        assert_eq!(relaunch(UpToDate, OutOfDate), UpToDate);
        assert_eq!(relaunch(UpToDate, Revoked), Revoked);
    }
}

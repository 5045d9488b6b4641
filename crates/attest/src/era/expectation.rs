//! What the Coordinator's evidence is held against: the file's identity and the caller's tolerance, as a policy.

use super::{EraConfig, EraError};
use crate::dcap::TcbStatus;
use crate::policy::{Package, Policy};
use crate::roots::Roots;

/// What is tolerated of the Coordinator's platform, as flags of a command line say it. What is given counts before the
/// file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// The statuses, if any are given.
    pub statuses: Option<Vec<TcbStatus>>,
    /// The advisories; empty tolerates all.
    pub advisories: Vec<String>,
}

/// What evidence must show, and whose word counts.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The Coordinator's identity, as a package named `Coordinator`.
    pub policy: Policy,
    /// The hardware vendors' roots, and those that the file names.
    pub roots: Roots,
}

impl EraConfig {
    /// The policy that this file and the caller's tolerance make together.
    ///
    /// # Errors
    /// [`EraError::Root`].
    pub fn expectation(&self, tolerance: &Tolerance) -> Result<Expectation, EraError> {
        let package = Package {
            sgx: self.sgx(),
            tdx: self.tdx.as_ref().map(Into::into),
            snp: self.snp.as_ref().map(Into::into),
            pcrs: self.pcrs.clone(),
            debug: self.debug,
            accepted_advisories: self.advisories(tolerance),
            ..Package::strict("Coordinator")
        };
        let package = match self.statuses(tolerance) {
            Some(accepted_tcb_statuses) => Package { accepted_tcb_statuses, ..package },
            None => package,
        };
        let infrastructures = self.infrastructures.iter().map(|(name, written)| written.infrastructure(name));
        Ok(Expectation {
            policy: Policy { package, infrastructures: infrastructures.collect() },
            roots: self.roots()?,
        })
    }

    fn statuses(&self, tolerance: &Tolerance) -> Option<Vec<TcbStatus>> {
        let written = self.accepted_tcb_statuses.as_ref().filter(|all| !all.is_empty());
        tolerance.statuses.as_ref().or(written).cloned()
    }

    fn advisories(&self, tolerance: &Tolerance) -> Option<Vec<String>> {
        let flag = Some(&tolerance.advisories).filter(|all| !all.is_empty());
        flag.or(self.accepted_advisories.as_ref().filter(|all| !all.is_empty())).cloned()
    }

    fn roots(&self) -> Result<Roots, EraError> {
        let named = self.infrastructures.values().filter_map(|infrastructure| infrastructure.roots());
        let vendors = Roots::of_hardware_vendors()?;
        named.into_iter().try_fold(vendors, |all, roots| Ok(all.and(roots?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(file: &str, given: Option<&[TcbStatus]>) -> Vec<String> {
        let id = "ab".repeat(32);
        let era = EraConfig::from_json(format!(r#"{{"UniqueID":"{id}"{file}}}"#).as_bytes()).unwrap();
        let statuses = given.map(<[_]>::to_vec);
        let expectation = era.expectation(&Tolerance { statuses, advisories: Vec::new() }).unwrap();
        expectation.policy.package.accepted_tcb_statuses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_given_counts_before_the_file_and_the_file_before_the_strict_default() {
        let file = r#","AcceptedTCBStatuses":["OutOfDate"]"#;
        assert_eq!(statuses("", None), ["UpToDate", "SWHardeningNeeded"]);
        assert_eq!(statuses(file, None), ["OutOfDate"]);
        let given = [TcbStatus::UpToDate, TcbStatus::ConfigurationNeeded];
        assert_eq!(statuses(file, Some(&given)), ["UpToDate", "ConfigurationNeeded"]);
    }
}

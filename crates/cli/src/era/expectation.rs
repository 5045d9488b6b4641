//! What the Coordinator's evidence is held against: the file's identity and the flags' tolerance, as a policy.

use marblerun_attest::policy::{Package, Policy};
use marblerun_attest::{Roots, TcbStatus};

use super::EraConfig;
use crate::Failure;

/// What is tolerated of the Coordinator's platform, as the flags say it. A flag that was given counts before the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// `--accepted-tcb-statuses`, if it was given.
    pub statuses: Option<Vec<String>>,
    /// `--accepted-advisories`; empty tolerates all.
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
    /// The policy that this file and the flags make together.
    ///
    /// # Errors
    /// A flag that names no TCB status, or roots that cannot be read.
    pub fn expectation(&self, tolerance: &Tolerance) -> Result<Expectation, Failure> {
        let package = Package {
            sgx: self.sgx(),
            tdx: self.tdx.as_ref().map(Into::into),
            snp: self.snp.as_ref().map(Into::into),
            pcrs: self.pcrs.clone(),
            debug: self.debug,
            accepted_advisories: self.advisories(tolerance),
            ..Package::strict("Coordinator")
        };
        let package = match self.statuses(tolerance)? {
            Some(accepted_tcb_statuses) => Package { accepted_tcb_statuses, ..package },
            None => package,
        };
        let infrastructures = self.infrastructures.iter().map(|(name, written)| written.infrastructure(name));
        Ok(Expectation {
            policy: Policy { package, infrastructures: infrastructures.collect() },
            roots: self.roots()?,
        })
    }

    fn statuses(&self, tolerance: &Tolerance) -> Result<Option<Vec<TcbStatus>>, Failure> {
        let Some(flag) = &tolerance.statuses else {
            return Ok(self.accepted_tcb_statuses.clone().filter(|all| !all.is_empty()));
        };
        let read = |name: &String| {
            let wrong = |error| Failure::Argument(format!("--accepted-tcb-statuses: {error}"));
            name.trim().parse().map_err(wrong)
        };
        flag.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    fn advisories(&self, tolerance: &Tolerance) -> Option<Vec<String>> {
        let flag = Some(&tolerance.advisories).filter(|all| !all.is_empty());
        flag.or(self.accepted_advisories.as_ref().filter(|all| !all.is_empty())).cloned()
    }

    fn roots(&self) -> Result<Roots, Failure> {
        let unreadable = |error| Failure::Era(format!("a trusted root: {error}"));
        let vendors = Roots::of_hardware_vendors().map_err(unreadable)?;
        let named = self.infrastructures.values().filter_map(|infrastructure| infrastructure.roots());
        named.into_iter().try_fold(vendors, |all, roots| Ok(all.and(roots.map_err(unreadable)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(file: &str, flag: Option<&str>) -> Result<Vec<String>, String> {
        let id = "ab".repeat(32);
        let era: EraConfig = serde_json::from_str(&format!(r#"{{"UniqueID":"{id}"{file}}}"#)).unwrap();
        let statuses = flag.map(|flag| flag.split(',').map(str::to_owned).collect());
        let expectation = era.expectation(&Tolerance { statuses, advisories: Vec::new() });
        let package = expectation.map_err(|error| error.to_string())?.policy.package;
        Ok(package.accepted_tcb_statuses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_flag_counts_before_the_file_and_the_file_before_the_strict_default() {
        let file = r#","AcceptedTCBStatuses":["OutOfDate"]"#;
        assert_eq!(statuses("", None).unwrap(), ["UpToDate", "SWHardeningNeeded"]);
        assert_eq!(statuses(file, None).unwrap(), ["OutOfDate"]);
        assert_eq!(
            statuses(file, Some("UpToDate, ConfigurationNeeded")).unwrap(),
            ["UpToDate", "ConfigurationNeeded"]
        );
        assert!(statuses(file, Some("uptodate")).unwrap_err().contains("uptodate"));
        assert!(statuses(file, Some("")).is_err());
    }
}

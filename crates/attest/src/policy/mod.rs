//! The second step: whether what genuine evidence proves is wanted.
//!
//! Plain types; a manifest's packages and infrastructures become these elsewhere. Nothing is accepted that is not named:
//! a package without an identity for the TEE at hand admits nobody, and what weakens a TEE must be allowed by name. A
//! refusal lists all that does not fit, with the change of the manifest that would allow each.

mod infrastructure;
mod nvidia;
mod refusal;
mod sgx;
mod snp;
mod tcb;
mod tdx;
#[cfg(test)]
mod tests;
mod vtpm;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use infrastructure::Infrastructure;
pub use nvidia::NvidiaIdentity;
pub use refusal::{Mismatch, Refusal};
pub use sgx::SgxIdentity;
pub use snp::SnpIdentity;
pub use tdx::TdxIdentity;

use crate::bytes::Hex;
use crate::dcap::TcbStatus;
use crate::genuine::{Claims, Genuine};
use refusal::Findings;

/// What is wanted: one package, on one of some infrastructures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The software.
    pub package: Package,
    /// Where it may run. None named: anywhere that a hardware vendor vouches for.
    pub infrastructures: Arc<[Infrastructure]>,
}

/// Which software is wanted, and how well kept its platform must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name in the manifest.
    pub name: String,
    /// As an SGX enclave.
    pub sgx: Option<SgxIdentity>,
    /// As a TDX trust domain.
    pub tdx: Option<TdxIdentity>,
    /// As an SNP guest.
    pub snp: Option<SnpIdentity>,
    /// As firmware of an NVIDIA device.
    pub nvidia: Option<NvidiaIdentity>,
    /// What a virtual TPM must have measured: PCRs of the SHA-256 bank. Evidence from a virtual TPM is accepted only if
    /// at least one is named, since the hardware then measures a paravisor that all VMs share.
    pub pcrs: BTreeMap<u8, Hex<32>>,
    /// Whether the host may read and change it.
    pub debug: bool,
    /// Statuses of an Intel platform that will do.
    pub accepted_tcb_statuses: Vec<TcbStatus>,
    /// Advisories that may apply to an Intel platform, whatever its status; none named: any.
    pub accepted_advisories: Option<Vec<String>>,
}

impl Package {
    /// A package without any identity, as strict as it can be: no debug, and statuses UpToDate and SWHardeningNeeded.
    /// It admits nobody until an identity is named.
    pub fn strict(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sgx: None,
            tdx: None,
            snp: None,
            nvidia: None,
            pcrs: BTreeMap::new(),
            debug: false,
            accepted_tcb_statuses: vec![TcbStatus::UpToDate, TcbStatus::SWHardeningNeeded],
            accepted_advisories: None,
        }
    }

    fn check(&self, claims: &Claims, findings: &mut Findings<'_>) {
        match claims {
            Claims::Sgx { report, platform } => {
                sgx::check(self, report, findings);
                tcb::check(self, platform, findings);
            }
            Claims::Tdx { report, platform, pcrs } => {
                tdx::check(self, report, findings);
                vtpm::check(self, pcrs.as_ref(), findings);
                tcb::check(self, platform, findings);
            }
            Claims::Snp { report, platform, pcrs } => {
                snp::check(self, report, platform, findings);
                vtpm::check(self, pcrs.as_ref(), findings);
            }
            Claims::Nvidia { report, on_hold, .. } => {
                nvidia::check(self, report, on_hold.as_deref(), findings);
            }
        }
    }
}

impl Policy {
    /// Holds what was proved against this.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub(crate) fn check(&self, genuine: &Genuine) -> Result<(), Refusal> {
        let mut findings = Findings::new(&self.package.name);
        self.package.check(genuine.claims(), &mut findings);
        infrastructure::check(&self.infrastructures, genuine, &mut findings);
        findings.finish()
    }
}

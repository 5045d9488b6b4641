//! The rules for SGX enclaves: those of a manifest's packages as they always were.

use super::{Findings, Package};
use crate::bytes::Hex;
use crate::sgx::EnclaveReport;

/// Which enclave is wanted: `unique_id`, or `signer_id`, `product_id` and `security_version` together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SgxIdentity {
    /// MRENCLAVE.
    pub unique_id: Option<Hex<32>>,
    /// MRSIGNER.
    pub signer_id: Option<Hex<32>>,
    /// ISVPRODID.
    pub product_id: Option<u16>,
    /// The least ISVSVN.
    pub security_version: Option<u16>,
}

impl SgxIdentity {
    fn is_complete(&self) -> bool {
        let by_signer =
            self.signer_id.is_some() && self.product_id.is_some() && self.security_version.is_some();
        self.unique_id.is_some() || by_signer
    }
}

pub(super) fn check(package: &Package, report: &EnclaveReport, findings: &mut Findings<'_>) {
    match package.sgx.as_ref().filter(|identity| identity.is_complete()) {
        Some(wanted) => {
            findings.equal("UniqueID", wanted.unique_id.as_ref(), &report.mrenclave);
            findings.equal("SignerID", wanted.signer_id.as_ref(), &report.mrsigner);
            findings.equal("ProductID", wanted.product_id.as_ref(), &report.isvprodid);
            findings.at_least("SecurityVersion", wanted.security_version.as_ref(), &report.isvsvn);
        }
        None => findings.of_package(
            "UniqueID",
            format!("an SGX enclave with UniqueID {} and SignerID {}", report.mrenclave, report.mrsigner),
            "a package that names an SGX enclave".to_owned(),
            "name its UniqueID, or its SignerID, ProductID and SecurityVersion",
        ),
    }
    findings.debug(package.debug, report.is_debug(), "a debug enclave, whose memory the host can read");
}

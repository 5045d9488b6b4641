//! What evidence says of itself, for people who inspect it. Nothing of it is verified, and the type says so.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::azure::{AzureEvidence, Hardware, TpmQuote};
use crate::bytes::Hex;
use crate::collateral::claimed_platform;
use crate::dcap::{Body, PckExtensions, Quote};
use crate::error::Malformed;
use crate::evidence::Evidence;
use crate::nvidia::{NvidiaEvidence, SpdmReport};
use crate::sgx::EnclaveReport;
use crate::snp::{Product, SnpReport, VekIdentity};
use crate::tdx::TdReport;

/// What evidence claims. **Nothing here was verified**: anybody can write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[serde(tag = "tee", rename_all = "lowercase")]
pub enum Unverified {
    /// An SGX enclave's quote.
    Sgx {
        /// Version of the quote's format.
        quote_version: u16,
        /// Whether the host can read the enclave.
        debug: bool,
        /// The enclave's report.
        #[serde(flatten)]
        report: EnclaveReport,
        /// The platform, if the quote carries its PCK certificate.
        #[serde(skip_serializing_if = "Option::is_none")]
        platform: Option<PckExtensions>,
    },
    /// A TDX trust domain's quote.
    Tdx {
        /// Version of the quote's format.
        quote_version: u16,
        /// Whether the host can read the TD.
        debug: bool,
        /// The TD's report.
        #[serde(flatten)]
        report: Box<TdReport>,
        /// The platform, if the quote carries its PCK certificate.
        #[serde(skip_serializing_if = "Option::is_none")]
        platform: Option<PckExtensions>,
    },
    /// An SNP guest's report.
    Snp {
        /// Whether the host can read the guest.
        debug: bool,
        /// The product line, if the report says.
        #[serde(skip_serializing_if = "Option::is_none")]
        product: Option<Product>,
        /// What the certificate says that the host gave beside the report, if it is for this chip and TCB.
        #[serde(skip_serializing_if = "Option::is_none")]
        certificate: Option<VekIdentity>,
        /// The report.
        #[serde(flatten)]
        report: Box<SnpReport>,
    },
    /// A virtual TPM's quote on Azure.
    Azure {
        /// Version of the paravisor's report.
        hcl_version: u32,
        /// SHA-256 of its runtime data, which the hardware report carries.
        runtime_data_sha256: Hex<32>,
        /// What the virtual TPM quoted.
        #[serde(flatten)]
        quote: TpmQuote,
        /// The values of the PCRs.
        pcrs: BTreeMap<u8, Hex<32>>,
        /// The paravisor's description of the VM.
        vm_configuration: serde_json::Value,
        /// What the guest told the paravisor.
        user_data: String,
        /// The hardware report below.
        hardware: Box<Unverified>,
    },
    /// An NVIDIA device's report.
    Nvidia {
        /// The report.
        #[serde(flatten)]
        report: SpdmReport,
    },
}

/// Reads evidence and says what it claims.
///
/// # Errors
/// If it cannot be read.
pub fn describe(evidence: &[u8]) -> Result<Unverified, Malformed> {
    Ok(match Evidence::parse(evidence)? {
        Evidence::Intel(quote) => intel(*quote),
        Evidence::Snp(evidence) => snp(evidence.report.fields, evidence.vek.as_deref()),
        Evidence::Azure(evidence) => azure(*evidence),
        Evidence::Nvidia(evidence) => nvidia(*evidence),
    })
}

fn intel(quote: Quote) -> Unverified {
    let (quote_version, platform) = (quote.version, claimed_platform(&quote).ok());
    match quote.body {
        Body::Sgx(report) => Unverified::Sgx { quote_version, debug: report.is_debug(), report, platform },
        Body::Tdx(report) => {
            Unverified::Tdx { quote_version, debug: report.attributes().is_debug(), report, platform }
        }
    }
}

fn snp(report: SnpReport, vek: Option<&[u8]>) -> Unverified {
    let (debug, product) = (report.policy.allows_debug(), report.product());
    let certificate = vek.and_then(|der| VekIdentity::unverified(der).ok());
    Unverified::Snp { debug, product, certificate, report: Box::new(report) }
}

fn azure(evidence: AzureEvidence) -> Unverified {
    let hardware = match evidence.hardware {
        Hardware::Snp { report, .. } => snp(report.fields, None),
        Hardware::Tdx(quote) => intel(*quote),
    };
    Unverified::Azure {
        hcl_version: evidence.hcl.version,
        runtime_data_sha256: evidence.hcl.runtime_data_digest(),
        quote: evidence.quote,
        pcrs: (0..).zip(evidence.pcrs).collect(),
        vm_configuration: evidence.hcl.claims.vm_configuration,
        user_data: evidence.hcl.claims.user_data,
        hardware: Box::new(hardware),
    }
}

fn nvidia(evidence: NvidiaEvidence) -> Unverified {
    Unverified::Nvidia { report: evidence.report }
}

//! Azure's confidential VMs: a paravisor (HCL) gets the hardware report, whose report data is the hash of its runtime
//! data; there stands the key of a virtual TPM (AK); and that TPM's quote carries the guest's nonce and its PCRs.
//!
//! So the hardware measures the paravisor, which is the same in every such VM, and the PCRs measure the guest: a policy
//! must name PCRs.

mod check;
mod evidence;
mod hcl;
mod tpm;

pub use tpm::TpmQuote;

pub(crate) use check::check;
pub(crate) use evidence::{AzureEvidence, Hardware};

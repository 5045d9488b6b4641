//! AMD SEV-SNP: attestation reports and the keys that sign them (AMD SEV-SNP ABI 56860, section 7.3; AMD VCEK 57230).
//!
//! Reports are checked over the raw bytes that were sent, reserved ones included.

mod check;
mod collateral;
mod evidence;
mod report;
mod table;
mod tcb;
mod validity;
mod vek;

pub use collateral::AmdCollateral;
pub use evidence::with_certificate;
pub use report::{GuestPolicy, SigningKey, SnpReport};
pub use tcb::{Product, SnpTcb};
pub use vek::VekIdentity;

pub(crate) use check::{Endorsement, check};
pub(crate) use evidence::SnpEvidence;
pub(crate) use report::Report;
pub(crate) use validity::validity;

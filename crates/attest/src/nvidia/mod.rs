//! NVIDIA's confidential GPUs and switches: SPDM measurements (DMTF DSP0274, 1.1), signed by the device.
//!
//! Golden measurements (RIM) and the OCSP responder's word are not looked up here; a policy names measurements, and the
//! collateral names devices that are on hold.

mod check;
mod evidence;
mod report;

use serde::{Deserialize, Serialize};

pub use report::{SpdmReport, SpdmVersions};

pub(crate) use check::check;
pub(crate) use evidence::NvidiaEvidence;

/// What is needed beside a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvidiaCollateral {
    /// The device's certificates in PEM, the leaf first; needed where the evidence does not carry them.
    #[serde(default)]
    pub certificate_chain: String,
    /// Serial numbers, in hexadecimal, of certificates that NVIDIA's OCSP responder reports as revoked or on hold.
    #[serde(default)]
    pub revoked_serials: Vec<String>,
}

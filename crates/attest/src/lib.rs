//! Is this evidence genuine, and does it satisfy the policy?
//!
//! One verification path, in two steps with a type each. [`Appraisal::genuine`] takes evidence, the [`Binding`] that it
//! must carry, the vendors' [`Collateral`] and [`Roots`] and the time, and gives a [`Genuine`]: the cryptographic
//! outcome. [`Genuine::accept`] holds it against a [`policy::Policy`] and gives a [`Verified`], which only this room can
//! make. There is no verification without a binding, and no root that nobody named.
//!
//! [`log`] judges proofs about a Coordinator's history.
//!
//! This room never opens a socket, a file or a clock, and knows no other room.

pub mod era;
pub mod log;
pub mod policy;

mod azure;
mod binding;
mod bytes;
mod collateral;
mod dcap;
mod describe;
mod error;
mod evidence;
mod genuine;
mod memory;
mod nvidia;
mod roots;
mod sgx;
mod snp;
mod tdx;
mod verified;
mod verifier;
mod x509;

pub use azure::TpmQuote;
pub use binding::Binding;
pub use bytes::Hex;
pub use collateral::{Collateral, Needs, PublicationNumber, Validity, needs};
pub use dcap::{IntelCollateral, ParseTcbStatusError, PckAuthority, PckExtensions, TcbStatus};
pub use describe::{Unverified, describe};
pub use error::{EvidenceError, Failure, Malformed, RevocationListFault};
pub use genuine::{AmdPlatform, Appraisal, Claims, Genuine, IntelPlatform};
pub use memory::Memory;
pub use nvidia::{NvidiaCollateral, SpdmReport, SpdmVersions};
pub use roots::{Roots, RootsError, Vendor};
pub use sgx::{DebugMode, EnclaveReport, EnclaveSignature, Sigstruct};
pub use snp::{
    AmdCollateral, GuestPolicy, Product, SigningKey, SnpReport, SnpTcb, VekIdentity, with_certificate,
};
pub use tdx::{TdAttributes, TdReport, TdReport15, TdReport15Extended};
pub use verified::{Origin, Verified};
pub use verifier::{SimulationVerifier, Verifier};

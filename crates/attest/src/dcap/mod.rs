//! Intel DCAP: quotes of SGX enclaves and TDs, verified with the collateral that Intel publishes.
//!
//! dcap-qvl does the cryptography and Intel's rules. Around it stands what it leaves to its caller: whose root it is,
//! the quote's own certificate chain and no other, thisUpdate of revocation lists, versions, trailing bytes, and a name
//! for each failure. What does not depend on the report alone is remembered ([`crate::memory`]).

mod check;
mod collateral;
mod pck;
mod provider;
mod quote;
mod refusal;
mod tcb;
mod validity;

pub use collateral::IntelCollateral;
pub use pck::{PckAuthority, PckExtensions};
pub use tcb::{ParseTcbStatusError, TcbStatus};

pub(crate) use check::{Endorsement, check};
pub(crate) use quote::{Body, Quote};
pub(crate) use validity::validity;

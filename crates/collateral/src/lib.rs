//! Fetch and keep what vendors publish about platforms: certificates, revocation lists and rules.
//!
//! [`Service`] answers from what it keeps, within its validity, and fetches the rest from Intel's PCS or a PCCS and from
//! AMD's KDS ([`Sources`] says where). Nothing is kept that `attest` does not hold for genuine and valid, whoever sent
//! it; so neither the service at the other end nor the folder on disk nor a [`Bundle`] is trusted. What strangers can
//! cause by naming platforms is bounded.
//!
//! This room decides nothing about evidence. It never reads the clock, the environment or a configuration file: whoever
//! calls it hands in the time, and the texts that [`Sources::choose`] reads.

mod address;
mod bundle;
mod cache;
mod error;
mod fetch;
mod flights;
mod folder;
mod http;
mod key;
mod patience;
mod qcnl;
mod service;
mod sources;
mod tls;

pub use address::Address;
pub use bundle::{Bundle, Entry, Refused};
pub use error::CollateralError;
pub use http::Limits;
pub use key::Key;
pub use service::{Kept, Options, REFRESH, Service};
pub use sources::{Choice, Chosen, Origin, Sources};

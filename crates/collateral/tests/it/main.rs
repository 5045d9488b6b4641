//! The service against a local server that answers as a PCCS and a KDS do, with recorded collateral and with a vendor
//! made here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod amd;
mod answers;
mod bounds;
mod bundles;
mod https;
mod keeping;
mod recorded;
mod server;
mod vendor;

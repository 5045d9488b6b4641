//! Tests of the room at its boundary: the fault classes of docs/threats.md that are evidence's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests: what is not as expected fails them"
)]

#[path = "../vectors/case.rs"]
mod case;
#[path = "../vectors/vendor.rs"]
mod vendor;

mod binding;
mod collateral;
mod differential;
mod extended;
mod mutation;
mod policy;
mod recorded;
mod sigstruct;
mod trust;

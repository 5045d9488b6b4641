//! The software TEE, seen from outside: its evidence by independent verifiers, its socket by a program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod amd;
mod changes;
mod collateral;
mod devices;
mod drivers;
mod intel;
mod qvl;
mod socket;
mod tpm;
mod verifier;
mod world;

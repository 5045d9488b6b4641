//! The program as a process, against real Coordinators, attackers and full disks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod attested;
mod check;
mod desk;
mod emulator;
mod evidence;
mod expected;
mod fresh;
mod history;
mod issuer;
mod lab;
mod output;
mod packages;
mod recovery;
mod secrets;
mod tokens;
mod trust;
mod updates;
mod usage;
mod verified;
mod yaml;

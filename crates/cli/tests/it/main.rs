//! The program as a process, against real Coordinators, attackers and full disks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod attested;
mod check;
mod clocks;
mod desk;
mod emulator;
mod evidence;
mod expected;
mod fresh;
mod history;
mod issuer;
mod lab;
mod neighbours;
mod output;
mod packages;
mod pccs;
mod private;
mod recovery;
mod revoked;
mod scene;
mod secrets;
mod sign_quote;
mod stapled;
mod tokens;
mod trust;
mod updates;
mod usage;
mod verified;
mod yaml;

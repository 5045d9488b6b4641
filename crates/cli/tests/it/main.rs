//! The program as a process, against real Coordinators, attackers and full disks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod check;
mod desk;
mod history;
mod output;
mod recovery;
mod secrets;
mod trust;
mod usage;
mod yaml;

//! The stores, driven from outside.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests fail as tests do"
)]

mod crash;
mod engines;
mod file;
mod full_disk;
mod model;

/// Past the capture of test output: what is skipped must be seen.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

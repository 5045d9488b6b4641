//! The Coordinator under bad luck and bad callers: real processes, sockets, files and clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod azure;
mod counters;
mod crash;
mod disk;
mod emojivoto;
mod floods;
mod growth;
mod holders;
mod hsm;
mod huge;
mod leaks;
mod logins;
mod real_parts;
mod recovery;
mod recovery_faults;
mod running;
mod sealed_files;
mod slow_keys;
mod starts;
mod update_faults;
mod updates;
mod users;
mod v3;
mod versions;

/// Past the capture of test output: what is skipped or measured must be seen.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

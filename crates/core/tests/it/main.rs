//! Tests of the core at its boundary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail loudly and say what they skip"
)]

mod certificates;
mod costs;
mod facts;
mod go;
mod lifecycle;
mod log;
mod openssl;
mod secrets;
mod updates;
mod users;

/// Past the capture of test output: what is skipped must be seen.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

//! A marble at its boundary: real TCP, TLS, gRPC, files and processes, against a small Coordinator made for tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what cannot run on a machine says so")]

mod activate;
mod challenge;
mod coordinator;
mod counters;
mod go;
mod library_os;
mod premain;
mod tls;

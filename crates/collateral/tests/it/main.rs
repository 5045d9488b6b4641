//! The service against a local server that answers as a PCCS and a KDS do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

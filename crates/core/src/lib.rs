//! The decisions of the Coordinator: lifecycle, activation, secrets, certificates, and the journal's format.
//!
//! Everything here is a function from values to values. There are no sockets, files, clocks or async: the time,
//! keys and evidence verifiers are arguments.

mod encoding;
pub mod journal;
pub mod keys;
pub mod pki;
pub mod recovery;
pub mod secrets;

//! The Coordinator as a service: configuration, sockets, the writer, the two APIs.
//!
//! Decisions are made in the core room; this room moves bytes, time and keys to it and its answers back. See
//! [`app::App`] for start-up, [`service::Coordinator`] for the use cases, [`writer`] for how state changes.

mod admissions;
pub mod app;
pub mod attestation;
pub mod bounded;
pub mod challenge;
pub mod config;
mod connections;
mod events;
mod failure;
mod grpc;
pub mod hsm;
mod http;
pub mod invitation;
pub mod key_pool;
pub mod ledger;
mod listen;
pub mod logging;
mod metrics;
mod observe;
mod quote;
mod recovery;
mod renewal;
pub mod sealing;
pub mod service;
mod slow;
mod spki;
mod tls;
mod traffic;
pub mod update;
mod wanted;
pub mod writer;

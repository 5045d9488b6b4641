//! The marble service, package `rpc`.
//!
//! `rpc.rs` is generated from `proto/marble.proto` with tonic-prost-build 0.14 over protox 0.9
//! (`btree_map(".")`, `build_transport(false)`), and committed so that no build needs a compiler of protocol buffers.

#[allow(missing_docs, unreachable_pub, clippy::all)]
#[rustfmt::skip]
mod rpc;

pub use rpc::*;

//! The wire: what stands in requests and answers, and nothing of what it means.
//!
//! [`grpc`] is the marbles' service; [`rest`] holds the bodies of the client API, versions 1 and 2;
//! with the feature `client`, [`client`] calls that API.

#[cfg(feature = "client")]
pub mod client;
pub mod grpc;
pub mod rest;
#[cfg(feature = "tls")]
pub mod tls;

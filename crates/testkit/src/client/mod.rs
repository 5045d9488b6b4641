//! The other side of the Coordinator's listeners: HTTPS, gRPC and bare TLS clients.
//!
//! They verify no server certificate, as the recorded exchanges did not: what a test wants to know about a certificate
//! it states as a fact. Never to be used outside tests.

pub mod grpc;
pub mod http;
pub mod tls;

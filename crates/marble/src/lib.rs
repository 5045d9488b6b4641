//! SDK and runtime for workloads ("marbles").
//!
//! A marble starts, shows the Coordinator what it is ([`activate`]), and receives what its manifest entry says: files,
//! environment, arguments and a certificate of the mesh. The program `marblerun-premain` does that for any program and
//! then becomes it; a program written for the mesh builds its TLS configuration with [`tls::Credentials`] and learns
//! who its peer is with [`tls::PeerIdentity`].
//!
//! **What is proved to whom.** The Coordinator learns what the marble is, from evidence bound to the marble's TLS key.
//! The marble learns who the Coordinator is if its image says what to expect ([`Config::coordinator_era`]). Otherwise it
//! has nothing to verify the Coordinator against: a host can feed it parameters of its own, and such a marble ends up in
//! the host's mesh, never in the genuine one, whose members and users refuse it.
//!
//! # A program that knows of the mesh
//!
//! ```no_run
//! use marblerun_marble::tls::{Credentials, PeerIdentity};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Started by marblerun-premain, which has put the credentials into the environment.
//! let credentials = Credentials::from_variables(|name| std::env::var(name).ok())?;
//! let config = credentials.server_config()?; // admits members of the mesh only
//! # let session = rustls::ServerConnection::new(config.into())?;
//! // After the handshake: which member is it?
//! let peer = PeerIdentity::proved_by(session.peer_certificates().unwrap_or_default())?;
//! if peer.marble_type != "frontend" {
//!     return Err("this service is for the frontend only".into());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! This room never reads the clock or the environment (both are arguments), and never logs a parameter's value.

mod activation;
mod config;
mod connection;
mod coordinator;
mod counters;
mod files;
mod identity;
mod parameters;
mod retry;
mod start;
pub mod tls;
mod uuid_file;

pub use activation::{Activation, ActivationError, activate, activate_blocking};
pub use config::{Address, Config, ConfigError, Names, VARIABLES};
pub use coordinator::CoordinatorError;
pub use counters::{COORDINATOR_ROOT_CA, CounterError, Counters};
pub use files::{FileError, write_files};
pub use identity::{Identity, IdentityError};
pub use parameters::{Parameters, TTLS_BY_PROGRAM, TTLS_CONFIG};
pub use retry::Patience;
pub use start::{Program, StartError, TransparentTls};
pub use uuid_file::{UuidFileError, load_or_create};

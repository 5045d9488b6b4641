//! The decisions of the Coordinator: lifecycle, activation, secrets, certificates, and the journal's format.
//!
//! Everything here is a function from values to values. There are no sockets, files, clocks or async: the time,
//! keys and evidence verifiers are arguments.
//!
//! [`decide()`] turns a [`Command`] into [`Event`]s, [`apply`] turns events into the next [`State`]; there is no other
//! way for state to change.

mod access;
pub mod activation;
mod counters;
mod decide;
mod encoding;
mod event;
pub mod journal;
pub mod keys;
mod log;
mod marble;
pub mod pki;
pub mod policy;
pub mod recovery;
mod refusal;
pub mod secrets;
mod setup;
mod state;
pub mod update;
mod upload;
mod user;

pub use access::{Access, Accesses};
pub use counters::{CounterId, Counters, MAX_COUNTER_NAME, MAX_COUNTERS};
pub use decide::{Command, decide, recover};
pub use event::{
    Event, ReplayError, Stored, apply, decode_events, decode_snapshot, encode_events, encode_snapshot,
};
pub use log::{History, LogKey, LogLine, RangeError, iso8601, milliseconds};
pub use marble::ActiveMarble;
pub use refusal::Refusal;
pub use setup::{Abilities, Prepared, prepare};
pub use state::{Chain, Deployment, Phase, Previous, Recovery, State};
pub use upload::{read_secrets, upload_secrets};
pub use user::User;

//! Updates: what a user may send, what waits for acknowledgements, and what takes effect in one step.
//!
//! An update of packages, or a manifest that one user may set alone, takes effect at once. Otherwise the manifest waits
//! ([`Pending`]) until enough of those who may update have sent the identical bytes; the last acknowledgement and the
//! change are one event. Everything slow is made before the decision ([`prepare_update`]) and is void if the deployment
//! changed meanwhile.

mod apply;
mod decide;
mod pending;
mod prepare;

pub use apply::{Change, Updated};
pub(crate) use decide::{acknowledge, apply_update, cancel, propose};
pub use pending::{Pending, Standing};
pub use prepare::{
    Making, PreparedUpdate, Ready, Rekey, Sent, begin_acknowledgement, begin_update, needs_new_key,
    prepare_update,
};

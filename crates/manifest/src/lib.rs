//! What an operator writes, and what it means.
//!
//! A manifest is read in two stages: [`mod@written`] mirrors the JSON document as it was typed, and
//! [`Manifest`] is what it means once every check has passed. A `Manifest` cannot exist unchecked: its only
//! constructor is [`Manifest::parse`]. Nothing downstream validates again.
//!
//! This room never opens a file, a socket or a clock, and knows no other room.

mod check;
pub mod diff;
mod finding;
mod json;
mod model;
pub mod template;
mod update;
pub mod written;

pub use check::{Checked, ManifestErrors};
pub use finding::{Finding, Position};
pub use model::*;
pub use update::{PackageUpdate, Update};

//! For tests: fixtures with provenance, programs on port 0, and the runner of recorded scenarios.

pub mod client;
pub mod golden;
pub mod impostor;
pub mod program;
pub mod scenario;

//! The program as a process.

mod usage;

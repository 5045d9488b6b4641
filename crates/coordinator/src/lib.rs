//! coordinator

pub mod key_pool;

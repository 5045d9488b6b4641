//! The stores, driven from outside.

mod crash;
mod engines;
mod file;
mod full_disk;
mod model;

//! The program as a process, against real Coordinators, attackers and full disks.

mod check;
mod desk;
mod output;
mod recovery;
mod trust;
mod usage;

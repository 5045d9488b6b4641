//! The `marblerun` command line: what an operator does with a Coordinator.
//!
//! One file per command under [`commands`]. Results go to standard output, everything for the eye alone (warnings,
//! progress) to standard error. The exit code is 0 or 1 and nothing else. A command that verifies the Coordinator
//! sends nothing to it before it has done so.

pub mod args;
pub mod cache;
mod collateral;
pub mod commands;
mod console;
pub mod document;
mod enclave;
pub mod era;
mod failure;
pub mod file;
mod flags;
pub mod places;
mod recovery_key;
mod token;
mod trust;
pub mod yaml;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::error::ErrorKind;

pub use args::command_tree;
pub use enclave::EnclaveError;
pub use failure::Failure;

/// What a run takes from its process, so that nothing below reads clock or environment.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The time.
    pub now: SystemTime,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub cache_home: Option<PathBuf>,
    /// `EDG_PCCS_URL`.
    pub pccs_url: Option<String>,
    /// `EDG_KDS_URL`.
    pub kds_url: Option<String>,
    /// `EDG_COLLATERAL_CA`.
    pub collateral_ca: Option<PathBuf>,
    /// `EDG_EMULATOR`.
    pub emulator: Option<PathBuf>,
    /// Whether `OE_SIMULATION` is 1.
    pub simulation: bool,
    /// The root of the file system, below which the machine is looked at.
    pub root: PathBuf,
}

/// Runs one command line, program name included, and says how it ended: 0, or 1 for every failure.
pub fn run(args: impl IntoIterator<Item = OsString>, surroundings: Surroundings) -> ExitCode {
    let outcome = match args::parse(args) {
        Ok(cli) => execute(cli, surroundings),
        Err(error) => usage(&error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                console::note(&format!("Error: {failure}"));
            }
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: args::Cli, surroundings: Surroundings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::Io { doing: "starting the network runtime".into(), source })?;
    let outcome = runtime.block_on(commands::execute(cli, surroundings));
    // A name lookup that outlives its time-out runs on a thread of its own; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

/// Help that was asked for is a success, everything else that the parser says is a failure (clap would say 2).
fn usage(error: &clap::Error) -> Result<(), Failure> {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => console::print(&text.to_string()),
        _ => {
            console::note(text.to_string().trim_end());
            Err(Failure::Said)
        }
    }
}

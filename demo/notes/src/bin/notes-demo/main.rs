//! `cargo demo`: a Coordinator, two marbles, strangers, a crash, an update and a recovery, explained on one page.
//!
//! Everything runs on this machine, on free ports, in a temporary folder that is removed at the end. Nothing is left
//! behind: each child is its own process group, killed when its owner is dropped (also on Ctrl-C), and the kernel
//! kills the children if this process itself is killed.

mod changes;
mod lab;
mod operator;
mod owners;
mod page;
mod process;
mod programs;
mod stage;
mod story;
mod stranger;
mod tether;
mod versions;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::page::Page;

/// Shows a notes service and its client as marbles of one mesh, from manifest to recovery.
#[derive(Parser)]
#[command(name = "notes-demo", version)]
struct Arguments {
    /// Leave the folder with logs, state and encrypted notes
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    if let Some(code) = tether::if_asked() {
        return code;
    }
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thread only: children are bound to the life of the thread that starts them.
#[tokio::main(flavor = "current_thread")]
async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let page = Page::new(colour());
    tokio::select! {
        biased;
        number = stop_signal() => {
            let _ = writeln!(std::io::stderr(), "\nStopped by signal {}; nothing is left running.", number?);
            Ok(ExitCode::from(130))
        }
        told = story::tell(page, arguments.keep) => told.map(|()| ExitCode::SUCCESS),
    }
}

#[allow(clippy::disallowed_methods, reason = "the program's main reads the environment")]
fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The first signal that asks this process to end.
async fn stop_signal() -> std::io::Result<i32> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(SignalKind::interrupt().as_raw_value()),
        _ = terminate.recv() => Ok(SignalKind::terminate().as_raw_value()),
        _ = hang_up.recv() => Ok(SignalKind::hangup().as_raw_value()),
    }
}

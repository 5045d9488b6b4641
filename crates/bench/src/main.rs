//! `marblerun-bench`: what an activation costs a Coordinator, beside a floor server that does nothing but the same cryptography.
//!
//! It opens a new mutual TLS connection for every activation, as marbles do, and reports activations per second, latencies,
//! the server's CPU time per activation and its memory. It knows the wire only: any Coordinator can be measured.
//! It never judges certificates or evidence (it measures a server, it does not trust it), and talks to loopback
//! unless told otherwise.

mod activation;
mod cli;
mod floor;
mod http_client;
mod identity;
mod lab;
mod load;
mod manifests;
mod measure;
mod output;
mod pinning;
mod procfs;
mod report;
mod run;
mod server;
mod tls;
mod user;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match perform(cli) {
        Ok(code) => code,
        Err(error) => {
            output::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(cli: Cli) -> anyhow::Result<ExitCode> {
    runtime(&cli.command)?.block_on(async {
        tokio::select! {
            result = command(cli.command) => result,
            // Dropping the work kills the servers that it started and removes their folders.
            result = stop_requested() => result.map(|()| ExitCode::from(130)),
        }
    })
}

async fn command(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => run::run(arguments).await,
        Command::Load(arguments) => run::load(arguments).await,
        Command::Floor(arguments) => floor::serve(arguments).await.map(|()| ExitCode::SUCCESS),
    }
}

/// The load generator and a floor server on one core need no second thread, and are cheaper without one.
fn runtime(command: &Command) -> anyhow::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = match command {
        Command::Floor(_) if cores > 1 => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build().context("start the async runtime")
}

async fn stop_requested() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

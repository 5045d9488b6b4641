//! `marblerun-coordinator`: reads flags and environment, then runs until it is told to stop.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser as _;
use marblerun_coordinator::app::App;
use marblerun_coordinator::bounded;
use marblerun_coordinator::config::{Config, Flags};
use marblerun_coordinator::logging;
use marblerun_tee::Wish;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[allow(clippy::disallowed_methods, reason = "the program's main is where clock and environment are read")]
fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let flags = Flags::try_parse().unwrap_or_else(|error| {
        let _ = error.print();
        std::process::exit(i32::from(error.use_stderr()));
    });
    gather_entropy();
    let folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
    let qcnl = qcnl(Path::new(QCNL));
    let qcnl = qcnl.as_ref().map(|text| text.as_deref().map_err(String::as_str));
    match Config::parse(&flags, &environment, &folder, qcnl)
        .map_err(Into::into)
        .and_then(|c| run(c, SystemTime::now))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

/// The cryptographic library measures the CPU's jitter before it gives its first random byte, which takes most of a
/// start; meanwhile everything that needs none is done.
fn gather_entropy() {
    let gathering = || aws_lc_rs::rand::fill(&mut [0; 1]);
    // If there is no thread to be had, whoever needs the first byte waits for it.
    let _ = std::thread::Builder::new().name("entropy".into()).spawn(gathering);
}

/// Where Intel's libraries are told which PCCS to ask; also ours, if nothing else is said.
const QCNL: &str = "/etc/sgx_default_qcnl.conf";
/// Longer ones are not read, in bytes.
const MOST_QCNL: usize = 1 << 20;

/// Its text, or why it cannot be read; nothing if it is not there.
fn qcnl(path: &Path) -> Option<Result<String, String>> {
    match bounded::read(path, MOST_QCNL) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => {
            let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
            Some(text.map_err(|error| error.to_string()))
        }
    }
}

fn run(config: Config, clock: fn() -> SystemTime) -> anyhow::Result<()> {
    logging::install(&config.log);
    warn_of_less(&config.tee);
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let stop = stop_signal()?;
        App::build(config, clock).await?.run(stop).await
    });
    // Keys that are still being made for callers who left are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

fn warn_of_less(wish: &Wish) {
    match wish {
        Wish::Hardware => {}
        Wish::Simulation => tracing::warn!(
            "SIMULATION: no TEE, no evidence, the state key lies unsealed on disk; for development only"
        ),
        Wish::Emulator { .. } => tracing::warn!(
            "SOFTWARE TEE: its evidence counts where its root is named, and nothing is protected; for development only"
        ),
    }
}

/// On one core a second thread would only be in the way of the first.
fn runtime() -> std::io::Result<Runtime> {
    let mut builder = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Changes on SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<watch::Receiver<()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(());
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests under way are finished");
        let _ = sender.send(());
    });
    Ok(receiver)
}

#[allow(clippy::print_stderr, reason = "the log may not be installed yet")]
fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("marblerun-coordinator: {}", reasons(error));
    ExitCode::FAILURE
}

/// The error and its causes; a cause that its effect already names is not said again.
fn reasons(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for reason in error.chain().map(ToString::to_string) {
        if !text.contains(&reason) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&reason);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write: disk full").context("starting");
        assert_eq!(reasons(&error), "starting: cannot write: disk full");
    }
}

//! The command line: one table that gives parser, help and bounds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  marblerun-bench run                                  every scenario, each on a fresh Coordinator
  marblerun-bench run --scenario plain --seconds 2     plain activations beside the floor server
  marblerun-bench run --format json > bench.json       the same for programs
  marblerun-bench load --address 127.0.0.1:2001 --type web --pid 4711
                                                       any running Coordinator";

/// Measures what activations cost a Coordinator.
#[derive(Debug, Parser)]
#[command(name = "marblerun-bench", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start Coordinators in simulation, measure them beside the floor server, and compare with the goals
    Run(RunArguments),
    /// Activate marbles at a Coordinator that is already running
    Load(LoadArguments),
    /// Serve as the floor: TLS, gRPC and the cryptography of one activation, and nothing else
    Floor(FloorArguments),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArguments {
    /// What to measure; may be given several times [default: everything]
    #[arg(long, value_enum)]
    pub(crate) scenario: Vec<Scenario>,
    /// Load on each server, summed over all rounds
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Rounds in which the servers take turns, so that other work on this machine hits all of them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Activations after which the memory is compared with that of an idle Coordinator
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) activations: u64,
    /// Entries of the log in the scenario `grown`
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pub(crate) entries: u64,
    /// Counters in the scenario `grown`
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    pub(crate) counters: u64,
    /// Connections at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) in_flight: u16,
    /// Key exchange that the marbles offer
    #[arg(long, value_enum, default_value_t = KeyExchange::X25519)]
    pub(crate) key_exchange: KeyExchange,
    /// Coordinator program [default: marblerun-coordinator beside this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) coordinator: Option<PathBuf>,
    /// Where the Coordinators keep their state while they are measured [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArguments {
    /// The Coordinator's address for marbles
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: String,
    /// Process id of the Coordinator, for its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Marble type to activate as; several take turns
    #[arg(long = "type", value_name = "TYPE", required = true)]
    pub(crate) types: Vec<String>,
    /// How long
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// How many, instead of how long
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) activations: Option<u64>,
    /// Connections at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) in_flight: u16,
    /// Key exchange that the marbles offer
    #[arg(long, value_enum, default_value_t = KeyExchange::X25519)]
    pub(crate) key_exchange: KeyExchange,
    /// Allow an address that is not this machine: only for a Coordinator of your own
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FloorArguments {
    /// Where to listen; port 0 takes a free one. The address is printed on the first line
    #[arg(long, default_value = "127.0.0.1:0", value_parser = loopback)]
    pub(crate) listen: SocketAddr,
    /// Ends by itself after so many seconds
    #[arg(long, default_value_t = 3600.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// End when standard input closes, that is with the program that started it
    #[arg(long)]
    pub(crate) tied: bool,
}

/// What `run` can measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// A marble without secrets, files or environment of its own
    Plain,
    /// 1,000 shared symmetric keys that the marble does not use
    SharedSecrets,
    /// 1,000 per-marble symmetric keys that the marble does not use
    MarbleSecrets,
    /// 1,000 per-marble P-256 certificates that the marble does not use
    MarbleCertificates,
    /// 1,000 marble types, activated in turn
    Types,
    /// A type with MaxActivations: each activation is durable before it is answered
    MaxActivations,
    /// Evidence of a software TEE that is verified, instead of simulation
    Evidence,
    /// A per-marble RSA-2048 certificate: a short burst after idle time
    Rsa,
    /// From starting the process to the first answer, and idle memory
    StartUp,
    /// Memory after many activations
    Memory,
    /// One server core against two
    Cores,
    /// Raised counters, memory and a restart with a long history and many counters
    Grown,
    /// Status while RSA-4096 secrets are made and an update is applied
    Busy,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Group that the load generator offers in TLS 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyExchange {
    /// As marbles built before post-quantum key exchange
    X25519,
    /// As marbles built with Go 1.24 or later
    X25519Mlkem768,
}

/// The address to load, refused where it is not this machine and that was not asked for.
pub(crate) async fn target(address: &str, allow_remote: bool) -> anyhow::Result<SocketAddr> {
    let found = tokio::net::lookup_host(address).await?.next();
    let Some(found) = found else { anyhow::bail!("{address} has no address") };
    ensure!(
        allow_remote || found.ip().is_loopback(),
        "{address} is not on this machine; --allow-remote permits it for a Coordinator of your own"
    );
    Ok(found)
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is not a number of seconds"))?;
    let allowed = Duration::from_millis(50).as_secs_f64()..=3600.0;
    if allowed.contains(&seconds) { Ok(seconds) } else { Err("must be between 0.05 and 3600".into()) }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| format!("{text} is not IP:PORT"))?;
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("{text} is not a loopback address")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_table_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bounds() {
        let cases = [
            ("seconds", "marblerun-bench run --seconds 5", true),
            ("no seconds", "marblerun-bench run --seconds 0", false),
            ("endless", "marblerun-bench run --seconds inf", false),
            ("not a number", "marblerun-bench run --seconds NaN", false),
            ("nothing in flight", "marblerun-bench run --in-flight 0", false),
            ("two scenarios", "marblerun-bench run --scenario rsa --scenario plain", true),
            ("load without type", "marblerun-bench load --address 127.0.0.1:2001", false),
            ("floor on the network", "marblerun-bench floor --listen 0.0.0.0:0", false),
        ];
        for (name, line, accepted) in cases {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), accepted, "{name}");
        }
    }
}

//! The command line as a whole: what every command takes, and how it is read.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

use crate::commands::Command;
use crate::flags::with_go_switches;

/// The control plane of confidential computing.
///
/// Set a manifest in a Coordinator, verify what it runs, and manage the marbles' deployment.
#[derive(Debug, Parser)]
#[command(name = "marblerun", disable_version_flag = true, max_term_width = 100)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do; nothing prints the help.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Flags of every command")]
pub struct Global {
    /// Intel advisories to tolerate, whatever TCB status carries them; empty tolerates all
    #[arg(long, global = true, value_delimiter = ',', value_name = "IDS")]
    pub accepted_advisories: Vec<String>,
    /// TCB statuses that the Coordinator's platform may have
    #[arg(
        long,
        global = true,
        value_delimiter = ',',
        value_name = "STATUSES",
        default_value = "UpToDate,SWHardeningNeeded"
    )]
    pub accepted_tcb_statuses: Vec<String>,
    /// Whether the flag above was given, so that it counts before the file of `--era-config`.
    #[arg(skip)]
    pub accepted_tcb_statuses_given: bool,
    /// Bundle with what vendors publish about the Coordinator's platform (`collateral export`), for places without a
    /// network
    #[arg(long, global = true, value_name = "FILE")]
    pub collateral: Option<PathBuf>,
    /// Certificates (PEM) that vouch for collateral services, beside whom the web trusts: those of the authority of a PCCS
    /// of one's own, or its own [default: $EDG_COLLATERAL_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub collateral_ca: Option<PathBuf>,
    /// File that caches the Coordinator's certificates [default: $XDG_CONFIG_HOME/marblerun/coordinator-cert.pem]
    #[arg(long, global = true, value_name = "FILE")]
    pub coordinator_cert: Option<PathBuf>,
    /// JSON file with the expected enclave identity of the Coordinator
    #[arg(long, global = true, value_name = "FILE")]
    pub era_config: Option<PathBuf>,
    /// Skip the verification of quote and certificate: whoever answers is taken for the Coordinator
    #[arg(short, long, global = true)]
    pub insecure: bool,
    /// AMD's key distribution service, or one that answers like it [default: $EDG_KDS_URL, else AMD's]
    #[arg(long, global = true, value_name = "URL")]
    pub kds_url: Option<String>,
    /// Kubernetes namespace of the installation
    #[arg(short, long, global = true, value_name = "NAME", default_value = "marblerun")]
    pub namespace: String,
    /// Fresh value that the quote must cover besides the certificate
    #[arg(long, global = true, value_name = "TEXT")]
    pub nonce: Option<String>,
    /// PCCS that has Intel's collateral [default: $EDG_PCCS_URL, else /etc/sgx_default_qcnl.conf, else Intel's PCS]
    #[arg(long, global = true, value_name = "URL")]
    pub pccs_url: Option<String>,
    /// Write the Coordinator's quote to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub save_sgx_quote: Option<PathBuf>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The tree of commands, for parsing, completion and man pages alike.
#[must_use]
pub fn command_tree() -> clap::Command {
    with_go_switches(Cli::command())
}

/// Reads a command line.
///
/// # Errors
/// What clap finds wrong with it; a request for help is one of these.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = command_tree().try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let given = matches.value_source("accepted_tcb_statuses") == Some(ValueSource::CommandLine);
    cli.global.accepted_tcb_statuses_given = given;
    Ok(cli)
}

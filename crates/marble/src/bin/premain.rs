//! `marblerun-premain`: activates this process as a marble, then becomes the marble's program.
//!
//! In this plain form it runs in a confidential virtual machine or, with `OE_SIMULATION=1`, anywhere. Its command line
//! is part of what the machine's evidence covers, so a program that stands there comes before the manifest's `Argv`.
//!
//! In the enclave of a library operating system (Gramine, Occlum) the command line may be the host's: there it is not
//! read, and the image and the manifest say which program it is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Parser;
use marblerun_marble::{Config, Patience, Program, TransparentTls, VARIABLES, activate_blocking};
use marblerun_tee::{Machine, Wish};
use tracing::warn;

/// Activates a marble and starts its program with the files, environment and arguments that the manifest gives it.
#[derive(Default, Parser)]
#[command(name = "marblerun-premain", version)]
struct Arguments {
    /// The Coordinator's address for marbles [env: EDG_MARBLE_COORDINATOR_ADDR] [default: localhost:2001]
    #[arg(long, value_name = "HOST:PORT")]
    coordinator_addr: Option<String>,

    /// Start only if the Coordinator is the one that this era-config describes; counts for something only if command
    /// line or environment and the file are part of the measured image [env: EDG_MARBLE_COORDINATOR_ERA]
    #[arg(long, value_name = "FILE")]
    coordinator_era: Option<String>,

    /// The marble's entry in the manifest [env: EDG_MARBLE_TYPE]
    #[arg(long = "type", value_name = "TYPE")]
    marble_type: Option<String>,

    /// DNS names and IP addresses for the marble's certificate [env: EDG_MARBLE_DNS_NAMES] [default: localhost]
    #[arg(long, value_name = "NAMES")]
    dns_names: Option<String>,

    /// Where the marble's UUID is kept [env: EDG_MARBLE_UUID_FILE] [default: uuid]
    #[arg(long, value_name = "FILE")]
    uuid_file: Option<String>,

    /// How long to keep trying; 0 tries once [env: EDG_MARBLE_ACTIVATION_TIMEOUT] [default: 5m]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    /// Run without a TEE, for development only: nothing is protected or proved [env: OE_SIMULATION=1]
    #[arg(long)]
    simulation: bool,

    /// Run in the software TEE behind this socket, which protects nothing [env: EDG_EMULATOR]
    #[arg(long, value_name = "SOCKET")]
    emulator: Option<String>,

    /// human or json, on standard error [env: EDG_LOG_FORMAT] [default: human]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,

    /// Start the program even if the marble has TLS tags: it reads MARBLE_TTLS_CONFIG and wraps its connections itself
    #[arg(long)]
    ttls_by_program: bool,

    /// The program and its arguments, instead of the manifest's Argv
    #[arg(trailing_var_arg = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let machine = Machine::this();
    let arguments = match machine.uname.library_os() {
        Some(_) => Arguments::default(),
        None => match Arguments::try_parse() {
            Ok(arguments) => arguments,
            Err(error) => return usage(&error),
        },
    };
    match run(&machine, &arguments) {
        Ok(never) => match never {},
        Err(error) => {
            say(&format!("marblerun-premain: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns only with an error: on success this process has become another program.
fn run(machine: &Machine, arguments: &Arguments) -> anyhow::Result<std::convert::Infallible> {
    let variables = variables(arguments)?;
    start_logging(variables.get(LOG_FORMAT).map(String::as_str))?;
    let here = std::env::current_dir().context("the working directory")?;
    let mut config = Config::from_variables(&variables, &here)?;
    match &mut config.tee {
        Wish::Hardware => {}
        Wish::Simulation => {
            warn!("SIMULATION: this marble runs without a TEE and proves nothing; for development only");
        }
        Wish::Emulator { starts, .. } => {
            warn!("SOFTWARE TEE: nothing is protected; for development only");
            // What is started in this process's place belongs to what it proves. A program that only the manifest names
            // is not known yet.
            starts.extend(arguments.command.first().map(|program| here.join(program)));
        }
    }
    let tee = marblerun_tee::detect_on(machine, &config.tee)?;
    #[allow(clippy::disallowed_methods, reason = "the program's main reads the clock")]
    let now = SystemTime::now();
    let activation = activate_blocking(&config, tee.as_ref(), &Patience::until(config.timeout), now)?;
    let parameters = activation.parameters;
    if let Some(os) = machine.uname.library_os() {
        let own_name = std::env::args_os().next().unwrap_or_default();
        let program = Program::in_library_os(os, &own_name, &parameters);
        return Err(program.start(&parameters, TransparentTls::Unsupported).into());
    }
    if !arguments.command.is_empty() && !parameters.arguments.is_empty() {
        warn!("the program on the command line is started, not the manifest's Argv");
    }
    let ttls =
        if arguments.ttls_by_program { TransparentTls::ByProgram } else { TransparentTls::Unsupported };
    Err(Program::choose(&arguments.command, &parameters).start(&parameters, ttls).into())
}

const LOG_FORMAT: &str = "EDG_LOG_FORMAT";

/// The environment with the flags over it.
fn variables(arguments: &Arguments) -> anyhow::Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for name in VARIABLES.into_iter().chain([LOG_FORMAT]) {
        #[allow(clippy::disallowed_methods, reason = "the program's main reads the environment")]
        if let Some(value) = std::env::var_os(name) {
            let value = value.into_string().ok().with_context(|| format!("{name} is not UTF-8"))?;
            variables.insert(name.to_owned(), value);
        }
    }
    let simulation = arguments.simulation.then(|| "1".to_owned());
    let flags = [
        ("EDG_MARBLE_COORDINATOR_ADDR", &arguments.coordinator_addr),
        ("EDG_MARBLE_COORDINATOR_ERA", &arguments.coordinator_era),
        ("EDG_MARBLE_TYPE", &arguments.marble_type),
        ("EDG_MARBLE_DNS_NAMES", &arguments.dns_names),
        ("EDG_MARBLE_UUID_FILE", &arguments.uuid_file),
        ("EDG_MARBLE_ACTIVATION_TIMEOUT", &arguments.timeout),
        ("OE_SIMULATION", &simulation),
        ("EDG_EMULATOR", &arguments.emulator),
        (LOG_FORMAT, &arguments.log_format),
    ];
    variables.extend(flags.into_iter().filter_map(|(name, flag)| Some((name.to_owned(), flag.clone()?))));
    Ok(variables)
}

/// To standard error, since standard output is the program's.
fn start_logging(format: Option<&str>) -> anyhow::Result<()> {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    match format.unwrap_or("human") {
        "json" => log.json().init(),
        "human" | "" => log.with_ansi(std::io::stderr().is_terminal()).init(),
        other => anyhow::bail!("{LOG_FORMAT}: {other:?} is neither human nor json"),
    }
    Ok(())
}

/// Help goes out with 0; every failure is 1, wrong usage included.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

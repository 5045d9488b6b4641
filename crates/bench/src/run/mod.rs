//! The scenarios: which servers are started, who is loaded when, and what is compared with which goal.
//!
//! Servers that are compared run at the same time and are loaded in turn (A, B, A, B), because this machine may have other
//! work: ratios are medians over these rounds.

mod busy;
mod cores;
mod grown;
mod memory;
mod rates;
mod rsa;
mod start_up;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum as _;

use crate::cli::{self, KeyExchange, LoadArguments, RunArguments, Scenario};
use crate::identity::Identity;
use crate::load::{Target, Until};
use crate::measure::{self, Subject};
use crate::output;
use crate::pinning::{Cpus, Pinning};
use crate::procfs::{self, Memory};
use crate::report::{Report, Row};
use crate::server::{self, Server, Site};

/// What the scenarios share.
struct Bench {
    arguments: RunArguments,
    site: Site,
    identities: Arc<[Identity]>,
}

/// Measures the chosen scenarios. The exit code tells whether they could be measured, not whether goals were reached.
pub(crate) async fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let format = arguments.format;
    let bench = Bench::prepare(arguments).await?;
    let mut report = Report::new()?;
    bench.measure(&mut report).await;
    report.print(format)?;
    Ok(verdict(&report))
}

/// Loads a server that somebody else started.
pub(crate) async fn load(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    let address = cli::target(&arguments.address, arguments.allow_remote).await?;
    let subject = Subject {
        target: Target { address, types: arguments.types.into() },
        pid: arguments.pid,
        cpus: 0..procfs::idle()?.len(),
    };
    let elapsed = Until::Elapsed(Duration::from_secs_f64(arguments.seconds));
    let until = arguments.activations.map_or(elapsed, Until::Count);
    let identities = Identity::several(arguments.in_flight, arguments.key_exchange)?;
    let round = measure::round(&subject, until, &identities).await?;
    let mut report = Report::new()?;
    // A server that ended meanwhile shows in the failures; what was measured before stays.
    let memory = arguments.pid.and_then(|pid| Memory::of(pid).ok());
    report.rows.push(Row::new(arguments.address, &round, memory));
    report.print(arguments.format)?;
    Ok(verdict(&report))
}

fn verdict(report: &Report) -> ExitCode {
    if report.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Bench {
    async fn prepare(arguments: RunArguments) -> anyhow::Result<Self> {
        let pinning = Pinning::detect().await;
        if !pinning.works {
            output::note("processes are not pinned to CPUs here (one CPU, or no taskset): expect noise");
        }
        let site = Site {
            coordinator: server::coordinator_program(arguments.coordinator.as_deref())?,
            folder: arguments.folder.clone().unwrap_or_else(std::env::temp_dir),
            pinning,
            tee: None,
        };
        let identities = Identity::several(arguments.in_flight, arguments.key_exchange)?;
        Ok(Self { arguments, site, identities })
    }

    /// One scenario that cannot be measured does not take the others with it.
    async fn measure(&self, report: &mut Report) {
        self.note(rates::measure(self, report).await, "rates", report);
        for scenario in self.scenarios() {
            let result = match scenario {
                Scenario::Rsa => rsa::measure(self, report).await,
                Scenario::StartUp => start_up::measure(self, report).await,
                Scenario::Memory => memory::measure(self, report).await,
                Scenario::Cores => cores::measure(self, report).await,
                Scenario::Grown => grown::measure(self, report).await,
                Scenario::Busy => busy::measure(self, report).await,
                _ => continue,
            };
            self.note(result, &name(scenario), report);
        }
    }

    fn note(&self, result: anyhow::Result<()>, what: &str, report: &mut Report) {
        if let Err(error) = result {
            report.problems.push(format!("{what}: {error:#}"));
        }
    }

    fn scenarios(&self) -> Vec<Scenario> {
        match self.arguments.scenario.as_slice() {
            [] => Scenario::value_variants().to_vec(),
            chosen => chosen.to_vec(),
        }
    }

    /// One turn of a server: `--seconds` shared among the rounds.
    fn turn(&self) -> Until {
        Until::Elapsed(Duration::from_secs_f64(self.arguments.seconds / f64::from(self.arguments.rounds)))
    }

    /// The load generator leaves the server's CPU alone, unless the server may use all.
    async fn make_room(&self, server: Cpus) {
        let own = if server == Cpus::First { Cpus::Last } else { Cpus::All };
        self.site.pinning.pin_self(own).await;
    }

    fn subject(&self, server: &Server, types: &Arc<[String]>) -> Subject {
        Subject {
            target: Target { address: server.address, types: types.clone() },
            pid: Some(server.pid),
            cpus: self.site.pinning.numbers(server.cpus),
        }
    }

    fn marbles(&self, count: u16) -> anyhow::Result<Arc<[Identity]>> {
        let key_exchange: KeyExchange = self.arguments.key_exchange;
        Identity::several(count, key_exchange)
    }
}

/// As it is written on the command line.
fn name(scenario: Scenario) -> String {
    scenario.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

//! What one activation costs: the floor, a plain marble, and marbles beside much that does not concern them.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, name};
use crate::cli::Scenario;
use crate::identity::Identity;
use crate::lab::Lab;
use crate::load::Until;
use crate::measure::{Round, median, round, together};
use crate::output;
use crate::pinning::Cpus;
use crate::procfs::Memory;
use crate::report::{Report, Row};
use crate::server::{Server, Site, Tee};

const FLOOR: &str = "floor";
const WARM_UP: Until = Until::Elapsed(Duration::from_millis(300));

/// Loads all of them in turn and compares CPU time.
pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let scenarios: Vec<_> = bench.scenarios().into_iter().filter(|&one| goal(one).is_some()).collect();
    if scenarios.is_empty() {
        return Ok(());
    }
    bench.make_room(Cpus::First).await;
    let mut contestants = contestants(bench, &scenarios, report).await?;
    for contestant in &mut contestants {
        round(&bench.subject(&contestant.server, &contestant.types), WARM_UP, &contestant.identities).await?;
    }
    for number in 1..=bench.arguments.rounds {
        output::note(&format!("round {number} of {}", bench.arguments.rounds));
        take_turns(bench, &mut contestants).await?;
    }
    compare(&contestants, report);
    conclude(contestants, report)
}

/// What is compared: against whom, and how much more it may cost.
fn goal(scenario: Scenario) -> Option<(String, f64)> {
    let plain = name(Scenario::Plain);
    match scenario {
        Scenario::Plain => Some((FLOOR.to_owned(), 1.1)),
        Scenario::SharedSecrets | Scenario::MarbleSecrets | Scenario::MarbleCertificates => {
            Some((plain, 1.1))
        }
        Scenario::Types => Some((plain, 1.15)),
        Scenario::MaxActivations => Some((plain, 1.25)),
        Scenario::Evidence => Some((plain, 1.4)),
        Scenario::Rsa
        | Scenario::StartUp
        | Scenario::Memory
        | Scenario::Cores
        | Scenario::Grown
        | Scenario::Busy => None,
    }
}

struct Contestant {
    name: String,
    /// Beside whom it is judged.
    goal: Option<(String, f64)>,
    server: Server,
    types: Arc<[String]>,
    /// Who activates.
    identities: Arc<[Identity]>,
    rounds: Vec<Round>,
    /// Where it runs, if not in simulation.
    _lab: Option<Lab>,
}

/// The floor and the plain marble are always among them: the others are measured against them.
async fn contestants(
    bench: &Bench,
    scenarios: &[Scenario],
    report: &mut Report,
) -> anyhow::Result<Vec<Contestant>> {
    let mut contestants = vec![Contestant {
        name: FLOOR.to_owned(),
        goal: None,
        server: Server::floor(&bench.site, Cpus::First).await?,
        types: vec!["web".to_owned()].into(),
        identities: Arc::clone(&bench.identities),
        rounds: Vec::new(),
        _lab: None,
    }];
    let others = scenarios.iter().copied().filter(|&one| one != Scenario::Plain);
    for scenario in std::iter::once(Scenario::Plain).chain(others) {
        output::note(&format!("starting a Coordinator: {}", name(scenario)));
        match contestant(bench, scenario).await {
            Ok(contestant) => contestants.push(contestant),
            Err(error) => report.problems.push(format!("{}: {error:#}", name(scenario))),
        }
    }
    Ok(contestants)
}

async fn contestant(bench: &Bench, scenario: Scenario) -> anyhow::Result<Contestant> {
    if scenario == Scenario::Evidence {
        return attested(bench).await;
    }
    let setting = crate::manifests::setting(scenario);
    Ok(Contestant {
        name: name(scenario),
        goal: goal(scenario),
        server: Server::coordinator_with(&bench.site, Cpus::First, &setting).await?,
        types: setting.types,
        identities: Arc::clone(&bench.identities),
        rounds: Vec::new(),
        _lab: None,
    })
}

/// The plain marble once more, in a software TEE that the Coordinator has to verify.
async fn attested(bench: &Bench) -> anyhow::Result<Contestant> {
    let lab = Lab::start(&bench.site.folder, &bench.site.coordinator).await?;
    let (package, infrastructure) = lab.package().await?;
    let setting = crate::manifests::attested(&package, &infrastructure);
    let site = Site {
        coordinator: lab.coordinator(),
        folder: bench.site.folder.clone(),
        pinning: bench.site.pinning,
        tee: Some(Tee { socket: lab.socket(), collateral: lab.collateral()? }),
    };
    let (count, key_exchange) = (bench.arguments.in_flight, bench.arguments.key_exchange);
    Ok(Contestant {
        name: name(Scenario::Evidence),
        goal: goal(Scenario::Evidence),
        server: Server::coordinator_with(&site, Cpus::First, &setting).await?,
        types: setting.types,
        identities: Identity::attested(count, key_exchange, &lab).await?,
        rounds: Vec::new(),
        _lab: Some(lab),
    })
}

async fn take_turns(bench: &Bench, contestants: &mut [Contestant]) -> anyhow::Result<()> {
    for contestant in contestants {
        let subject = bench.subject(&contestant.server, &contestant.types);
        contestant.rounds.push(round(&subject, bench.turn(), &contestant.identities).await?);
    }
    Ok(())
}

fn compare(contestants: &[Contestant], report: &mut Report) {
    for contestant in contestants {
        let Some((base, limit)) = &contestant.goal else { continue };
        let Some(base) = contestants.iter().find(|other| &other.name == base) else { continue };
        if let Some(ratio) = cpu_ratio(&contestant.rounds, &base.rounds) {
            let what = format!("CPU of {} / {}", contestant.name, base.name);
            report.at_most(what, ratio, *limit, "x");
        }
    }
}

/// Median over rounds that were neighbours in time.
fn cpu_ratio(rounds: &[Round], base: &[Round]) -> Option<f64> {
    let pairs = rounds.iter().zip(base);
    let ratios = pairs.filter_map(|(round, base)| {
        let (cost, base) = (round.server_cpu_ms()?, base.server_cpu_ms()?);
        (cost > 0.0 && base > 0.0).then(|| cost / base)
    });
    median(ratios.collect())
}

fn conclude(contestants: Vec<Contestant>, report: &mut Report) -> anyhow::Result<()> {
    for contestant in contestants {
        let memory = Memory::of(contestant.server.pid)?;
        report.rows.push(Row::new(contestant.name, &together(contestant.rounds), Some(memory)));
    }
    Ok(())
}

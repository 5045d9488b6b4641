//! What a second core brings. On a small machine the clients need part of both, so what they (and other work) take from
//! the server's cores is discounted, and what the server leaves idle is held against it.

use std::sync::Arc;

use anyhow::ensure;

use super::Bench;
use crate::cli::Scenario;
use crate::manifests::setting;
use crate::measure::{Round, median, round, together};
use crate::output;
use crate::pinning::Cpus;
use crate::procfs::Memory;
use crate::report::{Report, Row};
use crate::server::Server;

const GOAL: f64 = 1.7;

/// One and all cores, for a Coordinator and for the floor, in turn.
pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let cpus = bench.site.pinning.cpus;
    ensure!(bench.site.pinning.works, "needs two CPUs and taskset");
    let setting = setting(Scenario::Plain);
    let mut coordinator = Pair::new(
        Server::coordinator_with(&bench.site, Cpus::First, &setting).await?,
        Server::coordinator_with(&bench.site, Cpus::All, &setting).await?,
    );
    let mut floor = Pair::new(
        Server::floor(&bench.site, Cpus::First).await?,
        Server::floor(&bench.site, Cpus::All).await?,
    );
    output::note("one core against all");
    for _ in 0..bench.arguments.rounds {
        coordinator.round(bench, &setting.types).await?;
        floor.round(bench, &setting.types).await?;
    }
    // Stated for two cores; on more, what each of two would bring.
    report.figure("floor on two cores / one", floor.gain().unwrap_or_default(), "x");
    report.figure("CPU each on all cores / one", coordinator.cost().unwrap_or_default(), "x");
    let gain = coordinator.gain().unwrap_or_default();
    report.at_least("activations/s on two cores / one, clients discounted", gain, GOAL, "x");
    coordinator.conclude("plain", cpus, report)?;
    floor.conclude("floor", cpus, report)
}

/// The same server with one core and with all.
struct Pair {
    servers: [Server; 2],
    rounds: [Vec<Round>; 2],
}

impl Pair {
    fn new(one: Server, all: Server) -> Self {
        Self { servers: [one, all], rounds: [Vec::new(), Vec::new()] }
    }

    async fn round(&mut self, bench: &Bench, types: &Arc<[String]>) -> anyhow::Result<()> {
        for (server, rounds) in self.servers.iter().zip(&mut self.rounds) {
            bench.make_room(server.cpus).await;
            let subject = bench.subject(server, types);
            rounds.push(round(&subject, bench.turn(), &bench.identities).await?);
        }
        Ok(())
    }

    /// Twice what each available core achieves, beside what the only one does.
    fn gain(&self) -> Option<f64> {
        self.median_ratio(Round::per_available_second).map(|ratio| 2.0 * ratio)
    }

    /// What an activation costs more when several cores share the work.
    fn cost(&self) -> Option<f64> {
        self.median_ratio(Round::server_cpu_ms)
    }

    fn median_ratio(&self, value: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        let [one, all] = &self.rounds;
        let ratios = all.iter().zip(one).filter_map(|(all, one)| {
            let (all, one) = (value(all)?, value(one)?);
            (one > 0.0).then(|| all / one)
        });
        median(ratios.collect())
    }

    fn conclude(self, name: &str, cpus: usize, report: &mut Report) -> anyhow::Result<()> {
        for ((server, rounds), cores) in self.servers.iter().zip(self.rounds).zip([1, cpus]) {
            let memory = Memory::of(server.pid)?;
            report.rows.push(Row::new(format!("{name}, CPUs: {cores}"), &together(rounds), Some(memory)));
        }
        Ok(())
    }
}

//! A per-marble RSA-2048 certificate: keys of that kind take 70 ms and more to make, so a Coordinator makes them in idle
//! time. A short burst after such a time must not wait for any.

use super::Bench;
use crate::cli::Scenario;
use crate::load::Until;
use crate::manifests::{Setting, setting};
use crate::measure::{Round, round, together};
use crate::output;
use crate::pinning::Cpus;
use crate::procfs::Memory;
use crate::report::{Report, Row};
use crate::server::Server;

/// Marbles that start together after idle time.
const BURST: u64 = 16;
/// With more at the same time, the median would tell how long they queue for the CPU and nothing about keys.
const IN_FLIGHT: u16 = 2;
const BURSTS: usize = 5;
const GOAL_MS: f64 = 5.0;

/// Bursts at an RSA type, and the same at a plain one.
pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    bench.make_room(Cpus::First).await;
    output::note("bursts of a type with an RSA-2048 certificate");
    let plain = bursts(bench, &setting(Scenario::Plain), "plain, burst", report).await?;
    let rsa = bursts(bench, &setting(Scenario::Rsa), "RSA-2048, burst", report).await?;
    report.figure("p50 of plain in such a burst", plain.quantile_ms(0.5), "ms");
    let what = format!("p50 of RSA-2048 certificates, {BURST} after idle time, {IN_FLIGHT} in flight");
    report.at_most(what, rsa.quantile_ms(0.5), GOAL_MS, "ms");
    Ok(())
}

async fn bursts(bench: &Bench, setting: &Setting, name: &str, report: &mut Report) -> anyhow::Result<Round> {
    let server = Server::coordinator_with(&bench.site, Cpus::First, setting).await?;
    let subject = bench.subject(&server, &setting.types);
    let identities = bench.marbles(IN_FLIGHT)?;
    let mut rounds = Vec::new();
    for _ in 0..BURSTS {
        server.quiet().await?;
        rounds.push(round(&subject, Until::Count(BURST), &identities).await?);
    }
    let sum = together(rounds);
    report.rows.push(Row::new(name, &sum, Some(Memory::of(server.pid)?)));
    Ok(sum)
}

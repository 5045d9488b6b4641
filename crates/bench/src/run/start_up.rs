//! From starting the process to its first answer over TLS, and the memory of one that has nothing to do.

use super::Bench;
use crate::cli::Scenario;
use crate::manifests::setting;
use crate::measure::median;
use crate::output;
use crate::pinning::Cpus;
use crate::procfs::{CpuTime, Memory};
use crate::report::Report;
use crate::server::Server;

const STARTS: usize = 11;
const READY_MS: f64 = 50.0;
const IDLE_MB: f64 = 20.0;

/// Starts it several times; keeps the last for its memory.
pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    bench.make_room(Cpus::First).await;
    output::note("start-up");
    let (mut times, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let (server, _) = Server::coordinator(&bench.site, Cpus::First).await?;
        times.push(server.ready_after.as_secs_f64() * 1e3);
        costs.push(CpuTime::of(server.pid)?.total().as_secs_f64() * 1e3);
    }
    // What does not depend on other work on this machine.
    report.figure("its CPU time until ready", median(costs).unwrap_or_default(), "ms");
    let ready = median(times).unwrap_or_default();
    report.at_most(format!("start to ready, median of {STARTS}"), ready, READY_MS, "ms");
    memory(bench, report).await
}

async fn memory(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let (server, client) = Server::coordinator(&bench.site, Cpus::First).await?;
    report.figure("memory when ready, before a manifest", Memory::of(server.pid)?.resident_mb, "MB");
    client.set_manifest(setting(Scenario::Plain).manifest).await?;
    server.quiet().await?;
    let idle = Memory::of(server.pid)?;
    report.figure("its own part when idle with a manifest", idle.anonymous_mb, "MB");
    report.at_most("memory when idle with a manifest", idle.resident_mb, IDLE_MB, "MB");
    Ok(())
}

//! Whether activations leave anything behind in memory.

use super::Bench;
use crate::cli::Scenario;
use crate::load::Until;
use crate::manifests::setting;
use crate::measure::{Round, Subject, round, together};
use crate::output;
use crate::pinning::Cpus;
use crate::procfs::Memory;
use crate::report::{Report, Row};
use crate::server::Server;

const GROWTH: f64 = 1.2;
/// Parts of the load, in tenths: the first shows what warming up costs, the rest what each activation leaves.
const PARTS: [u64; 3] = [1, 4, 5];

/// Memory before, on the way and after.
pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    bench.make_room(Cpus::First).await;
    let setting = setting(Scenario::Plain);
    let server = Server::coordinator_with(&bench.site, Cpus::First, &setting).await?;
    let subject = bench.subject(&server, &setting.types);
    let idle = Memory::of(server.pid)?.resident_mb;
    let rounds = parts(bench, &server, &subject, report).await?;
    server.quiet().await?;
    let after = Memory::of(server.pid)?;
    let total = bench.arguments.activations;
    report.rows.push(Row::new(format!("plain, {total} activations"), &together(rounds), Some(after)));
    report.figure("memory before them", idle, "MB");
    let what = format!("memory after {total} activations / before");
    report.at_most(what, after.resident_mb / idle, GROWTH, "x");
    Ok(())
}

async fn parts(
    bench: &Bench,
    server: &Server,
    subject: &Subject,
    report: &mut Report,
) -> anyhow::Result<Vec<Round>> {
    let mut rounds = Vec::new();
    let mut done = 0;
    for tenths in PARTS {
        let count = (bench.arguments.activations * tenths).div_ceil(10);
        output::note(&format!("{count} activations for memory"));
        rounds.push(round(subject, Until::Count(count), &bench.identities).await?);
        done += count;
        report.figure(format!("memory after {done}"), Memory::of(server.pid)?.resident_mb, "MB");
    }
    Ok(rounds)
}

//! A deployment that is years old: a long history and many counters. Raising a counter must cost what it cost on the
//! first day, a restart must be quick, and memory must be in proportion.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use http::Method;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Bench;
use crate::activation;
use crate::floor::disk::appends;
use crate::http_client::{HttpClient, Session};
use crate::load::{Outcome, Until, generate_calls};
use crate::measure::{Round, quantile, ratio};
use crate::output;
use crate::pinning::Cpus;
use crate::procfs::Memory;
use crate::report::Report;
use crate::server::{ACCEPTING_MARBLES, Server};
use crate::tls;
use crate::user::User;

/// Secrets that one upload sets, each an entry of the log.
const AT_ONCE: u64 = 1_000;
/// Counters of a young deployment.
const FEW: u64 = 10;
/// More than one turn raises.
const STEP: u64 = 1 << 32;
const P99_MS: f64 = 10.0;
const RATIO: f64 = 1.2;
const RESTART_MS: f64 = 2_000.0;

/// Counters when there are few, growth, counters when there are many, restart.
pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    bench.make_room(Cpus::First).await;
    let (counters, entries) = (bench.arguments.counters, bench.arguments.entries);
    let user = User::generate()?;
    let (mut server, client) = Server::coordinator(&bench.site, Cpus::First).await?;
    client.set_manifest(manifest(&user)).await?;
    let writers = Writers::log_in(bench, &server, &client).await?;
    let turn = bench.turn();

    output::note("counters of a young deployment");
    writers.raise(Until::Count(FEW), FEW).await?;
    let young = writers.raise(turn, FEW).await?;
    disk(bench, report, "young")?;
    let before = memory(&server)?;

    output::note(&format!("{entries} entries of the log"));
    grow_log(&client, &user, entries).await?;
    let with_log = memory(&server)?;
    output::note(&format!("{counters} counters"));
    let filled = writers.raise(Until::Count(counters), counters).await?;
    let full = memory(&server)?;
    output::note("counters of an old deployment");
    let old = writers.raise(turn, counters).await?;
    disk(bench, report, "old")?;

    report.figure(format!("p50 of a raised counter, {FEW} counters"), young.quantile_ms(0.5), "ms");
    report.figure(format!("p99 of a raised counter, {FEW} counters"), young.quantile_ms(0.99), "ms");
    report.figure("counters begun in a second", filled.per_second(), "/s");
    let what = format!("{counters} counters and {entries} entries");
    report.figure(format!("p50 of a raised counter, {what}"), old.quantile_ms(0.5), "ms");
    report.at_most(format!("p99 of a raised counter, {what}"), old.quantile_ms(0.99), P99_MS, "ms");
    let growth = ratio(old.quantile_ms(0.5), young.quantile_ms(0.5));
    report.at_most(format!("p50 of a raised counter, {what} / {FEW}"), growth, RATIO, "x");
    report.figure("memory for each entry", ratio((with_log - before) * 1e6, entries as f64), "bytes");
    report.figure("memory for each counter", ratio((full - with_log) * 1e6, counters as f64), "bytes");
    let restart = server.restart(&bench.site, &client, ACCEPTING_MARBLES).await?;
    report.figure("memory after a restart", memory(&server)?, "MB");
    report.at_most(format!("restart with {what}"), restart.as_secs_f64() * 1e3, RESTART_MS, "ms");
    Ok(())
}

/// The floor under a raised counter, which waits for one or two such appends: its share is not ours to reduce.
fn disk(bench: &Bench, report: &mut Report, when: &str) -> anyhow::Result<()> {
    let appends = appends(&bench.site.folder).context("append to a file")?;
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let took = quantile(&appends, share).as_secs_f64() * 1e3;
        report.figure(format!("{name} of a durable append, {when} deployment"), took, "ms");
    }
    Ok(())
}

fn names() -> Vec<String> {
    (0..AT_ONCE).map(|n| format!("s{n}")).collect()
}

fn manifest(user: &User) -> Vec<u8> {
    let names = names();
    let plain = |name: &String| (name.clone(), json!({"Type": "plain", "UserDefined": true}));
    user.manifest(&Value::Object(names.iter().map(plain).collect()), &names)
}

async fn grow_log(client: &HttpClient, user: &User, entries: u64) -> anyhow::Result<()> {
    let values = names().into_iter().map(|name| (name, json!({"Key": "YWJj"})));
    let body = serde_json::to_vec(&json!({ "secrets": values.collect::<serde_json::Map<_, _>>() }))?;
    let mut session = client.session(&user.tls).await?;
    for _ in 0..entries / AT_ONCE {
        session.done::<Value>(Method::POST, "/api/v2/secrets", body.clone()).await?;
    }
    Ok(())
}

fn memory(server: &Server) -> anyhow::Result<f64> {
    Ok(Memory::of(server.pid)?.anonymous_mb)
}

/// Connections of an activated marble, which raises its counters over all of them at the same time.
struct Writers {
    client: HttpClient,
    tls: Arc<ClientConfig>,
    number: u16,
    highest: AtomicU64,
}

impl Writers {
    async fn log_in(bench: &Bench, server: &Server, client: &HttpClient) -> anyhow::Result<Self> {
        let given = activation::parameters(server.address, &bench.identities[0], "web").await?;
        let tls = Arc::new(marble(&given.env)?);
        let number = bench.arguments.in_flight;
        Ok(Self { client: client.clone(), tls, number, highest: AtomicU64::new(1) })
    }

    /// New ones each time: a Coordinator closes connections on which nothing moves.
    async fn sessions(&self) -> anyhow::Result<Arc<[Mutex<Session>]>> {
        let mut sessions = Vec::new();
        for _ in 0..self.number {
            sessions.push(Mutex::new(self.client.session(&self.tls).await?));
        }
        Ok(sessions.into())
    }

    /// Raises counter after counter of so many, each call higher than all before.
    async fn raise(&self, until: Until, counters: u64) -> anyhow::Result<Round> {
        let sessions = self.sessions().await?;
        // Higher than all that was raised before: a counter that does not rise is not written.
        let value = self.highest.fetch_add(STEP, Ordering::Relaxed);
        let outcome = generate_calls(sessions.len(), until, move |worker, number| {
            let sessions = Arc::clone(&sessions);
            async move {
                let body = json!({"name": format!("counter-{}", number % counters), "value": value + number});
                let body = serde_json::to_vec(&body)?;
                let mut session = sessions[worker].lock().await;
                let start = Instant::now();
                session.call::<Value>(Method::POST, "/api/v2/monotonic-counter", body).await?;
                Ok(start.elapsed())
            }
        });
        without_failures(outcome.await)
    }
}

fn without_failures(outcome: Outcome) -> anyhow::Result<Round> {
    match outcome.first_failure {
        Some(failure) => anyhow::bail!("{} calls failed, the first with: {failure}", outcome.failures),
        None => Ok(Round { outcome, ..Round::default() }),
    }
}

/// Certificate and key of an activated marble, for the client API.
fn marble(env: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<ClientConfig> {
    let given = |name: &str| env.get(name).with_context(|| format!("the answer lacks {name}"));
    let chain = given("MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN")?;
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(given("MARBLE_PREDEFINED_PRIVATE_KEY")?)?;
    Ok(tls::logged_in(chain, key)?)
}

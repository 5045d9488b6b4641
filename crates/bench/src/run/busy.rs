//! Whether anybody notices slow work: the status is asked for while an update with RSA-4096 secrets is made and applied,
//! and while marbles wait for RSA-4096 keys.

use std::time::{Duration, Instant};

use http::Method;
use marblerun_api::rest::{Base64, v2};
use serde_json::{Value, json};

use super::Bench;
use crate::http_client::{HttpClient, Session};
use crate::load::Outcome;
use crate::measure::Round;
use crate::output;
use crate::pinning::Cpus;
use crate::report::Report;
use crate::server::Server;
use crate::user::User;

/// Shared RSA-4096 certificates that the update defines.
const SECRETS: usize = 4;
const P99_MS: f64 = 50.0;
/// Between two questions on one connection.
const PAUSE: Duration = Duration::from_millis(1);

/// Status on an idle Coordinator, and during an update.
pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    bench.make_room(Cpus::First).await;
    let user = User::generate()?;
    let (server, client) = Server::coordinator(&bench.site, Cpus::First).await?;
    client.set_manifest(user.manifest(&json!({}), &[])).await?;
    server.quiet().await?;
    output::note("status during an update with RSA-4096 secrets");
    let update = tokio::spawn(update(client.session(&user.tls).await?, user.manifest(&secrets(), &[])));
    let busy = ask_until(&client, || update.is_finished()).await?;
    let seconds = update.await??.as_secs_f64();
    report.figure(format!("an update with {SECRETS} RSA-4096 secrets"), seconds, "s");
    report.figure("p50 of status meanwhile", busy.quantile_ms(0.5), "ms");
    report.at_most("p99 of status meanwhile", busy.quantile_ms(0.99), P99_MS, "ms");
    Ok(())
}

fn secrets() -> Value {
    let secret = json!({"Type": "cert-rsa", "Size": 4096, "Shared": true});
    (0..SECRETS).map(|n| (format!("rsa{n}"), secret.clone())).collect::<serde_json::Map<_, _>>().into()
}

async fn update(mut session: Session, manifest: Vec<u8>) -> anyhow::Result<Duration> {
    let body = serde_json::to_vec(&v2::SetManifest { manifest: Base64(manifest) })?;
    let start = Instant::now();
    session.call::<Value>(Method::POST, "/api/v2/update", body).await?;
    Ok(start.elapsed())
}

async fn ask_until(client: &HttpClient, done: impl Fn() -> bool) -> anyhow::Result<Round> {
    let mut session = client.anonymous_session().await?;
    let mut outcome = Outcome::default();
    let begun = Instant::now();
    while !done() {
        let start = Instant::now();
        session.call::<v2::Status>(Method::GET, "/api/v2/status", Vec::new()).await?;
        outcome.latencies.push(start.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    outcome.elapsed = begun.elapsed();
    outcome.latencies.sort_unstable();
    Ok(Round { outcome, ..Round::default() })
}

//! What the mesh refuses although it runs: an old build, a tampered build, a platform whose vendor lost trust in it.

use anyhow::ensure;

use crate::lab::{self, TEE};
use crate::operator::Operator;
use crate::owners;
use crate::page::Page;
use crate::process::Talking;
use crate::stage::Stage;
use crate::story::{START_SERVICE, client, read_all, show};

const RAISE: [&str; 9] =
    ["manifest", "update", "apply", "raise.json", "ADDRESS", "--cert", "alice.pem", "--key", "alice.key"];
const SIGN: [&str; 11] = [
    "emulator",
    "sign",
    "bin/notes-server",
    "--loader",
    "bin/marblerun-premain",
    "--key",
    "signer.pem",
    "--product",
    "1",
    "--svn",
    "2",
];

/// Alice raises the version that is admitted; the old build is refused, the new one is not.
pub(crate) async fn raise(
    page: &mut Page,
    stage: &Stage,
    operator: &Operator,
    service: Talking,
) -> anyhow::Result<()> {
    page.step("A flaw is found: Alice raises the version of the notes service")?;
    owners::prepare_raise(&stage.folder("operator")?)?;
    show(page, operator, &RAISE).await?;
    service.kill();
    refused(page, stage, &["Packages.notes-server.SecurityVersion", "at least 2"]).await?;
    page.seen("the old build may not come back")?;
    lab::change(&stage.program("notes-server"))?;
    page.command(&operator.shown(&SIGN))?;
    lab::sign(operator, &SIGN).await?;
    page.why(
        "Its evidence says which version it is, signed by the platform. Alice may raise versions and nothing else, and \
         nobody can lower them. What follows is a new build, signed as version 2.",
    )?;
    Ok(())
}

/// A tampered build, and a platform that its vendor revoked; then all is well again.
pub(crate) async fn refuse(page: &mut Page, stage: &Stage, operator: &Operator) -> anyhow::Result<Talking> {
    page.step("A tampered build is refused, and so is a revoked platform")?;
    let tampered = lab::change(&stage.program("notes-server"))?;
    page.command("printf '!' >> bin/notes-server")?;
    refused(page, stage, &["not the one that was signed"]).await?;
    tampered.undo()?;
    show(page, operator, &["emulator", "set", TEE, "--tcb", "Revoked"]).await?;
    refused(page, stage, &["Revoked"]).await?;
    show(page, operator, &["emulator", "set", TEE, "--tcb", "UpToDate"]).await?;
    page.command(START_SERVICE)?;
    let (mut service, port) = stage.start_service("uuid").await?;
    page.output(service.introduction())?;
    let read = client(page, stage, &mut service, port, &["list"]).await?;
    read_all(&read)?;
    page.seen("the new build, on a platform in good standing, opens the notes")?;
    page.why(
        "The measurement in the evidence is that of the very bytes that run. The status of the platform is what its \
         vendor signed about it, fetched and checked by the Coordinator, never what the marble says.",
    )?;
    Ok(service)
}

/// Starts the service, which must be refused with these words.
async fn refused(page: &mut Page, stage: &Stage, words: &[&str]) -> anyhow::Result<()> {
    page.command(START_SERVICE)?;
    let service = stage.run_service("uuid").await?;
    ensure!(!service.success, "it was admitted:\n{}", service.stdout);
    let complaint = service.stderr.lines().last().unwrap_or_default().to_owned();
    ensure!(words.iter().all(|word| complaint.contains(word)), "it was refused otherwise: {complaint}");
    page.output(&complaint)?;
    Ok(())
}

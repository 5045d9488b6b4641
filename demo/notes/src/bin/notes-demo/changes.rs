//! The second half of the story: what owners change together, and what brings a lost state back.

use anyhow::{Context as _, ensure};

use crate::operator::Operator;
use crate::owners::{self, NEEDED, SAFES};
use crate::page::Page;
use crate::process::{Process, Talking};
use crate::stage::Stage;
use crate::story::{START_SERVICE, client, is_same_root, read_all, show};

const DIFF: [&str; 4] = ["manifest", "diff", "manifest.json", "new.json"];
const STATUS_UNPROVED: [&str; 3] = ["status", "ADDRESS", "--insecure"];
const HISTORY: [&str; 3] = ["log", "verify", "ADDRESS"];

/// An owner proposes new keys, another one agrees; the service moves its notes to its new key.
pub(crate) async fn rotate(
    page: &mut Page,
    stage: &Stage,
    operator: &Operator,
    service: Talking,
) -> anyhow::Result<Talking> {
    page.step("Alice proposes new keys for everybody; nothing happens until Bob agrees")?;
    owners::prepare_rotation(&stage.folder("operator")?)?;
    show(page, operator, &DIFF).await?;
    let proposed = show(page, operator, &by("apply", "alice")).await?;
    ensure!(proposed.contains("bob"), "the update does not wait for Bob: {proposed}");
    let agreed = show(page, operator, &by("acknowledge", "bob")).await?;
    ensure!(agreed.contains("successfully applied"), "Bob's word was not the last: {agreed}");
    page.why(
        "The manifest names both as owners, and each logs in with a key of their own. Bob acknowledged the very bytes \
         that Alice sent. His word and the change are one step: there is no moment at which only half of it is true.",
    )?;
    let before = service.introduction().to_owned();
    service.kill();
    page.command(START_SERVICE)?;
    let (mut service, port) = stage.start_service("uuid").await?;
    page.output(service.introduction())?;
    ensure!(team_key(&before)? != team_key(service.introduction())?, "the shared secret is the old one");
    ensure!(service.introduction().contains("under a new key"), "the notes were not moved to the new key");
    let read = client(page, stage, &mut service, port, &["list"]).await?;
    read_all(&read)?;
    page.seen("new keys for both, and the notes are all there")?;
    page.why(
        "The Coordinator made a new root secret. For one rotation it still derives the previous keys, so that the \
         service could open its notes once more and encrypt them anew.",
    )?;
    Ok(service)
}

/// `manifest update VERB new.json` as this owner.
fn by(verb: &'static str, owner: &'static str) -> [&'static str; 9] {
    let (certificate, key) = match owner {
        "alice" => ("alice.pem", "alice.key"),
        _ => ("bob.pem", "bob.key"),
    };
    ["manifest", "update", verb, "new.json", "ADDRESS", "--cert", certificate, "--key", key]
}

/// The team key's fingerprint, as the service names it.
pub(crate) fn team_key(introduction: &str) -> anyhow::Result<&str> {
    let (_, after) = introduction.split_once("team key ").context("the service names its team key")?;
    Ok(after.split([' ', ',']).next().unwrap_or_default())
}

/// The sealed key is lost; enough safes bring everything back.
pub(crate) async fn recover(
    page: &mut Page,
    stage: &Stage,
    operator: &Operator,
    coordinator: Process,
    service: Talking,
) -> anyhow::Result<(Process, Talking)> {
    page.step("The sealed key is lost; two of three safes bring everything back")?;
    drop((coordinator, service));
    let folder = stage.folder("operator")?;
    std::fs::remove_file(stage.folder("coordinator")?.join("state/sealed_key")).context("the sealed key")?;
    page.command("rm state/sealed_key")?;
    page.command("marblerun-coordinator")?;
    let coordinator = stage.start_coordinator_again().await?;
    let status = show(page, operator, &STATUS_UNPROVED).await?;
    ensure!(status.contains("recovery mode"), "this is not recovery: {status}");
    page.why(
        "While it recovers it has another root certificate, so its status is asked without proof. What follows is not: \
         before a secret leaves, the tool checks the evidence of whoever answers.",
    )?;
    for safe in &SAFES[..NEEDED] {
        owners::unpack(&folder, safe)?;
        let (secret, key) = (format!("{safe}.secret"), format!("{safe}.key"));
        let last =
            show(page, operator, &["recover", &secret, "ADDRESS", "--key", &key, "--era-config", "era.json"])
                .await?;
        ensure!(!last.is_empty(), "the tool says nothing");
    }
    is_same_root(stage, operator).await?;
    page.seen("the same root certificate, the same manifest")?;
    page.command(START_SERVICE)?;
    let (mut service, port) = stage.start_service("uuid").await?;
    page.output(service.introduction())?;
    let read = client(page, stage, &mut service, port, &["list"]).await?;
    read_all(&read)?;
    page.why(
        "The key of the state was split when the manifest was set, and each part encrypted to one safe. Each part comes \
         back with a signature of the safe's key. One part alone tells nothing, a wrong one is refused at once.",
    )?;
    Ok((coordinator, service))
}

/// Everything that happened, and the proof that nothing of it was changed afterwards.
pub(crate) async fn history(page: &mut Page, operator: &Operator) -> anyhow::Result<()> {
    page.step("Anybody can check the whole history")?;
    page.command(&operator.shown(&HISTORY))?;
    let history = operator.run(&HISTORY).await?.stdout;
    page.output(&shortened(&history))?;
    for text in [
        "Initial manifest set",
        "SecurityVersion increased",
        "Waiting for acknowledgments",
        "acknowledged by user",
        "Manifest updated",
    ] {
        ensure!(history.contains(text), "the history does not say {text:?}:\n{history}");
    }
    page.seen("the signature holds, and the tree has exactly these entries")?;
    page.why(
        "The log is a Merkle tree whose head the Coordinator signs. The tool remembers the head that it saw, and raises \
         an alarm if the next one does not continue it: an old state that was put back, or a second history.",
    )?;
    Ok(())
}

/// With hashes cut to a width that a page can bear.
fn shortened(text: &str) -> String {
    let is_hash =
        |word: &str| word.len() >= 64 && word[word.len() - 64..].bytes().all(|b| b.is_ascii_hexdigit());
    let short = |word: &str| match word.is_ascii() && is_hash(word) {
        true => format!("{}...", &word[..word.len() - 48]),
        false => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(short).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

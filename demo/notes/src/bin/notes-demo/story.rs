//! The story, step by step. Each step does something real, shows what came out, checks it, and says why it holds.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::changes;
use crate::lab::{self, TEE};
use crate::operator::Operator;
use crate::owners::{self, Signed};
use crate::page::Page;
use crate::process::{Process, Talking};
use crate::programs::Programs;
use crate::stage::Stage;
use crate::stranger;
use crate::versions;

const SET: [&str; 8] = [
    "manifest",
    "set",
    "manifest.json",
    "ADDRESS",
    "--era-config",
    "era.json",
    "--recoverydata",
    "recovery.json",
];
const VERIFY: [&str; 6] = ["manifest", "verify", "manifest.json", "ADDRESS", "--era-config", "era.json"];
pub(crate) const STATUS: [&str; 2] = ["status", "ADDRESS"];
const ROOT: [&str; 7] = ["certificate", "root", "ADDRESS", "--era-config", "era.json", "-o", "root.pem"];
const ROOT_AGAIN: [&str; 7] =
    ["certificate", "root", "ADDRESS", "--era-config", "era.json", "-o", "root-again.pem"];
const INTERMEDIATE: [&str; 7] =
    ["certificate", "intermediate", "ADDRESS", "--era-config", "era.json", "-o", "mesh.pem"];

/// How the service is started, as one would type it.
pub(crate) const START_SERVICE: &str = "marblerun-premain --type notes-server bin/notes-server";

const FIRST_NOTE: &str = "The spare key is under the third flowerpot.";
const SECOND_NOTE: &str = "Milk, bread, a birthday present for Ada.";

/// Tells it from beginning to end.
pub(crate) async fn tell(mut page: Page, keep: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    introduce(&mut page)?;
    let programs = build(&mut page).await?;
    let mut stage = Stage::new(programs, keep)?;
    let lab = stage.start_tee().await?;
    let mut operator = Operator::new(&stage.programs, &stage.folder("operator")?, &lab.collateral);
    let signed = sign(&mut page, &operator).await?;
    owners::prepare(&stage.folder("operator")?, &signed)?;
    let coordinator = start_coordinator(&mut page, &mut stage).await?;
    operator.talk_to(stage.client_port);
    set_manifest(&mut page, &operator).await?;
    let (mut service, port) = start_service(&mut page, &stage).await?;
    talk(&mut page, &stage, &mut service, port).await?;
    refuse_strangers(&mut page, &stage, &operator, &mut service, port).await?;
    let coordinator = crash(&mut page, &stage, &operator, coordinator).await?;
    let service = restart_service(&mut page, &stage, service).await?;
    refuse_other_uuid(&mut page, &stage).await?;
    versions::raise(&mut page, &stage, &operator, service).await?;
    let service = versions::refuse(&mut page, &stage, &operator).await?;
    let service = changes::rotate(&mut page, &stage, &operator, service).await?;
    let (coordinator, service) = changes::recover(&mut page, &stage, &operator, coordinator, service).await?;
    changes::history(&mut page, &operator).await?;
    drop((service, coordinator, lab));
    conclude(&mut page, &stage, keep, start)
}

fn introduce(page: &mut Page) -> anyhow::Result<()> {
    page.title(
        "A notes service that only its own mesh can read",
        "One manifest says which programs may join and what each is given. A Coordinator checks every program against \
         it and hands out certificates and keys. You check the Coordinator once, and thereby trust all of it.",
        &[
            "SOFTWARE TEE: evidence is made and checked as on hardware, but by a program",
            "of this machine, under a vendor of its own: nothing is protected from the",
            "owner of this machine. Nobody trusts that vendor who does not name it.",
        ],
    )?;
    Ok(())
}

async fn build(page: &mut Page) -> anyhow::Result<Programs> {
    let programs = Programs::here()?;
    page.step("Build the programs")?;
    page.command(&programs.build_command())?;
    page.why("The first build takes a few minutes; cargo shows its progress.")?;
    let start = Instant::now();
    programs.build().await?;
    page.seen(&format!("built in {} s", start.elapsed().as_secs()))?;
    Ok(programs)
}

/// Signs all programs and names the software TEE.
async fn sign(page: &mut Page, operator: &Operator) -> anyhow::Result<Signed> {
    page.step("Start a software TEE, and sign the programs as their maker would")?;
    page.command("marblerun emulator run tee &")?;
    show(page, operator, &["emulator", "key", "signer.pem"]).await?;
    let program = async |name: &'static str, product: &'static str, more: &[&'static str]| {
        let all = [&["emulator", "sign", name, "--key", "signer.pem", "--product", product], more].concat();
        lab::sign(operator, &all).await.map(|package| (all, package))
    };
    let loader = ["--loader", "bin/marblerun-premain"];
    let (typed, server) = program("bin/notes-server", "1", &loader).await?;
    page.command(&operator.shown(&typed))?;
    page.output(&serde_json::to_string_pretty(&short(&server))?)?;
    let (_, client) = program("bin/notes-client", "2", &loader).await?;
    let (_, coordinator) = program("bin/marblerun-coordinator", "3", &[]).await?;
    let infrastructure = lab::sign(operator, &["emulator", "root", TEE, "--infrastructure"]).await?;
    page.why(
        "A TEE measures what it runs and signs that together with who signed the program, which product and version it \
         is. The signer's name is a hash; the manifest names it for each package, and the software TEE's root as the \
         only platform.",
    )?;
    Ok(Signed { coordinator, server, client, infrastructure })
}

/// Hashes cut to what a page can bear.
fn short(package: &serde_json::Value) -> serde_json::Value {
    let mut short = package.clone();
    if let Some(signer) = package["SignerID"].as_str() {
        short["SignerID"] = format!("{}...", &signer[..16.min(signer.len())]).into();
    }
    short
}

async fn start_coordinator(page: &mut Page, stage: &mut Stage) -> anyhow::Result<Process> {
    page.step("Start a Coordinator")?;
    page.command("marblerun-coordinator")?;
    let coordinator = stage.start_coordinator().await?;
    page.seen(&format!("listening on port {} for people", stage.client_port))?;
    page.why(
        "It has made its root certificate and waits for a manifest. Its evidence binds that certificate to its code, and \
         the operator's tool checks it before sending anything: era.json says who is expected to answer, and where.",
    )?;
    Ok(coordinator)
}

async fn set_manifest(page: &mut Page, operator: &Operator) -> anyhow::Result<()> {
    page.step("Set the manifest: two types of marbles, two secrets, two owners, three safes")?;
    page.command(&operator.shown(&SET))?;
    page.output(&operator.run(&SET).await?.stderr)?;
    show(page, operator, &STATUS).await?;
    operator.run(&ROOT).await?;
    page.why(
        "demo/notes/manifest.json: `notes-server` gets a key for its notes and admits `notes-client`; both get a team key. \
         Two owners were added, Alice and Bob, and from here on nobody else can change it, and neither of them alone. \
         Each of three safes got a part of the key of the Coordinator's state.",
    )?;
    Ok(())
}

/// Runs a command of the operator's and shows its result; what it remarks was read at the first command.
pub(crate) async fn show(page: &mut Page, operator: &Operator, arguments: &[&str]) -> anyhow::Result<String> {
    page.command(&operator.shown(arguments))?;
    let output = operator.run(arguments).await?.stdout;
    page.output(&output)?;
    Ok(output)
}

async fn start_service(page: &mut Page, stage: &Stage) -> anyhow::Result<(Talking, u16)> {
    page.step("Start the notes service as a marble")?;
    page.command(START_SERVICE)?;
    let (service, port) = stage.start_service("uuid").await?;
    page.output(service.introduction())?;
    page.seen(&format!("this marble is notes-server  {}", uuid(stage, "server")?))?;
    page.why(
        "The premain showed the Coordinator what it is, received a certificate, a key and the program's arguments, \
         and became the program. The UUID in its file says which notes-server this is.",
    )?;
    Ok((service, port))
}

fn uuid(stage: &Stage, folder: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(stage.folder(folder)?.join("uuid")).context("the marble's UUID file")
}

async fn talk(page: &mut Page, stage: &Stage, service: &mut Talking, port: u16) -> anyhow::Result<()> {
    page.step("A client marble writes and reads notes, over mutual TLS")?;
    for note in [FIRST_NOTE, SECOND_NOTE] {
        client(page, stage, service, port, &["write", note]).await?;
    }
    let read = client(page, stage, service, port, &["list"]).await?;
    read_all(&read)?;
    page.why(
        "Both ends showed a certificate that this Coordinator issued, and both checked the other's: type and UUID \
         stand in it, put there by the Coordinator. Neither end was configured with a password or a key.",
    )?;
    Ok(())
}

/// Runs the client and shows what both ends saw. The service must have admitted exactly this client.
pub(crate) async fn client(
    page: &mut Page,
    stage: &Stage,
    service: &mut Talking,
    port: u16,
    arguments: &[&str],
) -> anyhow::Result<String> {
    let typed = match arguments {
        [verb, text] => format!("{verb} '{text}'"),
        other => other.join(" "),
    };
    page.command(&format!("marblerun-premain --type notes-client\nbin/notes-client {typed}"))?;
    let output = stage.run_client(port, arguments).await?;
    let server_says = service.line().await?;
    let me = uuid(stage, "client")?;
    ensure!(server_says == format!("admitted notes-client {me}"), "the service says: {server_says}");
    let team_key = changes::team_key(service.introduction())?;
    ensure!(output.contains(team_key), "the client has another team key than {team_key}: {output}");
    ensure!(output.contains(&uuid(stage, "server")?), "the client did not see the service's UUID: {output}");
    page.output(&output)?;
    page.output(&format!("service:  {server_says}"))?;
    Ok(output)
}

async fn refuse_strangers(
    page: &mut Page,
    stage: &Stage,
    operator: &Operator,
    service: &mut Talking,
    port: u16,
) -> anyhow::Result<()> {
    let trusted = stage.folder("operator")?.join("mesh.pem");
    page.step("Strangers are refused")?;
    show(page, operator, &INTERMEDIATE).await?;
    let none = stranger::without_certificate(port, &trusted).await?;
    refused(page, "a client without a certificate", &none, &service.line().await?)?;
    let own = stranger::with_own_certificate(port, &trusted).await?;
    refused(page, "a client with a certificate of its own making", &own, &service.line().await?)?;
    page.why(
        "Anybody may check whom the service belongs to, with the mesh's public certificate. To be served takes a \
         certificate that the Coordinator gives to marbles of the manifest only.",
    )?;
    Ok(())
}

fn refused(page: &mut Page, who: &str, client_saw: &str, server_says: &str) -> anyhow::Result<()> {
    ensure!(server_says.starts_with("refused: "), "{who}: the service says {server_says}");
    page.seen(&format!("{who} is refused"))?;
    page.output(&format!("client:   {client_saw}"))?;
    page.output(&format!("service:  {server_says}"))?;
    Ok(())
}

async fn crash(
    page: &mut Page,
    stage: &Stage,
    operator: &Operator,
    coordinator: Process,
) -> anyhow::Result<Process> {
    page.step("Kill the Coordinator without warning, and start it again")?;
    let id = coordinator.kill().context("its process id")?;
    page.command(&format!("kill -9 {id}"))?;
    page.command("marblerun-coordinator")?;
    let coordinator = stage.start_coordinator_again().await?;
    show(page, operator, &STATUS).await?;
    show(page, operator, &VERIFY).await?;
    is_same_root(stage, operator).await?;
    page.seen("it holds the same manifest and the same root certificate")?;
    page.why(
        "What the Coordinator acknowledges is on disk before it answers: a chain of encrypted, authenticated records. \
         A kill at any moment leaves the old state or the new one, never a fresh one that would let somebody set \
         another manifest.",
    )?;
    Ok(coordinator)
}

/// That the Coordinator shows the root certificate of the beginning.
pub(crate) async fn is_same_root(stage: &Stage, operator: &Operator) -> anyhow::Result<()> {
    operator.run(&ROOT_AGAIN).await?;
    let folder = stage.folder("operator")?;
    let (before, now) =
        (std::fs::read(folder.join("root.pem"))?, std::fs::read(folder.join("root-again.pem"))?);
    ensure!(before == now, "the root certificate has changed");
    Ok(())
}

/// That both notes are in what the client read.
pub(crate) fn read_all(read: &str) -> anyhow::Result<()> {
    ensure!(read.contains(FIRST_NOTE) && read.contains(SECOND_NOTE), "the notes are not all there");
    Ok(())
}

async fn restart_service(page: &mut Page, stage: &Stage, service: Talking) -> anyhow::Result<Talking> {
    page.step("Restart the notes service: its notes are ciphertext on disk, and open again")?;
    let id = service.kill().context("its process id")?;
    page.command(&format!("kill -9 {id}"))?;
    show_ciphertext(page, &stage.folder("server")?.join("notes.sealed"))?;
    page.command(START_SERVICE)?;
    let (mut service, port) = stage.start_service("uuid").await?;
    page.output(service.introduction())?;
    let read = client(page, stage, &mut service, port, &["list"]).await?;
    read_all(&read)?;
    page.seen("same UUID, same key, although the Coordinator was killed in between")?;
    page.why(
        "The key is never stored: the Coordinator derives it from its sealed root secret, the marble's UUID and type, \
         and the secret's name, each time the marble proves again what it is.",
    )?;
    Ok(service)
}

fn show_ciphertext(page: &mut Page, file: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(file).context("the notes on disk")?;
    page.command("xxd notes.sealed | head -3")?;
    for row in bytes.chunks(16).take(3) {
        let pairs: Vec<_> = row.chunks(2).map(hex::encode).collect();
        let text: String = row.iter().map(|byte| printable(*byte)).collect();
        page.output(&format!("{:<40} {text}", pairs.join(" ")))?;
    }
    for note in [FIRST_NOTE, SECOND_NOTE] {
        let found = bytes.windows(8).any(|window| note.as_bytes().windows(8).any(|part| part == window));
        ensure!(!found, "a note stands readable on disk");
    }
    page.seen(&format!("{} bytes on disk, and no 8 in a row of any note among them", bytes.len()))?;
    Ok(())
}

fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() { char::from(byte) } else { '.' }
}

async fn refuse_other_uuid(page: &mut Page, stage: &Stage) -> anyhow::Result<()> {
    page.step("Another notes-server cannot open them")?;
    page.command("marblerun-premain --type notes-server --uuid-file other-uuid\nbin/notes-server")?;
    let other = stage.run_service("other-uuid").await?;
    ensure!(!other.success, "another UUID opened the notes:\n{}", other.stdout);
    let complaint = other.stderr.lines().last().unwrap_or_default().to_owned();
    ensure!(complaint.contains("does not open with this marble's key"), "it failed otherwise: {complaint}");
    page.output(&complaint)?;
    page.seen("same program, same manifest entry, another UUID: another key")?;
    Ok(())
}

fn conclude(page: &mut Page, stage: &Stage, keep: bool, start: Instant) -> anyhow::Result<()> {
    page.heading(&format!("All of this was seen to be so, in {} s.", start.elapsed().as_secs()))?;
    if keep {
        page.output(&format!("logs, state and notes      {}", stage.path().display()))?;
    }
    page.output("the manifest               demo/notes/manifest.json")?;
    page.output("the two programs           demo/notes/src/bin/")?;
    page.output("what runs where, and why   README.md, ARCHITECTURE.md")?;
    page.output("the operator's tool        cargo run -p marblerun-cli -- --help")?;
    Ok(())
}

//! A marble that writes and reads notes, and shows with whom it speaks.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use marblerun_demo_notes::fingerprint;
use marblerun_demo_notes::notebook::{MAX_NOTE, MAX_NOTES, NewNote, Note};
use marblerun_marble::Address;
use marblerun_marble::tls::{Credentials, PeerIdentity};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON text has at most six characters for each of a note's, and room for the rest.
const MAX_ANSWER: usize = 8 * MAX_NOTE * MAX_NOTES;

/// Writes and reads notes as a marble; start it through marblerun-premain.
#[derive(Parser)]
#[command(name = "notes-client", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes a note
    Write {
        /// What it says
        text: String,
    },
    /// Reads all notes
    List,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "notes-client: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(task: &Task) -> anyhow::Result<()> {
    tokio::time::timeout(TIMEOUT, perform(task)).await.context("the notes service does not answer")?
}

async fn perform(task: &Task) -> anyhow::Result<()> {
    let credentials = Credentials::from_variables(variable)?;
    let wanted = variable("NOTES_ASK").context("NOTES_ASK is not set; the manifest names whom to ask")?;
    let address = Address::parse(&variable("NOTES_SERVER").unwrap_or_else(|| "localhost:8443".into()))?;
    let tls = connect(&credentials, &address).await?;
    let peer = PeerIdentity::proved_by(tls.get_ref().1.peer_certificates().unwrap_or_default())?;
    if peer.marble_type != wanted {
        bail!("{address} is {} {}, not a {wanted}", peer.marble_type, peer.uuid);
    }
    introduce(&credentials.identity()?, &peer, &tls);
    let (mut http, connection) = handshake(TokioIo::new(tls)).await?;
    tokio::spawn(connection);
    match task {
        Task::Write { text } => write(&mut http, &address, text).await,
        Task::List => list(&mut http, &address).await,
    }
}

#[allow(clippy::disallowed_methods, reason = "the program's main reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn connect(credentials: &Credentials, address: &Address) -> anyhow::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .with_context(|| format!("connecting to {address}"))?;
    let connector = TlsConnector::from(Arc::new(credentials.client_config()?));
    let name = ServerName::try_from(address.host.clone())?;
    connector.connect(name, tcp).await.with_context(|| format!("TLS with {address}"))
}

fn introduce(me: &PeerIdentity, peer: &PeerIdentity, tls: &TlsStream<TcpStream>) {
    let session = tls.get_ref().1;
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let group = session.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
    say(&format!("I am      {}  {}", me.marble_type, me.uuid));
    say(&format!("I asked   {}  {}", peer.marble_type, peer.uuid));
    if let Some(key) = variable("NOTES_TEAM_KEY") {
        say(&format!("team key  {}", fingerprint(zeroize::Zeroizing::new(key).as_bytes())));
    }
    say(&format!("over      {}, keys agreed with {}", version.replace('_', "."), group.unwrap_or_default()));
}

async fn write(http: &mut SendRequest<Full<Bytes>>, address: &Address, text: &str) -> anyhow::Result<()> {
    let body = serde_json::to_vec(&NewNote { text: text.to_owned() })?;
    let note: Note = serde_json::from_slice(&ask(http, "POST", address, body).await?)?;
    say(&format!("wrote     note {}: {}", note.number, note.text));
    Ok(())
}

async fn list(http: &mut SendRequest<Full<Bytes>>, address: &Address) -> anyhow::Result<()> {
    let notes: Vec<Note> = serde_json::from_slice(&ask(http, "GET", address, Vec::new()).await?)?;
    for note in notes {
        say(&format!("read      note {}: {}", note.number, note.text));
    }
    Ok(())
}

async fn ask(
    http: &mut SendRequest<Full<Bytes>>,
    method: &str,
    address: &Address,
    body: Vec<u8>,
) -> anyhow::Result<Bytes> {
    let request = http::Request::builder()
        .method(method)
        .uri("/notes")
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .body(Full::from(body))?;
    let answer = http.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER)
        .collect()
        .await
        .map_err(anyhow::Error::from_boxed)?
        .to_bytes();
    if !status.is_success() {
        bail!("the notes service says {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

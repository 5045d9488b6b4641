//! The notes service: HTTPS with its marble certificate, for marbles of one type only.
//!
//! Standard output has one line per event, for people and for the demo: `listening on`, `admitted`, `refused`.

use std::convert::Infallible;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use marblerun_demo_notes::fingerprint;
use marblerun_demo_notes::notebook::{MAX_NOTE, NewNote, Note, Notebook, NotebookError};
use marblerun_demo_notes::vault::Vault;
use marblerun_marble::tls::{Credentials, PeerIdentity};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_CONNECTIONS: usize = 64;

/// A JSON text has at most six characters for each of the note's.
const MAX_BODY: usize = 8 * MAX_NOTE;

type Shared = Arc<Mutex<Notebook>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "notes-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> anyhow::Result<()> {
    let credentials = Credentials::from_variables(variable)?;
    let admitted =
        variable("NOTES_ADMIT").context("NOTES_ADMIT is not set; the manifest names who may ask")?;
    let key = zeroize::Zeroizing::new(variable("NOTES_KEY").context("NOTES_KEY is not set")?);
    let file = variable("NOTES_FILE").unwrap_or_else(|| "notes.sealed".into());
    let (notebook, moved) = open(Path::new(&file), &key)?;
    let address = variable("NOTES_LISTEN").unwrap_or_else(|| "localhost:8443".into());
    let listener = TcpListener::bind(&address).await.with_context(|| format!("listening on {address}"))?;
    let (at, notes) = (listener.local_addr()?, notebook.notes().len());
    let moved = if moved { ", now under a new key" } else { "" };
    say(&format!("listening on {at} with {notes} notes, team key {}{moved}", team_key()?));
    let acceptor = TlsAcceptor::from(Arc::new(credentials.server_config()?));
    serve(listener, acceptor, Arc::new(Mutex::new(notebook)), admitted.into()).await
}

/// The notes; after a rotation they are moved from the previous key to this one.
fn open(file: &Path, key: &str) -> anyhow::Result<(Notebook, bool)> {
    let vault = Vault::new(file, key)?;
    let previous = variable("NOTES_PREVIOUS_KEY").map(zeroize::Zeroizing::new);
    let previous = previous.map(|key| Vault::new(file, &key)).transpose()?;
    Ok(Notebook::open(vault, previous)?)
}

/// Which team key this is, without telling it.
fn team_key() -> anyhow::Result<String> {
    let key = zeroize::Zeroizing::new(variable("NOTES_TEAM_KEY").context("NOTES_TEAM_KEY is not set")?);
    Ok(fingerprint(key.as_bytes()))
}

#[allow(clippy::disallowed_methods, reason = "the program's main reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    notebook: Shared,
    admitted: Arc<str>,
) -> anyhow::Result<()> {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&room).acquire_owned().await?;
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let (acceptor, notebook, admitted) = (acceptor.clone(), Arc::clone(&notebook), Arc::clone(&admitted));
        tokio::spawn(async move {
            if let Err(error) = answer(tcp, &acceptor, notebook, &admitted).await {
                say(&format!("refused: {error:#}"));
            }
            drop(place);
        });
    }
}

async fn answer(
    tcp: TcpStream,
    acceptor: &TlsAcceptor,
    notebook: Shared,
    admitted: &str,
) -> anyhow::Result<()> {
    let tls = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await.context("too slow")??;
    let peer = PeerIdentity::proved_by(tls.get_ref().1.peer_certificates().unwrap_or_default())?;
    if peer.marble_type != admitted {
        bail!("{} {} is no {admitted}", peer.marble_type, peer.uuid);
    }
    say(&format!("admitted {} {}", peer.marble_type, peer.uuid));
    let service = TowerToHyperService::new(router(notebook, peer));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIMEOUT);
    let connection = http.serve_connection(TokioIo::new(tls), service);
    // How an admitted client ends its connection is its own business.
    let _ = tokio::time::timeout(REQUEST_TIMEOUT, connection).await;
    Ok(())
}

fn router(notebook: Shared, peer: PeerIdentity) -> Router {
    Router::new()
        .route("/notes", get(list).post(add))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(Arc::new(peer)))
        .with_state(notebook)
}

async fn list(State(notebook): State<Shared>) -> Result<Json<Vec<Note>>, Infallible> {
    Ok(Json(notebook.lock().unwrap_or_else(PoisonError::into_inner).notes().to_vec()))
}

/// The author is who the handshake proved, not what the request says.
async fn add(
    State(notebook): State<Shared>,
    Extension(peer): Extension<Arc<PeerIdentity>>,
    Json(new): Json<NewNote>,
) -> Result<(StatusCode, Json<Note>), (StatusCode, String)> {
    let added = tokio::task::spawn_blocking(move || {
        notebook.lock().unwrap_or_else(PoisonError::into_inner).add(&peer.uuid.to_string(), &new.text)
    });
    match added.await {
        Ok(Ok(note)) => Ok((StatusCode::CREATED, Json(note))),
        Ok(Err(error)) => Err((status(&error), error.to_string())),
        Err(_) => Err((StatusCode::INTERNAL_SERVER_ERROR, "the note was not kept".into())),
    }
}

fn status(error: &NotebookError) -> StatusCode {
    match error {
        NotebookError::Length(_) => StatusCode::BAD_REQUEST,
        NotebookError::Full => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

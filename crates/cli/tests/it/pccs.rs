//! A PCCS in front of the emulator's: it hands on what is asked, remembers it, and has a gate that the test closes.

use std::sync::Arc;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::lab::SOON;

/// What happens to those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// They are answered.
    Open,
    /// Those whose question has this text wait until the gate is another.
    Holds(&'static str),
    /// Nobody gets an answer: the connection ends.
    Away,
}

/// Listens as long as its runtime runs.
pub(crate) struct Pccs {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    emulator: String,
    gate: watch::Sender<Gate>,
    asked: watch::Sender<Vec<String>>,
}

impl Pccs {
    /// In front of the one at `emulator`, a host with a port.
    pub(crate) async fn start(emulator: &str) -> Self {
        Self::behind(emulator, None).await
    }

    /// The same, behind TLS if there is a certificate.
    pub(crate) async fn behind(emulator: &str, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (gate, asked) = (watch::Sender::new(Gate::Open), watch::Sender::default());
        let shared = Arc::new(Shared { emulator: emulator.to_owned(), gate, asked });
        let port = listener.local_addr().unwrap().port();
        let pccs = Self { url: format!("{scheme}:{port}"), shared: shared.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, shared) = (tls.clone(), shared.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, shared).await,
                        Some(tls) => serve(tls.accept(stream).await?, shared).await,
                    }
                });
            }
        });
        pccs
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn turn(&self, gate: Gate) {
        self.shared.gate.send_replace(gate);
    }

    /// How many questions had `part` in them.
    pub(crate) fn asked(&self, part: &str) -> usize {
        count(&self.shared.asked.borrow(), part)
    }

    /// Waits until so many questions had `part` in them.
    pub(crate) async fn until_asked(&self, part: &str, times: usize) {
        let mut asked = self.shared.asked.subscribe();
        let enough = asked.wait_for(|all| count(all, part) >= times);
        tokio::time::timeout(SOON, enough).await.unwrap().unwrap();
    }
}

fn count(questions: &[String], part: &str) -> usize {
    questions.iter().filter(|question| question.contains(part)).count()
}

/// Whoever hangs up in the middle is nobody's concern here.
async fn serve(caller: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut caller = BufReader::new(caller);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && caller.read_line(&mut head).await? > 0 {}
    let question = head.lines().next().unwrap_or_default().to_owned();
    shared.asked.send_modify(|all| all.push(question.clone()));
    let is_held = |gate: &Gate| matches!(gate, Gate::Holds(part) if question.contains(part));
    let gate = shared.gate.subscribe().wait_for(|gate| !is_held(gate)).await.map_or(Gate::Away, |gate| *gate);
    if gate == Gate::Away {
        return Ok(());
    }
    let mut emulator = TcpStream::connect(&shared.emulator).await?;
    emulator.write_all(head.as_bytes()).await?;
    copy_bidirectional(&mut caller, &mut emulator).await.map(drop)
}

//! A small HTTP server: fixed answers by path and query, a count of what was asked, and a gate that the test opens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The time between one byte of the body and the next.
    pub(crate) pace: Option<Duration>,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into(), pace: None }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::ok("a test") }
    }

    pub(crate) fn slowly(self, pace: Duration) -> Self {
        Self { pace: Some(pace), ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Listens until it is dropped.
pub(crate) struct Server {
    url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    asked: watch::Sender<Vec<String>>,
    /// Targets that contain this text wait.
    held: watch::Sender<Option<String>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with_tls(None).await
    }

    /// With a certificate.
    pub(crate) async fn with_tls(tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::default(),
            asked: watch::Sender::new(Vec::new()),
            held: watch::Sender::new(None),
        });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, serving) = (tls.clone(), serving.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, serving).await,
                        // Whoever hangs up in the handshake is nobody's concern here.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, serving).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url: format!("{scheme}:{}", address.port()), shared, task }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn answer(&self, target: &str, answer: Answer) {
        self.shared.answers.lock().unwrap().insert(target.to_owned(), answer);
    }

    pub(crate) fn hold(&self, part: &str) {
        self.shared.held.send_replace(Some(part.to_owned()));
    }

    pub(crate) fn release(&self) {
        self.shared.held.send_replace(None);
    }

    /// How many requests had `part` in them.
    pub(crate) fn asked(&self, part: &str) -> usize {
        self.shared.asked.borrow().iter().filter(|target| target.contains(part)).count()
    }

    /// Waits until so many requests had `part` in them.
    pub(crate) async fn until_asked(&self, part: &str, times: usize) {
        let mut asked = self.shared.asked.subscribe();
        let enough = |all: &Vec<String>| all.iter().filter(|target| target.contains(part)).count() >= times;
        asked.wait_for(enough).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.is_err() {
        return;
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while line.trim() != "" {
        line.clear();
        if stream.read_line(&mut line).await.is_err() {
            return;
        }
    }
    shared.asked.send_modify(|all| all.push(target.clone()));
    let is_free = |held: &Option<String>| held.as_ref().is_none_or(|part| !target.contains(part));
    let _ = shared.held.subscribe().wait_for(is_free).await;
    let answer = shared.answers.lock().unwrap().get(&target).cloned();
    let Answer { status, headers, body, pace } = answer.unwrap_or_else(|| Answer::status(404));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    match pace {
        None => drop(stream.write_all(&body).await),
        Some(pace) => trickle(&mut stream, &body, pace).await,
    }
    let _ = stream.shutdown().await;
}

/// Until the other side has had enough.
async fn trickle(stream: &mut (impl AsyncWrite + Unpin), body: &[u8], pace: Duration) {
    let mut turns = tokio::time::interval(pace);
    for byte in body {
        turns.tick().await;
        if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

//! A small HTTP server: fixed answers by path and query, a count of what was asked, and a gate that the test opens.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: b"a test".to_vec() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Listens until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
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
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
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

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
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
    let Answer { status, headers, body } = answer.unwrap_or_else(|| Answer::status(404));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
}

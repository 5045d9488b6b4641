//! A running Coordinator, its callers, and what the operating system knows of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use marblerun_api::grpc::{ActivationReq, ActivationResp, Parameters};
use marblerun_testkit::client::http::{Request, Response, Transport, send};
use marblerun_testkit::client::tls::Identity;
use marblerun_testkit::client::{grpc, tls};
use marblerun_testkit::program::{Coordinator, Options};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_marblerun-coordinator");
pub(crate) const UUID: &str = "0d1e2f30-4152-4637-8a9b-acbdcedff001";
/// Far above what anything here takes, for machines that do much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A Coordinator process and a runtime for its clients.
pub(crate) struct Running {
    pub(crate) process: Coordinator,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) marble: Marble,
}

/// What a marble logs in with, and its certificate request.
pub(crate) struct Marble {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) identity: Identity,
    pub(crate) request: Vec<u8>,
}

impl Marble {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let request = params.serialize_request(&key).unwrap().der().to_vec();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let identity = Identity::new(vec![certificate.clone()], &key).unwrap();
        Self { certificate, key, identity, request }
    }

    pub(crate) fn asks(&self, marble_type: &str, uuid: &str) -> ActivationReq {
        let (csr, marble_type, uuid) = (self.request.clone(), marble_type.to_owned(), uuid.to_owned());
        ActivationReq { csr, marble_type, uuid, ..ActivationReq::default() }
    }
}

pub(crate) fn options() -> Options {
    Options { program: Some(PROGRAM.into()), ..Options::default() }
}

/// A manifest with these marbles and secrets, of one package.
pub(crate) fn manifest(marbles: Value, secrets: Value) -> Value {
    let package = json!({"SignerID": "9c".repeat(32), "ProductID": 12, "SecurityVersion": 5});
    json!({"Packages": {"cider": package}, "Marbles": marbles, "Secrets": secrets})
}

/// Unlimited `press`, and `cellar` that may be activated three times.
pub(crate) fn plain() -> Value {
    manifest(
        json!({"press": {"Package": "cider"}, "cellar": {"Package": "cider", "MaxActivations": 3}}),
        json!({}),
    )
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: Options) -> Self {
        let process = Coordinator::start(options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { process, runtime, marble: Marble::new() }
    }

    /// One with [`plain`] set.
    pub(crate) fn serving(manifest: &Value) -> Self {
        let running = Self::start();
        assert_eq!(running.set(manifest).status, 200);
        running
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Response> {
        let request =
            Request { method: method.into(), path: path.into(), headers: vec![], body: body.into() };
        self.runtime.block_on(send(self.process.client_addr, Transport::Tls(None), request))
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, b"").unwrap()
    }

    pub(crate) fn set(&self, manifest: &Value) -> Response {
        self.request("POST", "/manifest", manifest.to_string().as_bytes()).unwrap()
    }

    /// The state as a number.
    pub(crate) fn state(&self) -> u64 {
        data(&self.get("/api/v2/status"))["code"].as_u64().unwrap()
    }

    pub(crate) fn activate(&self, marble_type: &str) -> Result<Parameters, tonic::Status> {
        let ask = self.marble.asks(marble_type, UUID);
        let answer = grpc::activate(self.process.mesh_addr, Some(&self.marble.identity), ask);
        self.runtime.block_on(answer).unwrap().map(|answer: ActivationResp| answer.parameters.unwrap())
    }

    /// `/metrics` or `/events`.
    pub(crate) fn observe(&self, path: &str) -> String {
        let request = Request { method: "GET".into(), path: path.into(), ..Request::default() };
        let answer = self.runtime.block_on(send(self.process.prometheus_addr, Transport::Plain, request));
        String::from_utf8(answer.unwrap().body).unwrap()
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::of(self.process.pid().unwrap())
    }

    /// What the Coordinator worked since it was started, to the hundredth of a second (proc_pid_stat(5)). Other work on
    /// the machine hardly changes it.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.pid().unwrap())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }
}

/// `data` of a JSON answer.
pub(crate) fn data(response: &Response) -> Value {
    let mut answer: Value = serde_json::from_slice(&response.body).unwrap();
    answer["data"].take()
}

pub(crate) async fn tls_stream(
    running: std::net::SocketAddr,
    alpn: &[u8],
) -> anyhow::Result<TlsStream<TcpStream>> {
    tls::connect(running, None, &[alpn]).await
}

/// Resident memory of a process in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
        let kib = |name: &str| fields[name].trim().trim_end_matches(" kB").parse().unwrap();
        Self { now: kib("VmRSS"), peak: kib("VmHWM") }
    }

    /// From now on the peak counts anew, if the kernel can do that.
    pub(crate) fn forget_peak(pid: u32) {
        let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// The output of a program; `None`, said aloud, if it is not installed.
pub(crate) fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<std::process::Output> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .output();
    if let Err(error) = &output {
        crate::say(&format!("SKIPPED: {program} does not run here: {error}"));
    }
    output.ok()
}

pub(crate) fn text(output: &std::process::Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

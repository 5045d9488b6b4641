//! T25: activations with evidence under a clock that lies. The vendor is the emulator's, and keeps the right time: its
//! collateral says from when until when it counts, whatever the host's clock says.

use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use marblerun_attest::{Roots, Vendor as Maker};
use marblerun_collateral::{self as collateral, Choice, Options, Sources};
use marblerun_core::keys::FreshKeys;
use marblerun_core::pki::Pki;
use marblerun_store::MemoryStore;
use marblerun_tee::emulated::{Enclave, Settings, Vendor, answer};
use marblerun_tee::{Tee, Wish, detect_in};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{
    Admission, Admissions, Arc, Ask, Attestation, Coordinator, Ephemeral, Events, Failure, Invitations,
    Issuer, Metrics, Names, Parts, PeerCertificate, PooledKeys, Presented, Published, Semaphore, State,
    SystemTime, Writer, activation,
};
use crate::attestation::Mode;
use crate::ledger::Ledger;
use crate::sealing::Sealing;

const DAY: u64 = 24 * 60 * 60;
const YEAR: u64 = 365 * DAY;
/// 2026-01-01: when the vendor began.
const FOUNDED: u64 = 1_767_225_600;
/// The right time.
const NOW: u64 = FOUNDED + 10 * DAY;
/// From when on what the vendor signs now counts: a minute earlier, for clocks that differ a little.
const SIGNED: u64 = NOW - 60;
/// The last second at which what the vendor signs now counts: that of nextUpdate does not.
const LAST: u64 = NOW + 30 * DAY - 1;
const BUILD: [u8; 32] = [0x11; 32];

/// Vendors are slow to make.
static VENDOR: LazyLock<Vendor> = LazyLock::new(|| Vendor::generate(at(FOUNDED)).unwrap());

/// What a Coordinator's clock shows, in seconds since 1970: one value after another, the last one for good. A clock is a
/// function, so each test has a place of its own.
static CLOCKS: [Mutex<VecDeque<u64>>; 3] = [const { Mutex::new(VecDeque::new()) }; 3];

fn clock<const TEST: usize>() -> SystemTime {
    let mut times = CLOCKS[TEST].lock().unwrap();
    at(if times.len() > 1 { times.pop_front().unwrap() } else { times[0] })
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A Coordinator that admits the marble, on a machine whose clock the test sets, beside a vendor with one of its own.
struct Scene {
    test: usize,
    coordinator: Coordinator,
    vendors_clock: Arc<Mutex<u64>>,
    peer: PeerCertificate,
    ask: Ask,
}

impl Scene {
    async fn new<const TEST: usize>() -> Self {
        CLOCKS[TEST].lock().unwrap().push_back(NOW);
        let vendors_clock = Arc::new(Mutex::new(NOW));
        let coordinator = coordinator(clock::<TEST>, &vendor(Arc::clone(&vendors_clock)).await);
        coordinator.set_manifest(manifest().to_string().into_bytes()).await.unwrap();
        let (peer, ask) = marble();
        Self { test: TEST, coordinator, vendors_clock, peer, ask }
    }

    /// The clock shows these times, one at each look.
    fn show(&self, times: impl IntoIterator<Item = u64>) {
        *CLOCKS[self.test].lock().unwrap() = times.into_iter().collect();
    }

    async fn activate(&self) -> Result<Admission, Failure> {
        self.coordinator.activate(&self.peer, self.ask.clone()).await
    }

    async fn activate_at(&self, time: u64) -> Result<Admission, String> {
        self.show([time]);
        self.activate().await.map_err(|failure| failure.to_string())
    }
}

#[tokio::test]
async fn a_clock_that_jumps_admits_only_while_the_collateral_counts() {
    let scene = Scene::new::<0>().await;
    let counts = |time: u64| (SIGNED..=LAST).contains(&time);
    scene.activate_at(NOW).await.unwrap();
    for time in [
        SIGNED,
        SIGNED - 1,
        LAST,
        LAST + 1,
        NOW - 10 * YEAR,
        NOW + 10 * YEAR,
        FOUNDED - 1,
        0,
        NOW + 3 * DAY,
        NOW + 1_000_000 * YEAR,
        NOW + 29 * DAY,
    ] {
        let outcome = scene.activate_at(time).await.map(drop);
        assert_eq!(outcome.is_ok(), counts(time), "{time}: {outcome:?}");
        // Nothing of it stays when the clock is right again.
        scene.activate_at(NOW).await.unwrap_or_else(|why| panic!("after {time}: {why}"));
    }
}

#[tokio::test]
async fn a_clock_that_jumps_at_each_look_gives_one_time_to_each_activation() {
    let scene = Scene::new::<1>().await;
    scene.activate_at(NOW).await.unwrap();
    let all = [NOW, LAST + 1, NOW + 10 * YEAR, NOW - 10 * YEAR, 0, LAST, SIGNED - 1, NOW + DAY, FOUNDED];
    let mut admitted = 0;
    for round in 0..300 {
        let first = all[round % all.len()];
        let others = (1..20).map(|look| all[(round * 7 + look * 5) % all.len()]);
        scene.show(std::iter::once(first).chain(others));
        let outcome = scene.activate().await;
        assert_eq!(outcome.is_ok(), (SIGNED..=LAST).contains(&first), "round {round} at {first}");
        let Ok(admission) = outcome else { continue };
        admitted += 1;
        assert!(begins(&admission) <= first, "the certificate is of the time of the evidence");
        assert!(first - begins(&admission) <= DAY, "round {round}: begins {}", begins(&admission));
    }
    assert!(admitted > 90, "{admitted} were admitted");
    scene.activate_at(NOW).await.unwrap();
}

/// The one thing that a wrong clock leaves behind, and on purpose: where the vendor itself was ahead, what it signed proves
/// that its time has been.
#[tokio::test]
async fn no_clock_before_what_a_vendor_signed_is_believed_again() {
    let scene = Scene::new::<2>().await;
    scene.activate_at(NOW).await.unwrap();
    *scene.vendors_clock.lock().unwrap() = NOW + YEAR;
    scene.activate_at(NOW + YEAR).await.unwrap();
    let why = scene.activate_at(NOW + 5 * DAY).await.map(drop).unwrap_err();
    assert!(why.contains("set the clock"), "{why}");
    scene.activate_at(NOW + YEAR).await.unwrap();
}

/// notBefore of the marble's certificate, in seconds since 1970.
fn begins(admission: &Admission) -> u64 {
    use der::Decode as _;
    use rustls::pki_types::pem::PemObject as _;
    let chain = &admission.parameters.env[activation::CERTIFICATE_CHAIN];
    let leaf = rustls::pki_types::CertificateDer::from_pem_slice(chain).unwrap();
    let certificate = x509_cert::Certificate::from_der(&leaf).unwrap();
    certificate.tbs_certificate().validity().not_before.to_unix_duration().as_secs()
}

/// Admits the marble by the emulator's word.
fn manifest() -> serde_json::Value {
    use base64::Engine as _;
    let root = base64::engine::general_purpose::STANDARD.encode(VENDOR.intel_root());
    json!({
        "Packages": { "p": { "UniqueID": hex::encode(BUILD), "AcceptedTCBStatuses": ["UpToDate"] } },
        "Infrastructures": { "lab": { "RootCA": root } },
        "Marbles": { "web": { "Package": "p" } },
    })
}

/// A marble with evidence for its key, on a platform that is up to date.
fn marble() -> (PeerCertificate, Ask) {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    let peer = PeerCertificate(params.self_signed(&key).unwrap().der().clone());
    let mut report_data = [0; 64];
    report_data[..32].copy_from_slice(digest(&SHA256, &peer.0).as_ref());
    let settings = Settings::default();
    let platform = VENDOR.platform("default", &settings).unwrap();
    let evidence = platform.sgx_quote(&Enclave::new(BUILD, [0x22; 32]), &report_data).unwrap();
    let (marble_type, uuid) = ("web".to_owned(), "0d1e2f30-4152-4637-8a9b-acbdcedff001".to_owned());
    (peer, Ask { marble_type, uuid, csr, evidence, challenge: Vec::new() })
}

/// Nothing is sealed by hardware, and evidence is verified as anywhere.
fn coordinator(clock: fn() -> SystemTime, pccs: &str) -> Coordinator {
    let tee: Arc<dyn Tee> = detect_in(std::path::Path::new("/nowhere"), &Wish::Simulation).unwrap().into();
    let keys = Arc::new(PooledKeys::start(FreshKeys).unwrap());
    let sealing = Sealing::from(Arc::clone(&tee));
    let abilities = Arc::new(sealing.abilities());
    let (ledger, _) =
        Ledger::open(Box::new(MemoryStore::new()), sealing, Arc::<PooledKeys>::clone(&keys)).unwrap();
    let names = Names { dns: vec!["localhost".to_owned()], ip: Vec::new() };
    let pki = Arc::new(Pki::generate(&names.dns, &names.ip, &*keys, clock()).unwrap());
    let presented = Presented::new(&pki).unwrap();
    let published = Arc::new(Published::from_pointee(State::Accepting(pki)));
    let (writer, _) = Writer::start(ledger, Arc::clone(&published)).unwrap();
    let choice = Choice { pccs_flag: Some(pccs), ..Choice::default() };
    let options = Options::new(Roots::new([(Maker::Intel, VENDOR.intel_root())]).unwrap());
    let service = collateral::Service::new(Sources::choose(&choice).unwrap().sources, options).unwrap();
    Coordinator::new(Parts {
        published,
        writer,
        attestation: Attestation::new(Mode::Evidence, service),
        issuer: Issuer::new(tee),
        abilities,
        invitations: Invitations::new(&*keys).unwrap(),
        keys,
        presented,
        metrics: Metrics::new(&[]).unwrap(),
        events: Events::default(),
        admissions: Admissions::default(),
        clock,
        slow: Arc::new(Semaphore::new(1)),
        preparing: Arc::new(tokio::sync::Mutex::new(())),
        ephemeral: Ephemeral::default(),
        names: Arc::new(names),
    })
}

/// The vendor's service; gives its address.
async fn vendor(clock: Arc<Mutex<u64>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let now = at(*clock.lock().unwrap());
            tokio::spawn(serve(stream, now));
        }
    });
    url
}

async fn serve(stream: TcpStream, now: SystemTime) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await? > 0 {}
    let path = head.split(' ').nth(1).unwrap_or_default();
    let answer = answer(&VENDOR, &Settings::default(), path, now).unwrap();
    let mut text = format!(
        "HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all((text + "\r\n").as_bytes()).await?;
    stream.write_all(&answer.body).await
}

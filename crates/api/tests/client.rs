//! The REST client against servers that behave and servers that do not.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use marblerun_api::client::{
    Address, CertificateChain, CertificateDer, ChainError, Client, ClientError, Limits, Trust, UpdateTaken,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A CA that also serves, as the Coordinator's root does.
struct Ca {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
}

impl Ca {
    fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "MarbleRun Coordinator");
        change(&mut params);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { params, key, der }
    }

    fn sign(&self, is_ca: bool) -> (CertificateDer<'static>, KeyPair, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        (certificate.der().clone(), key, certificate.pem())
    }

    fn pem(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }
}

/// A server that gives scripted answers, one per connection, and remembers what it was asked.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(certificate: CertificateDer<'static>, key: &KeyPair, answers: Vec<String>) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            for answer in answers {
                let (tcp, _) = listener.accept().await.unwrap();
                let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                let request = read_request(&mut tls).await;
                seen.lock().unwrap().push(request);
                let _ = tls.write_all(answer.as_bytes()).await;
                let _ = tls.shutdown().await;
            }
            std::future::pending::<()>().await;
        });
        Self { port, requests }
    }

    fn client(&self, trust: Trust) -> Client {
        self.client_of("localhost", trust)
    }

    fn client_of(&self, host: &str, trust: Trust) -> Client {
        Client::new(Address::parse(&format!("{host}:{}", self.port)).unwrap(), trust, None).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(tls: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = tls.read(&mut buffer).await.unwrap_or(0);
        request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or((&request, ""));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |text| text.parse().unwrap());
        if read == 0 || request.contains("\r\n\r\n") && body.len() >= length {
            return request;
        }
    }
}

fn answer(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const STATUS: &str = r#"{"status":"success","data":{"code":2,"message":"ready"}}"#;
const UNKNOWN: &str = r#"{"status":"error","data":null,"message":"method not allowed"}"#;

async fn serving(ca: &Ca, answers: &[(u16, &str)]) -> Server {
    let answers = answers.iter().map(|(status, body)| answer(*status, body)).collect();
    Server::start(ca.der.clone(), &ca.key, answers).await
}

#[tokio::test]
async fn the_pinned_root_itself_and_what_it_signed_are_trusted() {
    let ca = Ca::new("localhost");
    for host in ["localhost", "127.0.0.1"] {
        let server = serving(&ca, &[(200, STATUS)]).await;
        let status = server.client_of(host, Trust::Pinned(vec![ca.der.clone()])).status().await.unwrap();
        assert_eq!((status.code, status.message.as_str()), (2, "ready"));
        assert!(server.requests()[0].starts_with("GET /api/v2/status HTTP/1.1\r\n"));
    }
    let (leaf, key, _) = ca.sign(false);
    let server = Server::start(leaf, &key, vec![answer(200, STATUS)]).await;
    assert_eq!(server.client(Trust::Pinned(vec![ca.der.clone()])).status().await.unwrap().code, 2);
}

#[tokio::test]
async fn anybody_else_is_refused_before_anything_is_sent() {
    let ca = Ca::new("localhost");
    let stranger = Ca::new("localhost");
    let elsewhere = Ca::new("elsewhere.example");
    let expired = Ca::with("localhost", |params| params.not_after = date_time_ymd(2001, 1, 1));
    let future = Ca::with("localhost", |params| params.not_before = date_time_ymd(2900, 1, 1));
    // (who serves, what is pinned)
    for (server, pinned) in [
        (&stranger, &ca),
        (&ca, &stranger),
        (&elsewhere, &elsewhere),
        (&expired, &expired),
        (&future, &future),
    ] {
        let running = serving(server, &[(200, STATUS)]).await;
        let client = running.client(Trust::Pinned(vec![pinned.der.clone()]));
        let error = client.set_manifest(b"secret plans").await.unwrap_err();
        assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
        assert!(running.requests().iter().all(|request| !request.contains("POST")));
    }
    let server = serving(&stranger, &[(200, STATUS)]).await;
    assert_eq!(server.client(Trust::Anyone).status().await.unwrap().code, 2);
}

#[tokio::test]
async fn an_intermediate_serves_only_below_its_root() {
    let ca = Ca::new("localhost");
    let (intermediate, key, _) = ca.sign(true);
    let server = Server::start(intermediate, &key, vec![answer(200, STATUS)]).await;
    let error = server.client(Trust::Pinned(vec![ca.der])).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "a CA that is not pinned itself: {error:?}");
}

#[test]
fn nobody_to_trust_is_an_error() {
    let address = Address::parse("localhost:1").unwrap();
    assert!(matches!(Client::new(address, Trust::Pinned(vec![]), None), Err(ClientError::Setup(_))));
}

#[tokio::test]
async fn version_1_is_spoken_where_version_2_is_unknown() {
    let ca = Ca::new("localhost");
    let old = |body: &'static str| [(405, UNKNOWN), (200, body)];
    let trust = || Trust::Pinned(vec![ca.der.clone()]);

    let server =
        serving(&ca, &old(r#"{"status":"success","data":{"StatusCode":3,"StatusMessage":"m"}}"#)).await;
    assert_eq!(server.client(trust()).status().await.unwrap().code, 3);

    let server = serving(&ca, &old(r#"{"status":"success","data":{"Cert":"c","Quote":null}}"#)).await;
    assert_eq!(server.client(trust()).quote(b"\xff\xfe?").await.unwrap().cert, "c");
    assert!(server.requests()[1].starts_with("GET /quote?nonce=__4_ HTTP"));

    let server = serving(&ca, &old(r#"{"status":"success","data":null}"#)).await;
    assert!(server.client(trust()).set_manifest(b"{}").await.unwrap().recovery_secrets.is_empty());
    assert!(server.requests()[0].ends_with(r#"{"manifest":"e30="}"#));
    assert!(
        server.requests()[1].starts_with("POST /manifest HTTP")
            && server.requests()[1].ends_with("\r\n\r\n{}")
    );

    let server = serving(&ca, &old("{\"status\":\"success\",\"data\":\"{1}\\n{2}\\n\"}")).await;
    assert_eq!(server.client(trust()).update_log().await.unwrap(), ["{1}", "{2}"]);

    let secrets = r#"{"status":"success","data":{"n":{"Type":"plain","Size":0,"Shared":false,"UserDefined":true,
        "Cert":null,"ValidFor":0,"Private":"YWJj","Public":"YWJj"}}}"#;
    let server = serving(&ca, &old(secrets)).await;
    let read = server.client(trust()).secrets(&["a&b".into(), "n".into()]).await.unwrap();
    assert!(read["n"].private.as_ref().is_some_and(|bytes| *bytes.0 == b"abc"));
    assert!(server.requests()[0].starts_with("GET /api/v2/secrets?s=a%26b&s=n HTTP"));
    assert!(server.requests()[1].starts_with("GET /secrets?s=a%26b&s=n HTTP"));

    let server = serving(&ca, &old(r#"{"status":"success","data":null}"#)).await;
    let uploads = serde_json::from_str(r#"{"n":{"key":"YWJj"}}"#).unwrap();
    server.client(trust()).set_secrets(uploads).await.unwrap();
    assert!(server.requests()[0].ends_with(r#"{"secrets":{"n":{"Key":"YWJj"}}}"#));
    assert!(server.requests()[1].starts_with("POST /secrets HTTP"));
    assert!(server.requests()[1].ends_with(r#"{"n":{"Key":"YWJj"}}"#));

    let none = r#"{"status":"success","data":{"ManifestSignatureRootECDSA":null,"ManifestSignature":"","Manifest":null}}"#;
    let server = serving(&ca, &old(none)).await;
    assert!(matches!(server.client(trust()).manifest().await, Err(ClientError::Refused { .. })));
}

const APPLIED: &str = r#"{"status":"success","data":{"missingAcknowledgments":0,"missingUsers":null}}"#;
const PENDING: &str = r#"{"status":"success","data":{"manifest":"e30=","message":"1 user still needs it","missingUsers":["b","c"]}}"#;
const NONE: &str = r#"{"status":"error","data":null,"message":"no update in progress"}"#;
const CANCELLED: &str = r#"{"status":"success","data":{"message":"cancelled"}}"#;

#[tokio::test]
async fn updates_are_sent_looked_at_acknowledged_and_cancelled() {
    let ca = Ca::new("localhost");
    let server =
        serving(&ca, &[(200, APPLIED), (200, PENDING), (404, NONE), (200, APPLIED), (200, CANCELLED)]).await;
    let client = server.client(Trust::Pinned(vec![ca.der]));
    assert_eq!(client.update(b"{}").await.unwrap(), UpdateTaken::default());
    assert_eq!(client.pending_update().await.unwrap().unwrap().missing_users, ["b", "c"]);
    assert_eq!(client.pending_update().await.unwrap(), None);
    assert_eq!(client.acknowledge(b"{}").await.unwrap(), UpdateTaken::default());
    assert_eq!(client.cancel_update().await.unwrap(), "cancelled");
    let requests = server.requests();
    for (request, start) in
        requests.iter().zip(["POST /api/v2/update HTTP", "GET /api/v2/update-manifest HTTP"])
    {
        assert!(request.starts_with(start), "{request}");
    }
    assert!(requests[0].ends_with(r#"{"manifest":"e30="}"#));
    assert!(requests[3].starts_with("POST /api/v2/update-manifest HTTP"));
    assert!(requests[4].starts_with("POST /api/v2/update-cancel HTTP"));
}

/// Version 1 says nothing of what an update led to: it is asked whether it waits.
#[tokio::test]
async fn updates_over_version_1_say_as_much() {
    const VAGUE: &str =
        r#"{"status":"success","data":{"manifest":"e30=","message":"others","missingUsers":["b","c"]}}"#;
    let ca = Ca::new("localhost");
    let done = r#"{"status":"success","data":null}"#;
    let text = r#"{"status":"success","data":"2 users still need to acknowledge the update manifest"}"#;
    let old = (405, UNKNOWN);
    let answers =
        [old, (200, done), old, (200, VAGUE), old, (200, done), old, (404, NONE), old, (200, text), old];
    let server =
        serving(&ca, &[&answers[..], &[(200, r#"{"status":"success","data":"gone"}"#)]].concat()).await;
    let client = server.client(Trust::Pinned(vec![ca.der]));
    let waiting = client.update(b"{}").await.unwrap().outcome;
    assert_eq!((waiting.missing_acknowledgments, waiting.missing_users.unwrap().len()), (1, 2));
    assert_eq!(client.update(b"{}").await.unwrap(), UpdateTaken::default());
    let agreed = client.acknowledge(b"{}").await.unwrap().outcome;
    assert_eq!(agreed.missing_acknowledgments, 2);
    assert!(agreed.message.unwrap().starts_with("2 users"));
    assert_eq!(client.cancel_update().await.unwrap(), "gone");
    let requests = server.requests();
    assert!(requests[1].starts_with("POST /update HTTP") && requests[1].ends_with("\r\n\r\n{}"));
    assert!(requests[9].starts_with("POST /update-manifest HTTP") && requests[9].ends_with("\r\n\r\n{}"));
    assert!(requests[11].starts_with("POST /update-cancel HTTP"));
}

#[tokio::test]
async fn recovery_secrets_and_remarks_are_handed_on() {
    let ca = Ca::new("localhost");
    let body =
        r#"{"status":"success","data":{"RecoverySecrets":{"a":"AQI="}},"message":"unknown key \u001b[1m"}"#;
    let server = serving(&ca, &[(200, body)]).await;
    let taken = server.client(Trust::Pinned(vec![ca.der])).set_manifest(b"{}").await.unwrap();
    assert_eq!(taken.recovery_secrets["a"].0, [1, 2]);
    assert_eq!(taken.message.unwrap(), "unknown key \u{fffd}[1m");
}

/// What a failure looks like: its kind, and words of its message.
async fn check_failure(status: u16, body: &str, kind: fn(&ClientError) -> bool, words: &str) {
    let ca = Ca::new("localhost");
    let server = serving(&ca, &[(status, body)]).await;
    let limits = Limits { answer_bytes: 500, ..Limits::default() };
    let client = server.client(Trust::Pinned(vec![ca.der])).with_limits(limits);
    let error = client.status().await.unwrap_err();
    assert!(kind(&error) && error.to_string().contains(words), "{status} {body}: {error:?}");
}

#[tokio::test]
async fn failures_say_what_happened() {
    let refused = |e: &ClientError| matches!(e, ClientError::Refused { .. });
    let malformed = |e: &ClientError| matches!(e, ClientError::Malformed { .. });
    let unauthorised = |e: &ClientError| matches!(e, ClientError::Unauthorised { .. });
    check_failure(401, r#"{"status":"fail","data":null,"message":"who?"}"#, unauthorised, "who?").await;
    check_failure(500, r#"{"status":"error","data":null,"message":"broken"}"#, refused, "500: broken").await;
    check_failure(400, r#"{"status":"fail","data":{"nonce":"bad"}}"#, refused, "nonce").await;
    check_failure(200, r#"{"status":"error","data":null,"message":"hidden"}"#, refused, "hidden").await;
    check_failure(200, r#"{"status":"success","data":null}"#, malformed, "no data").await;
    check_failure(200, r#"{"status":"success","data":{"code":"x"}}"#, malformed, "expected u8").await;
    check_failure(200, "<html>", malformed, "not the answer of a Coordinator").await;
    check_failure(302, "", malformed, "302").await;
    check_failure(200, &" ".repeat(501), malformed, "longer than 500 bytes").await;
}

#[tokio::test]
async fn a_server_that_stops_talking_does_not_hold_us() {
    let ca = Ca::new("localhost");
    let short = Limits {
        answer: Duration::from_millis(100),
        connect: Duration::from_millis(100),
        ..Limits::default()
    };
    let trust = || Trust::Pinned(vec![ca.der.clone()]);

    // Cut in the middle of the answer.
    let server =
        Server::start(ca.der.clone(), &ca.key, vec!["HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{".into()])
            .await;
    let error = server.client(trust()).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error:?}");

    // Accepts connections and says nothing, before and after the handshake.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::parse(&silent.local_addr().unwrap().to_string()).unwrap();
    let client = Client::new(address, trust(), None).unwrap().with_limits(short);
    assert!(matches!(client.status().await.unwrap_err(), ClientError::Unreachable { .. }));
}

#[test]
fn a_swapped_certificate_in_the_chain_is_found_out() {
    let (ca, other) = (Ca::new("localhost"), Ca::new("localhost"));
    let (_, _, intermediate) = ca.sign(true);
    let (_, _, foreign) = other.sign(true);
    let pem = |parts: &[&str]| CertificateChain::from_pem(&parts.concat());
    let chain = pem(&[&intermediate, &ca.pem()]).unwrap();
    assert_eq!(pem(&["a remark\n", &chain.to_pem()]).unwrap(), chain);
    assert_eq!(pem(&[&foreign, &ca.pem()]), Err(ChainError::NotSigned));
    assert_eq!(pem(&[&intermediate, &other.pem()]), Err(ChainError::NotSigned));
    assert_eq!(pem(&[&ca.pem(), &intermediate]), Err(ChainError::NotSigned));
    assert_eq!(pem(&[&ca.pem()]), Err(ChainError::Count(1)));
    assert_eq!(pem(&[]), Err(ChainError::Count(0)));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(pem(&[broken, &ca.pem()]), Err(ChainError::Unreadable { position: 1, .. })));
}

//! Services behind TLS: whom we take for them, and what an operator is told about those whom we do not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use marblerun_attest::{Product, Roots};
use marblerun_collateral::{Choice, CollateralError, Limits, Options, Service, Sources};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::{self, sign::any_supported_type};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ALL_VERSIONS, ServerConfig};
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;

use crate::recorded::Case;
use crate::server::Server;
use crate::vendor::chip;

const CASE: &str = "sgx/v3-icx-eval17-swhardening";

/// Issues certificates of servers in a data center.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

/// What a server shows, and the key to it, both in PEM.
struct Shown {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn pem(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        Shown { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// As Intel's installer makes it for a PCCS: self-signed, of X.509 version 1.
fn installers() -> Shown {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tls");
    let read = |file| std::fs::read_to_string(folder.join(file)).unwrap();
    Shown { certificate: read("pccs-v1.crt"), key: read("pccs-v1.key") }
}

/// A PCCS with the recorded collateral.
async fn pccs(shown: &Shown, case: &Case) -> Server {
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
    let certificate = CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap();
    let certified = CertifiedKey::new(vec![certificate], any_supported_type(&key).unwrap());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(ALL_VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let server = Server::with_tls(Some(TlsAcceptor::from(Arc::new(config)))).await;
    case.serve(&server);
    server
}

fn service(sources: Sources) -> Service {
    Service::new(sources, Options::new(Roots::of_hardware_vendors().unwrap())).unwrap()
}

/// What the operator's flags lead to.
fn named(server: &Server) -> Sources {
    crate::recorded::sources(server)
}

async fn refusal(service: &Service, case: &Case) -> (String, String, String) {
    let error = service.collateral(&case.needs, case.at).await.unwrap_err();
    match &error {
        CollateralError::Certificate { url, reason } => (url.clone(), reason.clone(), error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_private_authority_is_refused_with_the_way_out() {
    let (case, authority) = (Case::load(CASE), Authority::new());
    let server = pccs(&authority.issue("localhost", |_| {}), &case).await;
    let (url, reason, message) = refusal(&service(named(&server)), &case).await;
    assert!(url.starts_with(&server.url()), "{url}");
    assert!(reason.contains("nobody vouches for it"), "{reason}");
    for words in [&url[..], &reason, "EDG_COLLATERAL_CA", "--collateral-ca", "\"use_secure_cert\": false"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(server.asked("/"), 0, "nothing was said to whom we do not know");
}

#[tokio::test]
async fn a_named_authority_or_the_certificate_itself_is_taken() {
    let (case, authority) = (Case::load(CASE), Authority::new());
    let shown = authority.issue("localhost", |_| {});
    let server = pccs(&shown, &case).await;
    for pem in [authority.pem(), shown.certificate.clone(), Authority::new().pem() + &authority.pem()] {
        let sources = named(&server).trusting(pem.as_bytes()).unwrap();
        service(sources).collateral(&case.needs, case.at).await.unwrap();
    }
    // Another's authority does not help, nor does one of the same name.
    let sources = named(&server).trusting(Authority::new().pem().as_bytes()).unwrap();
    refusal(&service(sources), &case).await;
}

#[tokio::test]
async fn an_authoritys_own_certificate_is_taken_if_it_is_named() {
    let (case, authority) = (Case::load(CASE), Authority::new());
    let shown = Shown { certificate: authority.pem(), key: authority.key.serialize_pem() };
    let server = pccs(&shown, &case).await;
    let (_, reason, _) = refusal(&service(named(&server)), &case).await;
    assert!(reason.contains("none that an authority makes for a server"), "{reason}");
    let sources = named(&server).trusting(shown.certificate.as_bytes()).unwrap();
    service(sources).collateral(&case.needs, case.at).await.unwrap();
}

#[tokio::test]
async fn wrong_names_and_times_are_refused_whoever_issued_it() {
    let (case, authority) = (Case::load(CASE), Authority::new());
    let at = |unix| OffsetDateTime::from_unix_timestamp(unix).unwrap();
    let dates = |from, to| {
        move |params: &mut CertificateParams| (params.not_before, params.not_after) = (at(from), at(to))
    };
    let cases = [
        (authority.issue("pccs.example", |_| {}), "pccs.example"),
        (authority.issue("localhost", dates(1_000_000_000, 1_000_086_400)), "expired"),
        (authority.issue("localhost", dates(9_000_000_000, 9_000_086_400)), "not valid yet"),
    ];
    for (shown, expected) in cases {
        let server = pccs(&shown, &case).await;
        let sources = named(&server).trusting(authority.pem().as_bytes()).unwrap();
        let (_, reason, _) = refusal(&service(sources), &case).await;
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
}

#[tokio::test]
async fn intels_file_takes_any_pccs_if_it_says_so_and_no_other_service() {
    let case = Case::load(CASE);
    for shown in [installers(), Authority::new().issue("another.example", |_| {})] {
        let server = pccs(&shown, &case).await;
        let url = server.url();
        let file =
            |secure| format!(r#"{{"pccs_url": "{url}/sgx/certification/v4/", "use_secure_cert": {secure}}}"#);
        let chosen = |qcnl: &str, pccs_flag| {
            let choice =
                Choice { qcnl: Some(Ok(qcnl)), pccs_flag, kds_flag: Some(&url), ..Choice::default() };
            service(Sources::choose(&choice).unwrap().sources)
        };
        chosen(&file(false), None).collateral(&case.needs, case.at).await.unwrap();
        refusal(&chosen(&file(true), None), &case).await;
        // The switch was written for the service of the file.
        refusal(&chosen(&file(false), Some(&url)), &case).await;
        let chip = chip(Some(Product::Milan), marblerun_attest::Hex([7; 64]));
        let error = chosen(&file(false), None).collateral(&chip, case.at).await.unwrap_err();
        assert!(matches!(error, CollateralError::Certificate { .. }), "{error}");
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_given_up() {
    let case = Case::load(CASE);
    let server = Server::start().await;
    let url = server.url().replace("http://", "https://");
    let choice = Choice { pccs_flag: Some(&url), ..Choice::default() };
    let plain = service(Sources::choose(&choice).unwrap().sources);
    let error = plain.collateral(&case.needs, case.at).await.unwrap_err().to_string();
    assert!(error.contains("TLS handshake"), "{error}");

    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let choice = Choice { pccs_flag: Some(&url), ..Choice::default() };
    let limits = Limits { connect: Duration::from_millis(50), ..Limits::default() };
    let options = Options { limits, ..Options::new(Roots::of_hardware_vendors().unwrap()) };
    let service = Service::new(Sources::choose(&choice).unwrap().sources, options).unwrap();
    let error = service.collateral(&case.needs, case.at).await.unwrap_err().to_string();
    assert!(error.contains("no TLS handshake within"), "{error}");
}

#[test]
fn a_file_without_a_certificate_is_no_authority() {
    let section =
        |inside: &str| format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
    let good = Authority::new().pem();
    for (pem, why) in [
        (String::new(), "there is no certificate in it"),
        ("garbage".to_owned(), "there is no certificate in it"),
        (format!("{good}{}", section("AAAA")), "number 2 in it is no X.509 certificate"),
        (section("A*"), "not in base64"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned(), "no END line"),
    ] {
        let error = Sources::of_vendors().unwrap().trusting(pem.as_bytes()).unwrap_err();
        assert!(matches!(&error, CollateralError::Authority(said) if said.contains(why)), "{pem}: {error}");
    }
}

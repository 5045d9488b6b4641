//! A PCCS in a data center: behind TLS, with a certificate that only the data center's own authority vouches for.

use std::sync::Arc;

use marblerun_testkit::program::{Coordinator, Options};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::pccs::Pccs;
use crate::scene::Scene;

/// A server's certificate for `localhost`, and that of its authority in PEM.
fn issued() -> (TlsAcceptor, String) {
    let (mut authority, authority_key) = (CertificateParams::new(Vec::new()).unwrap(), key());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = key();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &Issuer::from_params(&authority, &authority_key)).unwrap();
    let acceptor = acceptor(certificate.der().clone(), &key);
    (acceptor, authority.self_signed(&authority_key).unwrap().pem())
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
}

#[test]
fn a_private_pccs_is_taken_by_its_authority_and_refused_without() {
    let mut scene = Scene::new();
    let (tls, authority) = issued();
    let emulator = scene.lab.url().trim_start_matches("http://").to_owned();
    let pccs = scene.runtime.block_on(Pccs::behind(&emulator, Some(tls)));
    scene.lab.desk.write("authority.pem", &authority);
    let url = pccs.url();

    // The command line first, which says what to do.
    let doctor = ["doctor", "--pccs-url", &url, "--kds-url", &url];
    let seen = scene.lab.desk.done(&doctor);
    assert!(seen.contains("nobody vouches for it") && seen.contains("EDG_COLLATERAL_CA"), "{seen}");
    let seen = scene.lab.desk.done(&[&doctor[..], &["--collateral-ca", "authority.pem"]].concat());
    assert!(seen.contains(&format!("Intel's service at {url}: answers")), "{seen}");
    let named = [("EDG_COLLATERAL_CA", "authority.pem")];
    let seen = scene.lab.desk.call_in(&named, &doctor).stdout;
    assert!(seen.contains(&format!("AMD's service at {url}: answers")), "{seen}");

    let options = scene.options.clone().env("EDG_PCCS_URL", &url);
    restart(&mut scene, options.clone());
    let why = scene.activate(scene.asks_from("default")).unwrap_err();
    assert!(why.contains("the certificate of the service is not taken"), "{why}");
    let file = scene.lab.desk.path("authority.pem").display().to_string();
    restart(&mut scene, options.env("EDG_COLLATERAL_CA", &file));
    scene.activate(scene.asks_from("default")).unwrap();
}

fn restart(scene: &mut Scene, options: Options) {
    assert!(scene.coordinator.stop().unwrap().success());
    scene.coordinator = Coordinator::start(options).unwrap();
}

//! Two marbles talk; strangers do not get in.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use marblerun_api::grpc::ActivationReq;
use marblerun_marble::tls::{
    CERTIFICATE_CHAIN, Credentials, PRIVATE_KEY, PeerError, PeerIdentity, ROOT_CA, TlsError,
};
use marblerun_marble::{Identity, Names};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use uuid::Uuid;

use crate::coordinator::{Mesh, provider};

const SERVER: u128 = 0x5e57;
const CLIENT: u128 = 0xc11e;

type Variables = BTreeMap<String, String>;

fn texts(variables: Vec<(String, Vec<u8>)>) -> Variables {
    variables.into_iter().map(|(name, value)| (name, String::from_utf8(value).unwrap())).collect()
}

fn marble(mesh: &Mesh, marble_type: &str, uuid: u128) -> Variables {
    let csr = Identity::generate(&Names::parse("localhost").unwrap()).unwrap().certificate_request().unwrap();
    let uuid = Uuid::from_u128(uuid).to_string();
    texts(mesh.predefined(&ActivationReq {
        csr,
        marble_type: marble_type.into(),
        uuid,
        ..ActivationReq::default()
    }))
}

fn credentials(variables: &Variables) -> Credentials {
    Credentials::from_variables(|name| variables.get(name).cloned()).unwrap()
}

/// What both ends see of each other, or why there is no connection. With TLS 1.3 a client learns that it was refused
/// only when it reads, so one byte is exchanged.
async fn connect(
    server: &Variables,
    client: ClientConfig,
    name: &str,
) -> io::Result<(Result<PeerIdentity, PeerError>, Result<PeerIdentity, PeerError>)> {
    let acceptor = TlsAcceptor::from(Arc::new(credentials(server).server_config().unwrap()));
    let connector = TlsConnector::from(Arc::new(client));
    let (near, far) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn(async move {
        let mut stream = acceptor.accept(far).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        io::Result::Ok(PeerIdentity::proved_by(stream.get_ref().1.peer_certificates().unwrap()))
    });
    let mut stream = connector.connect(name.to_owned().try_into().unwrap(), near).await?;
    stream.read_exact(&mut [0]).await?;
    let seen = PeerIdentity::proved_by(stream.get_ref().1.peer_certificates().unwrap());
    Ok((seen, serving.await.unwrap()?))
}

#[tokio::test]
async fn both_ends_learn_who_the_other_is() {
    let mesh = Mesh::new();
    let (server, client) = (marble(&mesh, "web", SERVER), marble(&mesh, "bäcker", CLIENT));
    let (of_server, of_client) =
        connect(&server, credentials(&client).client_config().unwrap(), "localhost").await.unwrap();
    let named = |marble_type: &str, uuid| PeerIdentity {
        marble_type: marble_type.into(),
        uuid: Uuid::from_u128(uuid),
    };
    assert_eq!(of_server, Ok(named("web", SERVER)));
    assert_eq!(of_client, Ok(named("bäcker", CLIENT)));
    assert_eq!(credentials(&client).identity(), Ok(named("bäcker", CLIENT)));
}

#[tokio::test]
async fn strangers_are_refused() {
    let (mesh, other_mesh) = (Mesh::new(), Mesh::new());
    let server = marble(&mesh, "web", SERVER);
    let client =
        || ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let trusting = || {
        let mut roots = RootCertStore::empty();
        let root = &server[ROOT_CA];
        use rustls::pki_types::pem::PemObject as _;
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        client().with_root_certificates(roots)
    };
    let refused = async |name: &str, client: ClientConfig, dialled: &str, wanted: &str| {
        let error = connect(&server, client, dialled).await.expect_err(name).to_string();
        assert!(error.contains(wanted), "{name}: {error}");
    };
    let self_made = Identity::generate(&Names::parse("localhost").unwrap()).unwrap();
    let self_made = trusting()
        .with_client_auth_cert(vec![self_made.certificate().clone()], self_made.private_key())
        .unwrap();
    refused("no certificate", trusting().with_no_client_auth(), "localhost", "CertificateRequired").await;
    refused("self-made certificate", self_made, "localhost", "UnknownCA").await;
    let foreign = credentials(&marble(&other_mesh, "web", CLIENT)).client_config().unwrap();
    refused("another mesh", foreign, "localhost", "BadSignature").await;
    let member = credentials(&marble(&mesh, "web", CLIENT)).client_config().unwrap();
    refused("another name", member, "elsewhere.example", "not valid for name").await;
}

#[tokio::test]
async fn a_certificate_secret_is_a_member_but_no_marble() {
    let mesh = Mesh::new();
    let holder = credentials(&texts(mesh.secret_certificate()));
    let server = marble(&mesh, "web", SERVER);
    let (_, of_client) = connect(&server, holder.client_config().unwrap(), "localhost").await.unwrap();
    assert_eq!(of_client, Err(PeerError::NotAMarble));
}

#[test]
fn damaged_certificates_name_nobody_and_hurt_nobody() {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let chain = &marble(&Mesh::new(), "web", SERVER)[CERTIFICATE_CHAIN];
    let good = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
    let read = |bytes: &[u8]| PeerIdentity::proved_by(&[CertificateDer::from(bytes)]);
    assert!(read(&good).is_ok());
    assert_eq!(PeerIdentity::proved_by(&[]), Err(PeerError::NoCertificate));
    for index in 0..good.len() {
        assert!(read(&good[..index]).is_err(), "cut at {index}");
        let mut changed = good.to_vec();
        changed[index] ^= 0x80;
        let _ = read(&changed);
    }
}

#[test]
fn an_incomplete_environment_is_named() {
    let mesh = Mesh::new();
    let check = |name: &'static str, value: Option<&str>, wanted: TlsError| {
        let mut variables = marble(&mesh, "web", SERVER);
        match value {
            Some(value) => variables.insert(name.into(), value.into()),
            None => variables.remove(name),
        };
        let error = Credentials::from_variables(|name| variables.get(name).cloned()).err();
        assert_eq!(error, Some(wanted));
    };
    for name in [ROOT_CA, CERTIFICATE_CHAIN, PRIVATE_KEY] {
        check(name, None, TlsError::Missing { name });
    }
    for name in [ROOT_CA, CERTIFICATE_CHAIN] {
        check(name, Some("text"), TlsError::Pem { name, why: "no certificate in it".into() });
    }
}

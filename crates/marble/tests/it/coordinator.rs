//! A Coordinator as a marble sees it: it requires any client certificate, answers as the test says, issues real
//! certificates, and remembers what it was asked.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use der::{Decode as _, Encode as _};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use marblerun_api::grpc::marble_server::{Marble, MarbleServer};
use marblerun_api::grpc::{ActivationReq, ActivationResp, ChallengeReq, ChallengeResp, Parameters};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName as Hint, ServerConfig, SignatureScheme};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Request, Response, Status};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::request::{CertReq, ExtensionReq};

/// What happens to one connection.
pub(crate) enum Answer {
    /// Closed when the handshake is done.
    HangUp,
    /// A gRPC error.
    Refuse(Code, &'static str),
    /// These parameters, and the predefined variables.
    Admit(Parameters),
}

/// One activation as it arrived.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) request: ActivationReq,
    pub(crate) certificate: CertificateDer<'static>,
}

pub(crate) struct Coordinator {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

/// What is answered to the n-th marble that asks for a challenge, given its nonce and the certificate of the port.
pub(crate) type Invite = fn(u8, &[u8], Vec<u8>) -> ChallengeResp;

struct Shared {
    mesh: Mesh,
    /// None knows of no challenge.
    invite: Option<Invite>,
    invited: Mutex<u8>,
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Seen>>,
}

impl Coordinator {
    /// Serves on a free port until the runtime ends. Each connection takes one answer; the last one is repeated.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_with(None, answers).await
    }

    /// As [`Coordinator::start`], for one that hands out challenges.
    pub(crate) async fn inviting(invite: Invite, answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_with(Some(invite), answers).await
    }

    async fn start_with(invite: Option<Invite>, answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Mutex::new(answers.into_iter().collect());
        let shared = Arc::new(Shared {
            mesh: Mesh::new(),
            invite,
            invited: Mutex::default(),
            answers,
            seen: Mutex::default(),
        });
        let acceptor = TlsAcceptor::from(Arc::new(shared.mesh.server_config()));
        tokio::spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Self { address, shared }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let Ok(tls) = acceptor.accept(tcp).await else { continue };
        let answer = {
            let mut answers = shared.answers.lock().unwrap();
            let next = answers.pop_front().expect("an answer for this connection");
            if answers.is_empty() {
                answers.push_back(next.again());
            }
            next
        };
        if matches!(answer, Answer::HangUp) {
            continue;
        }
        let certificate = tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
        let service = Service { shared: Arc::clone(&shared), certificate, answer };
        let service = TowerToHyperService::new(MarbleServer::new(service));
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(async move {
            let _ = http.serve_connection(TokioIo::new(tls), service).await;
        });
    }
}

impl Answer {
    fn again(&self) -> Self {
        match self {
            Self::HangUp => Self::HangUp,
            Self::Refuse(code, message) => Self::Refuse(*code, message),
            Self::Admit(parameters) => Self::Admit(parameters.clone()),
        }
    }
}

struct Service {
    shared: Arc<Shared>,
    certificate: CertificateDer<'static>,
    answer: Answer,
}

#[tonic::async_trait]
impl Marble for Service {
    async fn challenge(&self, request: Request<ChallengeReq>) -> Result<Response<ChallengeResp>, Status> {
        let Some(invite) = self.shared.invite else {
            return Err(Status::unimplemented("unknown method Challenge"));
        };
        let root = self.shared.mesh.root.der().to_vec();
        let mut number = self.shared.invited.lock().unwrap();
        *number += 1;
        Ok(Response::new(invite(*number, &request.into_inner().nonce, root)))
    }

    async fn activate(&self, request: Request<ActivationReq>) -> Result<Response<ActivationResp>, Status> {
        let request = request.into_inner();
        let seen = Seen { request: request.clone(), certificate: self.certificate.clone() };
        self.shared.seen.lock().unwrap().push(seen);
        match &self.answer {
            Answer::HangUp => unreachable!("the connection was closed"),
            Answer::Refuse(code, message) => Err(Status::new(*code, *message)),
            Answer::Admit(parameters) => {
                let mut parameters = parameters.clone();
                parameters.env.extend(self.shared.mesh.predefined(&request));
                Ok(Response::new(ActivationResp { parameters: Some(parameters) }))
            }
        }
    }
}

/// A marble root and what it issues.
pub(crate) struct Mesh {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Mesh {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = common_name("MarbleRun Coordinator - Intermediate CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        Self { root: CertifiedIssuer::self_signed(params, key()).unwrap() }
    }

    /// The predefined variables of a marble: its certificate carries the names of its request.
    pub(crate) fn predefined(&self, request: &ActivationReq) -> Vec<(String, Vec<u8>)> {
        let extension =
            CustomExtension::from_oid_content(&[1, 3, 9903, 2, 1], request.marble_type.clone().into_bytes());
        let (certificate, key) = self.issue(&request.uuid, alternative_names(&request.csr), vec![extension]);
        variables(&certificate, &self.root.pem(), &key)
    }

    /// The variables of somebody who holds a certificate of this mesh that is not a marble's own.
    pub(crate) fn secret_certificate(&self) -> Vec<(String, Vec<u8>)> {
        let names = vec![SanType::DnsName("localhost".try_into().unwrap())];
        let (certificate, key) = self.issue("MarbleRun Generated Certificate", names, vec![]);
        variables(&certificate, &self.root.pem(), &key)
    }

    fn issue(
        &self,
        name: &str,
        alternative_names: Vec<SanType>,
        extensions: Vec<CustomExtension>,
    ) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.subject_alt_names = alternative_names;
        params.custom_extensions = extensions;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = key();
        (params.signed_by(&key, &self.root).unwrap().pem(), key.serialize_pem())
    }

    fn server_config(&self) -> ServerConfig {
        let key = PrivateKeyDer::from_pem_slice(self.root.key().serialize_pem().as_bytes()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::new(AnyClient))
            .with_single_cert(vec![self.root.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn variables(certificate: &str, root: &str, key: &str) -> Vec<(String, Vec<u8>)> {
    [
        ("MARBLE_PREDEFINED_ROOT_CA", root.to_owned()),
        ("MARBLE_PREDEFINED_COORDINATOR_ROOT_CA", root.to_owned()),
        ("MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN", format!("{certificate}{root}")),
        ("MARBLE_PREDEFINED_PRIVATE_KEY", key.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value.into_bytes()))
    .into()
}

/// The names in a certificate request.
pub(crate) fn alternative_names(csr: &[u8]) -> Vec<SanType> {
    let request = CertReq::from_der(csr).unwrap();
    let attribute = request.info.attributes.get(0).expect("extensions in the request");
    let extensions = ExtensionReq::from_der(&attribute.values.get(0).unwrap().to_der().unwrap()).unwrap();
    let names = SubjectAltName::from_der(extensions.0[0].extn_value.as_bytes()).unwrap();
    names.0.iter().map(san).collect()
}

fn san(name: &GeneralName) -> SanType {
    match name {
        GeneralName::DnsName(name) => SanType::DnsName(name.as_str().try_into().unwrap()),
        GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
            [a, b, c, d] => SanType::IpAddress([a, b, c, d].into()),
            ref long => SanType::IpAddress(<[u8; 16]>::try_from(long).unwrap().into()),
        },
        other => panic!("{other:?}"),
    }
}

/// As a Coordinator does: a marble's certificate proves only a key.
#[derive(Debug)]
struct AnyClient;

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[Hint] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

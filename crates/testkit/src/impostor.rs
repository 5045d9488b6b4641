//! A man in the middle on the marble API: he has a key of his own and a genuine Coordinator to ask, and does with its
//! answers what he can.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use marblerun_api::grpc::marble_server::{Marble, MarbleServer};
use marblerun_api::grpc::{ActivationReq, ActivationResp, ChallengeReq, ChallengeResp};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status};

use crate::client::grpc;
use crate::client::tls::Identity;

/// What he does with the genuine Coordinator's answer to a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// Passes it on as it is.
    PassOn,
    /// Passes it on with his own certificate as that of the mesh port.
    OwnCertificate,
    /// The same, with the evidence that was made for a nonce of his.
    Replay,
    /// His own certificate, and no collateral.
    NoCollateral,
}

/// A listener that is not the Coordinator's.
#[derive(Debug)]
pub struct Impostor {
    /// Where he listens.
    pub address: SocketAddr,
    activations: Arc<AtomicUsize>,
}

impl Impostor {
    /// Stands before `genuine` until the runtime ends.
    ///
    /// # Errors
    /// If there is no port or no key to be had.
    pub async fn start(genuine: SocketAddr, trick: Trick) -> Result<Self> {
        let key = KeyPair::generate().context("a key")?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        let identity = Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port")?;
        let address = listener.local_addr().context("a port")?;
        let own = certificate.der().to_vec();
        let tls = TlsAcceptor::from(Arc::new(server_config(own.clone(), key.serialize_der())?));
        let activations = Arc::<AtomicUsize>::default();
        let middle = Middle { genuine, trick, identity, own, activations: Arc::clone(&activations) };
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, tls.clone(), middle.clone()));
            }
        });
        Ok(Self { address, activations })
    }

    /// How often somebody wanted to be activated by him.
    pub fn activations(&self) -> usize {
        self.activations.load(Ordering::Relaxed)
    }
}

fn server_config(certificate: Vec<u8>, key: Vec<u8>) -> Result<ServerConfig> {
    let key = PrivateKeyDer::try_from(key).map_err(anyhow::Error::msg)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

async fn serve(tcp: TcpStream, tls: TlsAcceptor, middle: Middle) {
    let Ok(stream) = tls.accept(tcp).await else { return };
    let service = TowerToHyperService::new(MarbleServer::new(middle));
    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

#[derive(Clone)]
struct Middle {
    genuine: SocketAddr,
    trick: Trick,
    identity: Identity,
    own: Vec<u8>,
    activations: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Marble for Middle {
    async fn challenge(&self, request: Request<ChallengeReq>) -> Result<Response<ChallengeResp>, Status> {
        let nonce = match self.trick {
            Trick::Replay => b"an older nonce".to_vec(),
            _ => request.into_inner().nonce,
        };
        let answer = grpc::challenge(self.genuine, Some(&self.identity), &nonce).await;
        let mut answer = answer.map_err(|error| Status::unavailable(format!("{error:#}")))??;
        if self.trick != Trick::PassOn {
            answer.marble_root_certificate.clone_from(&self.own);
        }
        if self.trick == Trick::NoCollateral {
            answer.collateral.clear();
        }
        Ok(Response::new(answer))
    }

    async fn activate(&self, _: Request<ActivationReq>) -> Result<Response<ActivationResp>, Status> {
        self.activations.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(ActivationResp::default()))
    }
}

/// Somebody with a key of his own who answers the first request of each connection to the client API with `body`, JSON, as a
/// success.
///
/// # Errors
/// As [`Impostor::start`].
pub async fn answering(body: String) -> Result<SocketAddr> {
    let key = KeyPair::generate().context("a key")?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    let mut config = server_config(certificate.der().to_vec(), key.serialize_der())?;
    config.alpn_protocols.clear();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port")?;
    let address = listener.local_addr().context("a port")?;
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(stream) = tls.accept(tcp).await else { continue };
            let body = body.clone();
            let service = hyper::service::service_fn(move |_| {
                let answer = http::Response::builder().header("Content-Type", "application/json");
                std::future::ready(answer.body(http_body_util::Full::new(bytes::Bytes::from(body.clone()))))
            });
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(async move { http.serve_connection(TokioIo::new(stream), service).await });
        }
    });
    Ok(address)
}

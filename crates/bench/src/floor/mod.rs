//! The floor: the least that a server can do for one activation with this TLS, gRPC and cryptography library.
//!
//! It requires a client certificate, checks the request's signature, makes a P-384 key, issues a leaf and answers the four
//! predefined variables. It has no manifest, state, log, metrics or limits, and admits anybody: it listens on loopback only.

pub(crate) mod disk;
mod issuer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use marblerun_api::grpc::marble_server::{Marble, MarbleServer};
use marblerun_api::grpc::{ActivationReq, ActivationResp, ChallengeReq, ChallengeResp, Parameters};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status};

use self::issuer::{Issuer, Leaf};
use crate::cli::FloorArguments;
use crate::{output, tls};

/// Serves until its time is over, its starter is gone, or it is dropped.
pub(crate) async fn serve(arguments: FloorArguments) -> anyhow::Result<()> {
    let issuer = Issuer::generate()?;
    let config = tls::floor(issuer.certificate(), issuer.private_key())?;
    let listener = TcpListener::bind(arguments.listen).await.context("listen")?;
    output::say(&format!("listening on {}", listener.local_addr()?));
    let service = MarbleServer::new(Floor(issuer));
    tokio::select! {
        result = accept(listener, TlsAcceptor::from(Arc::new(config)), service) => result,
        () = tokio::time::sleep(Duration::from_secs_f64(arguments.seconds)) => Ok(()),
        () = input_closed(), if arguments.tied => Ok(()),
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    service: MarbleServer<Floor>,
) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        let (acceptor, service) = (acceptor.clone(), service.clone());
        // What fails here is the client's matter: it counts failures.
        tokio::spawn(async move { connection(stream, acceptor, service).await });
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    service: MarbleServer<Floor>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let http = http2::Builder::new(TokioExecutor::new());
    Ok(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await?)
}

/// A thread of its own, because a read from standard input cannot be given up.
async fn input_closed() {
    let (closed, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ignored = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        closed.send(())
    });
    let _ = wait.await;
}

struct Floor(Issuer);

#[tonic::async_trait]
impl Marble for Floor {
    async fn challenge(&self, _: Request<ChallengeReq>) -> Result<Response<ChallengeResp>, Status> {
        Err(Status::unimplemented("the floor verifies nothing"))
    }

    async fn activate(&self, request: Request<ActivationReq>) -> Result<Response<ActivationResp>, Status> {
        let request = request.into_inner();
        let leaf = self.0.issue(&request.csr, &request.marble_type, &request.uuid);
        let leaf = leaf.map_err(|error| Status::invalid_argument(format!("{error:#}")))?;
        Ok(Response::new(ActivationResp { parameters: Some(self.parameters(leaf)) }))
    }
}

impl Floor {
    fn parameters(&self, leaf: Leaf) -> Parameters {
        let root = self.0.pem().as_bytes();
        let env = [
            ("MARBLE_PREDEFINED_ROOT_CA", root.to_vec()),
            ("MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN", leaf.chain.into_bytes()),
            ("MARBLE_PREDEFINED_PRIVATE_KEY", leaf.key.into_bytes()),
            ("MARBLE_PREDEFINED_COORDINATOR_ROOT_CA", root.to_vec()),
        ];
        Parameters { env: env.map(|(name, value)| (name.to_owned(), value)).into(), ..Parameters::default() }
    }
}

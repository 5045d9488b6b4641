//! The marble API: from a gRPC request to plain values and back.

use std::time::Duration;

use http::{Request, Response};
use marblerun_api::grpc::marble_server::{Marble, MarbleServer};
use marblerun_api::grpc::{ActivationReq, ActivationResp, ChallengeReq, ChallengeResp, Parameters};
use marblerun_core::activation;
use tonic::Status;

use crate::failure::Failure;
use crate::invitation::Invitation;
use crate::listen::Service;
use crate::service::{Ask, Coordinator};
use crate::tls::PeerCertificate;
use crate::traffic::Received;

/// Largest request: evidence with its certificates, and a certificate request.
const MOST_BYTES: usize = 1 << 20;
/// Longest activation, from the head of the request to the answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// The marble API of a Coordinator.
#[derive(Clone)]
pub(crate) struct MarbleApi(MarbleServer<Handler>);

#[derive(Clone)]
struct Handler(Coordinator);

impl MarbleApi {
    /// Serves `coordinator`.
    pub(crate) fn new(coordinator: Coordinator) -> Self {
        Self(MarbleServer::new(Handler(coordinator)).max_decoding_message_size(MOST_BYTES))
    }
}

impl Service for MarbleApi {
    type Body = tonic::body::Body;

    async fn answer(
        &self,
        mut request: Request<Received>,
        peer: Option<PeerCertificate>,
    ) -> Response<Self::Body> {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let answer = tower::Service::call(&mut self.0.clone(), request);
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                Status::deadline_exceeded(format!("not done within {} s", DEADLINE.as_secs())).into_http()
            }
        }
    }
}

#[tonic::async_trait]
impl Marble for Handler {
    async fn challenge(
        &self,
        request: tonic::Request<ChallengeReq>,
    ) -> Result<tonic::Response<ChallengeResp>, Status> {
        peer(&request)?;
        let invited = self.0.invite(request.into_inner().nonce).await;
        Ok(tonic::Response::new(answer(invited.map_err(|failure| status(&failure))?)))
    }

    async fn activate(
        &self,
        request: tonic::Request<ActivationReq>,
    ) -> Result<tonic::Response<ActivationResp>, Status> {
        let peer = peer(&request)?;
        let ActivationReq { quote, csr, marble_type, uuid, challenge } = request.into_inner();
        let ask = Ask { marble_type, uuid, csr, evidence: quote, challenge };
        let admission = self.0.activate(&peer, ask).await.map_err(|failure| status(&failure))?;
        Ok(tonic::Response::new(ActivationResp { parameters: Some(wire(admission.parameters)) }))
    }
}

/// Whose key the handshake proved; nobody else is answered.
fn peer<T>(request: &tonic::Request<T>) -> Result<PeerCertificate, Status> {
    let peer = request.extensions().get::<PeerCertificate>().cloned();
    peer.ok_or_else(|| status(&Failure::NoCertificate))
}

fn answer(invitation: Invitation) -> ChallengeResp {
    let Invitation { challenge, evidence } = invitation;
    let Some(introduction) = evidence else { return ChallengeResp { challenge, ..ChallengeResp::default() } };
    let collateral = introduction.collateral.and_then(|all| serde_json::to_vec(&all).ok());
    ChallengeResp {
        challenge,
        quote: introduction.quote,
        root_certificate: introduction.root,
        marble_root_certificate: introduction.marble_root,
        collateral: collateral.unwrap_or_default(),
    }
}

fn status(failure: &Failure) -> Status {
    Status::new(failure.grpc(), failure.message())
}

fn wire(parameters: activation::Parameters) -> Parameters {
    let plain = |map: std::collections::BTreeMap<String, zeroize::Zeroizing<Vec<u8>>>| {
        map.into_iter().map(|(name, mut bytes)| (name, std::mem::take(&mut *bytes))).collect()
    };
    let argv = parameters.argv.into_iter().map(|mut argument| std::mem::take(&mut *argument));
    Parameters { files: plain(parameters.files), env: plain(parameters.env), argv: argv.collect() }
}

//! Plain HTTP for observers: `/metrics` and `/events`. Off unless an address is configured.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;

use crate::listen::Service;
use crate::service::Coordinator;
use crate::tls::PeerCertificate;
use crate::traffic::Received;

/// Metrics and events of a Coordinator.
#[derive(Clone)]
pub(crate) struct Observers(Coordinator);

impl Observers {
    /// Shows `coordinator`.
    pub(crate) fn new(coordinator: Coordinator) -> Self {
        Self(coordinator)
    }
}

impl Service for Observers {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<Received>, _: Option<PeerCertificate>) -> Response<Self::Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/metrics") => {
                response(StatusCode::OK, "text/plain; version=0.0.4", self.0.metrics().text())
            }
            (&Method::GET, "/events") => response(StatusCode::OK, "application/json", self.0.events().json()),
            _ => response(
                StatusCode::NOT_FOUND,
                "text/plain",
                b"only GET /metrics and GET /events are here\n".to_vec(),
            ),
        }
    }
}

fn response(code: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

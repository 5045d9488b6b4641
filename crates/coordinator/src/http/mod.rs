//! The client API over HTTPS: routes, bodies and answers of versions 1 and 2.
//!
//! What clients of the reference implementation rely on: an unknown path or method answers 405 (they fall back to
//! version 1 then), never a redirect; every answer is JSON.

mod answer;
mod audit;
mod body;
mod counters;
mod endpoints;
mod log;
mod login;
#[cfg(test)]
mod openapi;
mod routes;
mod secrets;
mod sign_quote;
mod update;

use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;

use crate::listen::Service;
use crate::metrics::HttpRequest;
use crate::service::Coordinator;
use crate::tls::PeerCertificate;
use crate::traffic::Received;
use answer::Refused;
pub(crate) use endpoints::recovery_secrets;
pub(crate) use routes::names;
use routes::{Route, Version};

/// The client API of a Coordinator.
#[derive(Clone)]
pub(crate) struct ClientApi(Coordinator);

impl ClientApi {
    /// Serves `coordinator`.
    pub(crate) fn new(coordinator: Coordinator) -> Self {
        Self(coordinator)
    }
}

impl Service for ClientApi {
    type Body = Full<Bytes>;

    async fn answer(
        &self,
        request: Request<Received>,
        peer: Option<PeerCertificate>,
    ) -> Response<Self::Body> {
        let Some(route) = routes::find(request.method(), request.uri().path()) else {
            return unknown(request.method());
        };
        self.measured(route, request, peer).await
    }
}

impl ClientApi {
    async fn measured(
        &self,
        route: &Route,
        request: Request<Received>,
        peer: Option<PeerCertificate>,
    ) -> Response<Full<Bytes>> {
        let begun = Instant::now();
        let under_way = self.0.metrics().http_begun(route.path);
        let received = usize::try_from(request.body().size_hint().lower()).unwrap_or(usize::MAX);
        let outcome = endpoints::answer(&self.0, route, request, peer).await;
        let response = match outcome {
            Ok(success) => success.response(),
            Err(refused) => refused.response(route.version),
        };
        drop(under_way);
        self.0.metrics().http_ended(HttpRequest {
            path: route.path,
            method: route.method,
            code: response.status().as_str(),
            seconds: begun.elapsed().as_secs_f64(),
            received,
            sent: usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX),
        });
        response
    }
}

/// 405 whatever is unknown, path or method. An answer to HEAD has no body (RFC 9110 section 9.3.2).
fn unknown(method: &Method) -> Response<Full<Bytes>> {
    let known = "no such endpoint (paths are exact: case and slashes count)";
    let response = Refused::new(StatusCode::METHOD_NOT_ALLOWED, known).response(Version::V2);
    if method == Method::HEAD { response.map(|_| Full::default()) } else { response }
}

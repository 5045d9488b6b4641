//! Collateral over plain HTTP on the loopback interface: what it says is signed, so nobody has to trust the way.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use marblerun_tee::emulated::{Answer, Emulator};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::run::Clock;

/// Who does not say what it wants in this time is not waited for.
const HEADER_TIME: Duration = Duration::from_secs(10);
const MOST_CONNECTIONS: usize = 64;

/// Answers for as long as the program runs.
pub(super) async fn serve(emulator: Arc<Emulator>, listener: TcpListener, clock: Clock) {
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else { return };
        // A connection that failed before it was one is its caller's loss.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let emulator = Arc::clone(&emulator);
        tokio::spawn(async move {
            connection(emulator, stream, clock).await;
            drop(place);
        });
    }
}

async fn connection(emulator: Arc<Emulator>, stream: TcpStream, clock: Clock) {
    let service = service_fn(|request: Request<Incoming>| {
        let emulator = Arc::clone(&emulator);
        async move { Ok::<_, Infallible>(respond(&emulator, &request, clock)) }
    });
    // A caller that hangs up in the middle of an answer is nothing to report.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn respond(emulator: &Emulator, request: &Request<Incoming>, clock: Clock) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    response(emulator.get(path, clock.now())).unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR))
}

fn response(answer: Answer) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let builder = Response::builder().status(answer.status).header("content-type", answer.content_type);
    let with_headers =
        answer.headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    with_headers.body(Full::new(answer.body.into()))
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

//! Answers in their envelope (JSend).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use marblerun_api::rest::Envelope;
use serde::Serialize;
use serde_json::Value;

use super::routes::Version;
use crate::failure::Failure;

/// A request that was carried out. Has no `Debug`: it may carry secrets.
pub(super) enum Success {
    /// In the envelope.
    Enveloped {
        /// The payload.
        data: Value,
        /// For people.
        message: Option<String>,
    },
    /// JSON that is the same for all, as it is.
    Document(&'static str),
}

/// A request that was not.
#[derive(Debug)]
pub(super) struct Refused {
    code: StatusCode,
    message: String,
    /// What clients find in `data`, where they look there.
    data: Option<Value>,
}

impl Success {
    /// With this payload.
    pub(super) fn new(data: impl Serialize) -> Result<Self, Refused> {
        let data = serde_json::to_value(data)
            .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))?;
        Ok(Self::Enveloped { data, message: None })
    }

    /// JSON without an envelope.
    pub(super) fn document(json: &'static str) -> Self {
        Self::Document(json)
    }

    /// With a word for people, for instance about warnings.
    pub(super) fn saying(mut self, message: Option<String>) -> Self {
        if let Self::Enveloped { message: said, .. } = &mut self {
            *said = message;
        }
        self
    }

    /// On the wire.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        match self {
            Self::Enveloped { data, message } => {
                let envelope = Envelope { status: "success".into(), data: Some(data), message };
                response(StatusCode::OK, &envelope)
            }
            Self::Document(json) => with_body(StatusCode::OK, Bytes::from_static(json.as_bytes())),
        }
    }
}

impl Refused {
    /// With this status and a message for the caller.
    pub(super) fn new(code: StatusCode, message: &str) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// With this in `data`, besides.
    pub(super) fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// On the wire: version 1 always says `error`; version 2 says `fail` for what the caller can mend by itself.
    pub(super) fn response(self, version: Version) -> Response<Full<Bytes>> {
        let mends = matches!(self.code, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
        let status = if version == Version::V2 && mends { "fail" } else { "error" };
        let envelope = Envelope { status: status.into(), data: self.data, message: Some(self.message) };
        response(self.code, &envelope)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let code = failure.http();
        if code.is_server_error() {
            tracing::error!("request failed: {failure}");
        }
        Self { code, message: failure.message(), data: None }
    }
}

fn response(code: StatusCode, envelope: &Envelope<Value>) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(envelope).unwrap_or_else(|_| br#"{"status":"error","data":null}"#.to_vec());
    with_body(code, Bytes::from(body))
}

fn with_body(code: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

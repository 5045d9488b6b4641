//! How the marble API is used: calls and messages, under the names of gRPC's usual interceptors.

use prometheus::{IntCounterVec, Registry, Result};

use super::counter;

/// Type, service and method of the one call that there is.
const ACTIVATE: [&str; 3] = ["unary", "rpc.Marble", "Activate"];

/// `grpc_server_*`.
#[derive(Debug, Clone)]
pub(super) struct Grpc {
    started: IntCounterVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    handled: IntCounterVec,
}

impl Grpc {
    /// All at zero.
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let labels = ["grpc_type", "grpc_service", "grpc_method"];
        let coded = ["grpc_type", "grpc_service", "grpc_method", "grpc_code"];
        let grpc = Self {
            started: counter(registry, "grpc_server_started_total", "RPCs started.", &labels)?,
            received: counter(registry, "grpc_server_msg_received_total", "Messages received.", &labels)?,
            sent: counter(registry, "grpc_server_msg_sent_total", "Messages sent.", &labels)?,
            handled: counter(registry, "grpc_server_handled_total", "RPCs answered, by code.", &coded)?,
        };
        for counter in [&grpc.started, &grpc.received, &grpc.sent] {
            counter.with_label_values(&ACTIVATE);
        }
        grpc.with_code("OK");
        Ok(grpc)
    }

    pub(super) fn begun(&self) {
        self.started.with_label_values(&ACTIVATE).inc();
        self.received.with_label_values(&ACTIVATE).inc();
    }

    pub(super) fn ended(&self, code: &str) {
        self.with_code(code).inc();
        if code == "OK" {
            self.sent.with_label_values(&ACTIVATE).inc();
        }
    }

    fn with_code(&self, code: &str) -> prometheus::IntCounter {
        let [kind, service, method] = ACTIVATE;
        self.handled.with_label_values(&[kind, service, method, code])
    }
}

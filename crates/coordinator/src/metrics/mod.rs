//! Metrics in Prometheus' text format, under the names that existing dashboards know.
//!
//! Labels come from fixed sets (routes, gRPC codes, marble types of the manifest), so that no caller can make their
//! number grow.

mod grpc;
mod http;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

pub(crate) use http::{HttpRequest, UnderWay};

/// Label of everything that the manifest does not name.
pub(crate) const UNKNOWN_TYPE: &str = "unknown";

/// All metrics of one Coordinator.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// `coordinator_state`: the phase as clients know it.
    pub state: IntGauge,
    tried: IntCounterVec,
    activated: IntCounterVec,
    grpc: grpc::Grpc,
    http: http::Http,
}

impl Metrics {
    /// All metrics at zero. `routes` are `(method, path)`.
    ///
    /// # Errors
    /// If a name is taken twice: a bug of ours.
    pub fn new(routes: &[(&'static str, &'static str)]) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let state = IntGauge::new("coordinator_state", "State of the Coordinator, 1 to 3.")?;
        let activations = |what: &str, help: &str| {
            counter(&registry, &format!("coordinator_marble_activations_{what}"), help, &["type"])
        };
        register_version(&registry)?;
        Ok(Self {
            state: register(&registry, state)?,
            tried: activations("total", "Marbles that tried.")?,
            activated: activations("success_total", "Marbles that were activated.")?,
            grpc: grpc::Grpc::new(&registry)?,
            http: http::Http::new(&registry, routes)?,
            registry,
        })
    }

    /// An activation was asked for; `marble_type` is a name of the manifest or [`UNKNOWN_TYPE`].
    pub fn activation_started(&self, marble_type: &str) {
        self.grpc.begun();
        self.tried.with_label_values(&[marble_type]).inc();
    }

    /// An activation was answered with this gRPC code (`OK`, `PermissionDenied`, ...).
    pub fn activation_ended(&self, marble_type: &str, code: &'static str) {
        self.grpc.ended(code);
        if code == "OK" {
            self.activated.with_label_values(&[marble_type]).inc();
        }
    }

    /// Counts an HTTP request while it is under way; drop the guard when it is answered.
    pub(crate) fn http_begun(&self, path: &'static str) -> UnderWay {
        self.http.begun(path)
    }

    /// An HTTP request was answered.
    pub(crate) fn http_ended(&self, request: HttpRequest<'_>) {
        self.http.ended(request);
    }

    /// Everything in the text format, version 0.0.4.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory does not fail; a family that cannot be encoded is left out.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

fn register_version(registry: &Registry) -> prometheus::Result<()> {
    let info = Opts::new("coordinator_version_info", "Version of the Coordinator.");
    let info = register(registry, IntGaugeVec::new(info, &["version", "commit"])?)?;
    let commit = option_env!("MARBLERUN_COMMIT").unwrap_or("unknown");
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), commit]).set(1);
    Ok(())
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    c: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(c.clone()))?;
    Ok(c)
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn histogram(
    registry: &Registry,
    name: &str,
    buckets: Vec<f64>,
    labels: &[&str],
) -> prometheus::Result<HistogramVec> {
    let help = name.rsplit('_').next().unwrap_or(name);
    register(registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?)
}

//! Metrics in Prometheus' text format, under the names that existing dashboards know.
//!
//! Labels come from fixed sets (routes, gRPC codes, marble types of the manifest), so that no caller can make their
//! number grow.

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// Label of everything that the manifest does not name.
pub(crate) const UNKNOWN_TYPE: &str = "unknown";
const GRPC: [&str; 3] = ["unary", "rpc.Marble", "Activate"];

/// All metrics of one Coordinator.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// `coordinator_state`: the phase as clients know it.
    pub state: IntGauge,
    activations: IntCounterVec,
    activations_success: IntCounterVec,
    grpc_started: IntCounterVec,
    grpc_received: IntCounterVec,
    grpc_sent: IntCounterVec,
    grpc_handled: IntCounterVec,
    http_total: IntCounterVec,
    http_in_flight: IntGaugeVec,
    http_duration: HistogramVec,
    http_request_size: HistogramVec,
    http_response_size: HistogramVec,
}

/// What is known of an answered HTTP request.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Path of the route.
    pub path: &'static str,
    /// Method of the route.
    pub method: &'static str,
    /// Status of the answer.
    pub code: &'a str,
    /// Seconds until the answer.
    pub seconds: f64,
    /// Bytes of the request's body.
    pub received: usize,
    /// Bytes of the answer's body.
    pub sent: usize,
}

/// A request that is under way, also if its connection ends before it is answered.
#[derive(Debug)]
pub struct UnderWay(IntGauge);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// All metrics at zero. `routes` are `(method, path)`.
    ///
    /// # Errors
    /// If a name is taken twice: a bug of ours.
    pub fn new(routes: &[(&'static str, &'static str)]) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let grpc = ["grpc_type", "grpc_service", "grpc_method"];
        let handled = ["grpc_type", "grpc_service", "grpc_method", "grpc_code"];
        let http = "server_client_api_http_";
        let sizes = prometheus::exponential_buckets(256.0, 4.0, 8)?;
        let durations = prometheus::DEFAULT_BUCKETS.to_vec();
        let metrics = Self {
            state: register(r, IntGauge::new("coordinator_state", "State of the Coordinator, 1 to 3.")?)?,
            activations: counter(
                r,
                "coordinator_marble_activations_total",
                "Marbles that tried.",
                &["type"],
            )?,
            activations_success: counter(
                r,
                "coordinator_marble_activations_success_total",
                "Marbles that were activated.",
                &["type"],
            )?,
            grpc_started: counter(r, "grpc_server_started_total", "RPCs started.", &grpc)?,
            grpc_received: counter(r, "grpc_server_msg_received_total", "Messages received.", &grpc)?,
            grpc_sent: counter(r, "grpc_server_msg_sent_total", "Messages sent.", &grpc)?,
            grpc_handled: counter(r, "grpc_server_handled_total", "RPCs answered, by code.", &handled)?,
            http_total: counter(
                r,
                &format!("{http}request_total"),
                "Requests.",
                &["code", "method", "path"],
            )?,
            http_in_flight: register(
                r,
                IntGaugeVec::new(
                    Opts::new(format!("{http}in_flight_requests"), "Requests under way."),
                    &["path"],
                )?,
            )?,
            http_duration: histogram(
                r,
                &format!("{http}request_duration_histogram_seconds"),
                durations,
                &["method", "path"],
            )?,
            http_request_size: histogram(
                r,
                &format!("{http}request_size_histogram_bytes"),
                sizes.clone(),
                &["path"],
            )?,
            http_response_size: histogram(
                r,
                &format!("{http}response_size_histogram_bytes"),
                sizes,
                &["path"],
            )?,
            registry,
        };
        metrics.initialise(routes)?;
        Ok(metrics)
    }

    fn initialise(&self, routes: &[(&'static str, &'static str)]) -> prometheus::Result<()> {
        let labels = ["version", "commit"];
        let info = Opts::new("coordinator_version_info", "Version of the Coordinator.");
        let info = register(&self.registry, IntGaugeVec::new(info, &labels)?)?;
        info.with_label_values(&[
            env!("CARGO_PKG_VERSION"),
            option_env!("MARBLERUN_COMMIT").unwrap_or("unknown"),
        ])
        .set(1);
        for counter in [&self.grpc_started, &self.grpc_received, &self.grpc_sent] {
            counter.with_label_values(&GRPC);
        }
        self.grpc_handled.with_label_values(&[GRPC[0], GRPC[1], GRPC[2], "OK"]);
        for (method, path) in routes {
            self.http_total.with_label_values(&["200", method, path]);
            self.http_in_flight.with_label_values(&[path]);
            self.http_duration.with_label_values(&[method, path]);
            self.http_request_size.with_label_values(&[path]);
            self.http_response_size.with_label_values(&[path]);
        }
        Ok(())
    }

    /// An activation was asked for; `marble_type` is a name of the manifest or [`UNKNOWN_TYPE`].
    pub fn activation_started(&self, marble_type: &str) {
        self.grpc_started.with_label_values(&GRPC).inc();
        self.grpc_received.with_label_values(&GRPC).inc();
        self.activations.with_label_values(&[marble_type]).inc();
    }

    /// An activation was answered with this gRPC code (`OK`, `PermissionDenied`, ...).
    pub fn activation_ended(&self, marble_type: &str, code: &'static str) {
        self.grpc_handled.with_label_values(&[GRPC[0], GRPC[1], GRPC[2], code]).inc();
        if code == "OK" {
            self.grpc_sent.with_label_values(&GRPC).inc();
            self.activations_success.with_label_values(&[marble_type]).inc();
        }
    }

    /// Counts an HTTP request while it is under way; drop the guard when it is answered.
    pub fn http_begun(&self, path: &'static str) -> UnderWay {
        let gauge = self.http_in_flight.with_label_values(&[path]);
        gauge.inc();
        UnderWay(gauge)
    }

    /// An HTTP request was answered.
    #[allow(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
    pub fn http_ended(&self, request: HttpRequest<'_>) {
        let HttpRequest { path, method, code, .. } = request;
        self.http_total.with_label_values(&[code, method, path]).inc();
        self.http_duration.with_label_values(&[method, path]).observe(request.seconds);
        self.http_request_size.with_label_values(&[path]).observe(request.received as f64);
        self.http_response_size.with_label_values(&[path]).observe(request.sent as f64);
    }

    /// Everything in the text format, version 0.0.4.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory does not fail; a family that cannot be encoded is left out.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
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

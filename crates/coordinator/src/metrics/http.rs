//! How the client API is used: requests, durations and sizes by route.

use prometheus::{Histogram, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result};

use super::{counter, histogram, register};

/// `server_client_api_http_*`.
#[derive(Debug, Clone)]
pub(super) struct Http {
    total: IntCounterVec,
    in_flight: IntGaugeVec,
    duration: HistogramVec,
    request_size: HistogramVec,
    response_size: HistogramVec,
}

/// What is known of an answered HTTP request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpRequest<'a> {
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
pub(crate) struct UnderWay(IntGauge);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Http {
    /// All routes, `(method, path)`, at zero.
    pub(super) fn new(registry: &Registry, routes: &[(&'static str, &'static str)]) -> Result<Self> {
        let name = |what: &str| format!("server_client_api_http_{what}");
        let by_size = |what: &str| {
            let buckets = prometheus::exponential_buckets(256.0, 4.0, 8)?;
            histogram(registry, &name(what), buckets, &["path"])
        };
        let durations = prometheus::DEFAULT_BUCKETS.to_vec();
        let in_flight = Opts::new(name("in_flight_requests"), "Requests under way.");
        let http = Self {
            total: counter(registry, &name("request_total"), "Requests.", &["code", "method", "path"])?,
            in_flight: register(registry, IntGaugeVec::new(in_flight, &["path"])?)?,
            duration: histogram(
                registry,
                &name("request_duration_histogram_seconds"),
                durations,
                &["method", "path"],
            )?,
            request_size: by_size("request_size_histogram_bytes")?,
            response_size: by_size("response_size_histogram_bytes")?,
        };
        for (method, path) in routes {
            http.total.with_label_values(&["200", method, path]);
            http.in_flight.with_label_values(&[path]);
            http.of_route(method, path);
        }
        Ok(http)
    }

    pub(super) fn begun(&self, path: &'static str) -> UnderWay {
        let gauge = self.in_flight.with_label_values(&[path]);
        gauge.inc();
        UnderWay(gauge)
    }

    #[allow(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
    pub(super) fn ended(&self, request: HttpRequest<'_>) {
        let HttpRequest { path, method, code, .. } = request;
        self.total.with_label_values(&[code, method, path]).inc();
        let [duration, received, sent] = self.of_route(method, path);
        duration.observe(request.seconds);
        received.observe(request.received as f64);
        sent.observe(request.sent as f64);
    }

    fn of_route(&self, method: &str, path: &str) -> [Histogram; 3] {
        [
            self.duration.with_label_values(&[method, path]),
            self.request_size.with_label_values(&[path]),
            self.response_size.with_label_values(&[path]),
        ]
    }
}

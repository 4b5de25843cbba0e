//! Hand-made OTLP requests, to test real receivers.
#![expect(
    clippy::expect_used,
    reason = "a request that cannot be made must fail its test"
)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Version};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use rustls::ClientConfig;

use crate::client::{Answer, Failure, call};
use crate::collector::{Message, Protocol, Signal};

/// The trace of [`span`].
pub const TRACE_ID: [u8; 16] = [0xca; 16];

/// A client that sends OTLP requests.
#[derive(Clone, Debug)]
pub struct Sender {
    protocol: Protocol,
    server: SocketAddr,
    prefix: String,
    gzip: bool,
    tls: Option<ClientConfig>,
}

impl Sender {
    /// Sends to `server` without TLS and without compression.
    #[must_use]
    pub const fn new(protocol: Protocol, server: SocketAddr) -> Self {
        Self {
            protocol,
            server,
            prefix: String::new(),
            gzip: false,
            tls: None,
        }
    }

    /// Sends to paths below `prefix`, as `/opentelemetry`; with gRPC there is none.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Enables gzip.
    #[must_use]
    pub const fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Enables TLS.
    #[must_use]
    pub fn tls(mut self, config: ClientConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// Sends a request and waits for the response.
    ///
    /// # Errors
    /// There is no whole answer.
    pub fn send(&self, message: &Message) -> Result<Answer, Failure> {
        let body = match message {
            Message::Traces(request) => request.encode_to_vec(),
            Message::Metrics(request) => request.encode_to_vec(),
            Message::Logs(request) => request.encode_to_vec(),
        };
        self.post(message.signal(), &body)
    }

    /// Sends an arbitrary body.
    ///
    /// # Errors
    /// There is no whole answer.
    pub fn post(&self, signal: Signal, body: &[u8]) -> Result<Answer, Failure> {
        let body = if self.gzip { gzip(body) } else { body.to_vec() };
        let request = match self.protocol {
            Protocol::Http => self.http(signal, body)?,
            Protocol::Grpc => self.grpc(signal, &body)?,
        };
        call(self.server, self.tls.clone(), request)
    }

    fn http(&self, signal: Signal, body: Vec<u8>) -> Result<Request<Full<Bytes>>, Failure> {
        let path = match signal {
            Signal::Traces => "/v1/traces",
            Signal::Metrics => "/v1/metrics",
            Signal::Logs => "/v1/logs",
        };
        let mut request = Request::post(format!("{}{path}", self.prefix));
        request = request.header("content-type", "application/x-protobuf");
        if self.gzip {
            request = request.header("content-encoding", "gzip");
        }
        Ok(request.body(Full::new(body.into()))?)
    }

    fn grpc(&self, signal: Signal, message: &[u8]) -> Result<Request<Full<Bytes>>, Failure> {
        let service = match signal {
            Signal::Traces => "trace.v1.Trace",
            Signal::Metrics => "metrics.v1.Metrics",
            Signal::Logs => "logs.v1.Logs",
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let path = format!("opentelemetry.proto.collector.{service}Service/Export");
        let mut request =
            Request::post(format!("{scheme}://{}/{path}", self.server)).version(Version::HTTP_2);
        request = request
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if self.gzip {
            request = request.header("grpc-encoding", "gzip");
        }
        let mut frame = vec![u8::from(self.gzip)];
        frame.extend(u32::try_from(message.len())?.to_be_bytes());
        frame.extend(message);
        Ok(request.body(Full::new(frame.into()))?)
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(body)
        .and_then(|()| encoder.finish())
        .expect("memory takes it")
}

/// Now, as OTLP has it: nanoseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// An attribute with a text.
#[must_use]
pub fn attribute(key: &str, text: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(text.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// The resource of the senders here: service `canary`, instance `by-hand`.
fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            attribute("service.name", "canary"),
            attribute("service.instance.id", "by-hand"),
        ],
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "canary".to_owned(),
        ..InstrumentationScope::default()
    })
}

/// A span of a second that just ended, in [`TRACE_ID`], with one attribute. `parent` 0 is none.
#[must_use]
pub fn span(name: &str, id: u64, parent: u64) -> Span {
    let end = now();
    let second = u64::try_from(Duration::from_secs(1).as_nanos()).unwrap_or(u64::MAX);
    Span {
        name: name.to_owned(),
        trace_id: TRACE_ID.to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 {
            Vec::new()
        } else {
            parent.to_be_bytes().to_vec()
        },
        kind: 1,
        start_time_unix_nano: end - second,
        end_time_unix_nano: end,
        attributes: vec![attribute("canary.check.name", "home")],
        ..Span::default()
    }
}

/// A request with these spans.
#[must_use]
pub fn traces(spans: Vec<Span>) -> Message {
    Message::Traces(ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: vec![ScopeSpans {
                scope: scope(),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    })
}

/// A request with one log record of an event.
#[must_use]
pub fn logs(event: &str, text: &str) -> Message {
    let record = LogRecord {
        time_unix_nano: now(),
        severity_number: 13,
        severity_text: "WARN".to_owned(),
        event_name: event.to_owned(),
        body: attribute("", text).value,
        attributes: vec![attribute("canary.check.name", "home")],
        ..LogRecord::default()
    };
    Message::Logs(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs {
                scope: scope(),
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    })
}

/// A request with these metrics.
#[must_use]
pub fn metrics(metrics: Vec<Metric>) -> Message {
    Message::Metrics(ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(),
            scope_metrics: vec![ScopeMetrics {
                scope: scope(),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    })
}

/// A gauge with one point.
#[must_use]
pub fn gauge(name: &str, unit: &str, value: f64) -> Metric {
    let data_points = vec![point(value)];
    metric(name, unit, Data::Gauge(Gauge { data_points }))
}

/// A cumulative, monotonic sum with one point.
#[must_use]
pub fn sum(name: &str, unit: &str, value: f64) -> Metric {
    let sum = Sum {
        data_points: vec![point(value)],
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
        is_monotonic: true,
    };
    metric(name, unit, Data::Sum(sum))
}

/// A cumulative histogram with one point: one value of 0.05 and one of 0.5, bounds at 0.1 and 1.
#[must_use]
pub fn histogram(name: &str, unit: &str) -> Metric {
    let point = HistogramDataPoint {
        attributes: vec![attribute("canary.check.name", "home")],
        start_time_unix_nano: now(),
        time_unix_nano: now(),
        count: 2,
        sum: Some(0.55),
        explicit_bounds: vec![0.1, 1.0],
        bucket_counts: vec![1, 1, 0],
        ..HistogramDataPoint::default()
    };
    let histogram = Histogram {
        data_points: vec![point],
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
    };
    metric(name, unit, Data::Histogram(histogram))
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn point(value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![attribute("canary.check.name", "home")],
        time_unix_nano: now(),
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

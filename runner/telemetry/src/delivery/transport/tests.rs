//! Requests on the wire, as received by a real server of the protocol.

mod server;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;
use canary_outbound::http_client::TlsFiles;
use server::{Server, Tls};

fn transport(destination: Destination) -> Transport {
    Transport::new(
        Signal::Traces,
        destination,
        InternalFds::default(),
        &SecretRegistry::default(),
    )
}

fn destination(url: &str, protocol: Protocol) -> Destination {
    Destination {
        url: url.parse().unwrap(),
        protocol,
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        compression: Compression::None,
        tls: TlsFiles::default(),
    }
}

#[test]
fn an_attempt_may_take_as_long_as_its_destination_says() {
    let transport = transport(destination("http://127.0.0.1/", Protocol::Grpc));
    assert_eq!(transport.timeout(), Duration::from_secs(10));
}

async fn export(destination: Destination, request: &'static [u8]) -> ExportResult {
    let mut transport = transport(destination);
    transport.export(Bytes::from_static(request)).await
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

fn partial_success() -> Vec<u8> {
    let partial = ExportTracePartialSuccess {
        rejected_spans: 3,
        error_message: "too old".to_owned(),
    };
    ExportTraceServiceResponse {
        partial_success: Some(partial),
    }
    .encode_to_vec()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

#[tokio::test]
async fn a_request_over_http_has_the_path_the_query_and_the_headers_that_were_set() {
    let server = Server::http1(StatusCode::OK, Vec::new(), None).await;
    let mut to = destination(
        &server.url("http", "/base/v1/traces?tenant=a"),
        Protocol::HttpProtobuf,
    );
    to.headers = vec![(USER_AGENT, HeaderValue::from_static("mine"))];
    assert_eq!(export(to, b"request").await, ExportResult::accepted());

    let seen = server.seen();
    assert_eq!(seen.uri, "/base/v1/traces?tenant=a");
    assert_eq!(seen.headers["content-type"], "application/x-protobuf");
    assert_eq!(seen.headers["user-agent"], "mine");
    assert_eq!(seen.headers.get_all("user-agent").iter().count(), 1);
    assert_eq!(seen.body, b"request");
}

#[tokio::test]
async fn a_call_over_grpc_is_framed_and_has_its_deadline() {
    let server = Server::grpc(0, framed(&[])).await;
    let to = destination(&server.url("http", ""), Protocol::Grpc);
    assert_eq!(export(to, b"request").await, ExportResult::accepted());

    let seen = server.seen();
    assert_eq!(
        seen.path,
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    );
    assert_eq!(seen.headers["content-type"], "application/grpc");
    assert_eq!(seen.headers["te"], "trailers");
    assert_eq!(seen.headers["grpc-timeout"], "10000m");
    assert_eq!(seen.body, framed(b"request"));
}

#[tokio::test]
async fn bodies_and_messages_are_compressed_where_that_is_set() {
    let server = Server::http1(StatusCode::OK, Vec::new(), None).await;
    let mut to = destination(&server.url("http", "/v1/traces"), Protocol::HttpProtobuf);
    to.compression = Compression::Gzip;
    export(to, b"request").await;
    assert_eq!(server.seen().headers["content-encoding"], "gzip");
    assert_eq!(unzip(&server.seen().body), b"request");

    let server = Server::grpc(0, framed(&[])).await;
    let mut to = destination(&server.url("http", ""), Protocol::Grpc);
    to.compression = Compression::Gzip;
    export(to, b"request").await;
    let seen = server.seen();
    assert_eq!(seen.headers["grpc-encoding"], "gzip");
    assert_eq!(seen.body[0], 1);
    assert_eq!(unzip(&seen.body[PREFIX..]), b"request");
}

const PREFIX: usize = 5;

#[tokio::test]
async fn a_partial_success_is_read_over_either_protocol() {
    let expected = ExportResult::Accepted {
        rejected: 3,
        message: "too old".to_owned(),
    };
    let server = Server::http1(StatusCode::OK, partial_success(), None).await;
    let to = destination(&server.url("http", "/v1/traces"), Protocol::HttpProtobuf);
    assert_eq!(export(to, b"request").await, expected);

    let server = Server::grpc(0, framed(&partial_success())).await;
    let to = destination(&server.url("http", ""), Protocol::Grpc);
    assert_eq!(export(to, b"request").await, expected);
}

#[tokio::test]
async fn the_status_of_a_call_is_in_its_trailers() {
    let unavailable = Server::grpc(14, Vec::new()).await;
    let to = destination(&unavailable.url("http", ""), Protocol::Grpc);
    let answer = export(to, b"request").await;
    assert!(matches!(answer, ExportResult::Retry { .. }), "{answer:?}");
    assert_eq!(answer.code(), "grpc_unavailable");

    let invalid = Server::grpc(3, Vec::new()).await;
    let to = destination(&invalid.url("http", ""), Protocol::Grpc);
    assert!(matches!(
        export(to, b"request").await,
        ExportResult::Refused { .. }
    ));
}

#[tokio::test]
async fn calls_over_grpc_share_a_connection() {
    let server = Server::grpc(0, framed(&[])).await;
    let mut transport = transport(destination(&server.url("http", ""), Protocol::Grpc));
    for _ in 0..3 {
        assert_eq!(
            transport.export(Bytes::from_static(b"x")).await,
            ExportResult::accepted()
        );
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn no_more_of_an_answer_is_read_than_it_may_have() {
    let server = Server::http1(StatusCode::OK, vec![b'x'; 2 * http_client::MAX_BODY], None).await;
    let to = destination(&server.url("http", "/v1/traces"), Protocol::HttpProtobuf);
    let mut transport = transport(to);
    assert_eq!(
        transport.export(Bytes::from_static(b"x")).await,
        ExportResult::accepted()
    );
    assert!(
        transport.connection.is_none(),
        "the rest would be read as the next answer"
    );
}

/// A certificate authority and the certificates it signed, as files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn certificate(&self) -> PathBuf {
        self.file("ca.pem", &self.issuer.pem())
    }

    /// Chain and key for a name.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = self.file(&format!("{name}.pem"), &certificate.pem());
        (chain, self.file(&format!("{name}.key"), &key.serialize_pem()))
    }

    fn server(&self, clients: Option<&Path>) -> Tls {
        let (chain, key) = self.sign("127.0.0.1");
        Tls::new(&chain, &key, clients)
    }
}

#[tokio::test]
async fn a_collector_with_tls_is_verified_by_the_authority_that_is_set() {
    let authority = Authority::new();
    let server = Server::http1(StatusCode::OK, Vec::new(), Some(authority.server(None))).await;
    let to = |ca| {
        let mut to = destination(&server.url("https", "/v1/traces"), Protocol::HttpProtobuf);
        to.tls.ca = Some(ca);
        to
    };
    assert_eq!(
        export(to(authority.certificate()), b"x").await,
        ExportResult::accepted()
    );

    let nowhere = authority.folder.path().join("none.pem");
    assert_eq!(export(to(nowhere), b"x").await.code(), "settings");
    let other = Authority::new();
    assert_eq!(export(to(other.certificate()), b"x").await.code(), "tls");
}

#[tokio::test]
async fn files_are_read_at_each_connect_so_that_a_renewed_one_is_taken() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = Server::http1(StatusCode::OK, Vec::new(), Some(new.server(None))).await;
    let mut to = destination(&server.url("https", "/v1/traces"), Protocol::HttpProtobuf);
    let path = old.certificate();
    to.tls.ca = Some(path.clone());
    let mut transport = transport(to);
    assert_eq!(transport.export(Bytes::from_static(b"x")).await.code(), "tls");
    std::fs::copy(new.certificate(), path).unwrap();
    assert_eq!(
        transport.export(Bytes::from_static(b"x")).await,
        ExportResult::accepted()
    );
}

#[tokio::test]
async fn a_collector_that_wants_a_client_certificate_gets_it() {
    let authority = Authority::new();
    let tls = authority.server(Some(&authority.certificate()));
    let server = Server::http1(StatusCode::OK, Vec::new(), Some(tls)).await;
    let mut to = destination(&server.url("https", "/v1/traces"), Protocol::HttpProtobuf);
    to.tls.ca = Some(authority.certificate());
    assert!(matches!(
        export(to.clone(), b"x").await,
        ExportResult::Retry { .. }
    ));

    let (chain, key) = authority.sign("canary");
    to.tls.client_certificate = Some(chain);
    to.tls.client_key = Some(key);
    assert_eq!(export(to, b"x").await, ExportResult::accepted());
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_of_its_own() {
    let to = destination("http://collector.invalid:4318/v1/traces", Protocol::HttpProtobuf);
    let answer = export(to, b"x").await;
    // A resolver that never answers is a time-out.
    assert!(["dns", "timeout"].contains(&answer.code().as_ref()), "{answer:?}");
}

#[tokio::test]
async fn no_attempt_takes_longer_than_the_time_out_of_its_destination() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    // The trusted roots are read on another thread, for which a paused clock does not wait.
    let nobody = destination("https://127.0.0.1:1/", Protocol::Grpc);
    assert_eq!(export(nobody, b"x").await.code(), "connect");
    tokio::time::pause();
    for (scheme, protocol) in [
        ("http", Protocol::HttpProtobuf),
        ("http", Protocol::Grpc),
        ("https", Protocol::Grpc),
    ] {
        let started = Instant::now();
        let answer = export(destination(&format!("{scheme}://{address}/"), protocol), b"x").await;
        assert_eq!(answer.code(), "timeout");
        assert_eq!(started.elapsed().as_secs(), 10);
    }
}

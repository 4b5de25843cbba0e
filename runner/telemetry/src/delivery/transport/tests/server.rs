//! A conforming server that answers every request alike.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use canary_net::tls::provider;

/// A received request.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) uri: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Record {
    requests: Vec<Seen>,
    connections: usize,
}

#[derive(Debug, Clone)]
struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    grpc_status: Option<u32>,
}

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The server's TLS configuration.
pub(super) struct Tls(TlsAcceptor);

impl Tls {
    /// With `clients`, a client certificate signed by this authority is required.
    pub(super) fn new(chain: &Path, key: &Path, clients: Option<&Path>) -> Self {
        let certificate = |path| CertificateDer::from_pem_file(path).unwrap();
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(certificate(authority)).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let mut config = builder.with_single_cert(vec![certificate(chain)], key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Ends when dropped, with all its connections.
pub(super) struct Server {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
    _task: JoinSet<()>,
}

impl Server {
    pub(super) async fn http1(status: StatusCode, body: Vec<u8>, tls: Option<Tls>) -> Self {
        let reply = Reply {
            status,
            body,
            grpc_status: None,
        };
        Self::start(reply, tls).await
    }

    /// Responds with a framed message and a status in the trailers.
    pub(super) async fn grpc(status: u32, body: Vec<u8>) -> Self {
        let reply = Reply {
            status: StatusCode::OK,
            body,
            grpc_status: Some(status),
        };
        Self::start(reply, None).await
    }

    async fn start(reply: Reply, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::default();
        let mut task = JoinSet::new();
        task.spawn(accept(listener, reply, tls, Arc::clone(&record)));
        Self {
            address,
            record,
            _task: task,
        }
    }

    pub(super) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// The only received request.
    pub(super) fn seen(&self) -> Seen {
        let record = self.record.lock().unwrap();
        assert_eq!(record.requests.len(), 1);
        record.requests[0].clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.record.lock().unwrap().connections
    }
}

async fn accept(listener: TcpListener, reply: Reply, tls: Option<Tls>, record: Arc<Mutex<Record>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        record.lock().unwrap().connections += 1;
        let tls = tls.as_ref().map(|tls| tls.0.clone());
        connections.spawn(connection(stream, reply.clone(), tls, Arc::clone(&record)));
    }
}

async fn connection(stream: TcpStream, reply: Reply, tls: Option<TlsAcceptor>, record: Arc<Mutex<Record>>) {
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
    };
    let is_grpc = reply.grpc_status.is_some();
    let service = service_fn(move |request| answer(request, reply.clone(), Arc::clone(&record)));
    let stream = TokioIo::new(stream);
    let served = if is_grpc {
        http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await
    } else {
        http1::Builder::new().serve_connection(stream, service).await
    };
    // In some tests the client disconnects early.
    drop(served);
}

type Answer = Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>;

async fn answer(
    request: hyper::Request<Incoming>,
    reply: Reply,
    record: Arc<Mutex<Record>>,
) -> Result<Answer, hyper::Error> {
    let (head, body) = request.into_parts();
    let seen = Seen {
        uri: head.uri.to_string(),
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: body.collect().await?.to_bytes().to_vec(),
    };
    record.lock().unwrap().requests.push(seen);
    let trailers = async move {
        let status = reply.grpc_status?;
        Some(Ok(HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            status.into(),
        )])))
    };
    let body = Full::new(Bytes::from(reply.body)).with_trailers(trailers).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    Ok(response)
}

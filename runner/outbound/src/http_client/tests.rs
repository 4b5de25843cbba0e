use std::time::Duration;

use canary_tests::peer::http::{Reply as Answer, Site};
use http::StatusCode;

use super::*;

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: url.parse().unwrap(),
        tls: TlsFiles::default(),
        protocol: Protocol::Http1,
    }
}

/// Time limit of an exchange, for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + LIMIT
}

#[tokio::test]
async fn an_exchange_returns_a_response_of_any_status_and_closes_its_connection() {
    let site = Site::start(|_| Answer::status(503).body("busy"));
    let endpoint = endpoint(&site.url("http", "/hooks/1?team=a"));
    let internal_fds = InternalFds::default();
    let request = endpoint.request(Method::POST, "news").unwrap();
    let response = exchange(request, &endpoint, &internal_fds, soon()).await.unwrap();
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (response.body.as_slice(), response.is_complete),
        (&b"busy"[..], true)
    );

    site.until(|counts| counts.accepted == 1 && counts.open == 0)
        .await;
    let received = &site.requests()[0];
    assert_eq!(
        (received.method.as_str(), &received.uri.to_string()[..]),
        ("POST", "/hooks/1?team=a")
    );
    assert_eq!(received.header("host"), Some(&*site.address().to_string()));
    assert_eq!(received.header("user-agent"), Some(AGENT));
    assert_eq!(&received.body[..], b"news");
}

#[tokio::test]
async fn a_user_in_the_url_becomes_a_header_that_no_debug_shows() {
    let site = Site::start(|_| Answer::status(200));
    let url = format!("http://me:p%40ss@{}/token?key=value", site.address());
    let endpoint = endpoint(&url);
    let request = endpoint.request(Method::GET, "").unwrap();
    let debug = format!("{endpoint:?} {request:?}");
    for secret in ["me:", "p%40ss", "p@ss", "bWU6cEBzcw"] {
        assert!(!debug.contains(secret), "{debug}");
    }
    assert!(!format!("{endpoint:?}").contains("token"), "{endpoint:?}");
    exchange(request, &endpoint, &InternalFds::default(), soon())
        .await
        .unwrap();
    assert_eq!(
        site.requests()[0].header("authorization"),
        Some("Basic bWU6cEBzcw==")
    );
}

#[test]
fn a_user_or_a_password_is_enough_for_the_header() {
    let header = |url: &str| {
        let request = endpoint(url).request(Method::GET, "").unwrap();
        let value = request.headers().get("authorization").cloned();
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("http://example.com/"), None);
    assert_eq!(header("http://me@example.com/").as_deref(), Some("Basic bWU6"));
    assert_eq!(header("http://:pw@example.com/").as_deref(), Some("Basic OnB3"));
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit() {
    let site = Site::start(|_| Answer::status(200).body("0123456789"));
    let endpoint = endpoint(&site.url("http", "/"));
    let internal_fds = InternalFds::default();
    for (limit, read, is_complete) in [
        (10, "0123456789", true),
        (11, "0123456789", true),
        (9, "012345678", false),
    ] {
        let request = endpoint.request(Method::GET, "").unwrap();
        let response = exchange_with_limit(limit, request, &endpoint, &internal_fds, soon());
        let response = response.await.unwrap();
        assert_eq!(response.body, read.as_bytes());
        assert_eq!(response.is_complete, is_complete, "{limit}");
    }
    let site = Site::start(|_| Answer::status(200).body("x".repeat(300_000)));
    let endpoint = self::endpoint(&site.url("http", "/"));
    let request = endpoint.request(Method::GET, "").unwrap();
    let response = exchange_with_limit(100_000, request, &endpoint, &internal_fds, soon());
    assert_eq!(response.await.unwrap().body.len(), 100_000);
}

#[tokio::test]
async fn the_descriptor_of_a_connection_is_accounted_for_while_it_is_open() {
    let site = Site::start(|_| Answer::status(200));
    let endpoint = endpoint(&site.url("http", "/"));
    let internal_fds = InternalFds::default();
    let connection = open(&endpoint, &internal_fds, soon()).await.unwrap();
    assert_eq!(internal_fds.count(), 1);
    connection.close().await;
    assert_eq!(internal_fds.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_causes_a_failure_at_the_deadline() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let endpoint = endpoint(&format!("http://{address}/"));
    let (internal_fds, started) = (InternalFds::default(), Instant::now());
    let request = endpoint.request(Method::GET, "").unwrap();
    let failure = exchange(request, &endpoint, &internal_fds, soon())
        .await
        .unwrap_err();
    assert_eq!(failure.cause, FailureCause::Timeout);
    assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs());
    assert_eq!(internal_fds.count(), 0);
}

#[tokio::test]
async fn a_refused_connection_is_a_failure_that_does_not_show_the_path() {
    // Bound and not listening, so that nobody else gets the port.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = nobody.local_addr().unwrap();
    let endpoint = endpoint(&format!("http://{address}/token"));
    let request = endpoint.request(Method::GET, "").unwrap();
    let failure = exchange(request, &endpoint, &InternalFds::default(), soon())
        .await
        .unwrap_err();
    assert_eq!(failure.cause, FailureCause::Connect);
    let expected = format!("cannot connect to {address}: connection refused");
    assert_eq!(failure.message, expected);
}

#[tokio::test]
async fn concurrent_lookups_share_one_resolution_and_its_descriptor_is_accounted_for() {
    let internal_fds = InternalFds::default();
    let lookups = (0..20).map(|_| lookup::addresses("localhost", 80, soon(), &internal_fds));
    for found in futures_util::future::join_all(lookups).await {
        assert!(found.unwrap().iter().all(|address| address.ip().is_loopback()));
    }
    assert_eq!(internal_fds.count(), 0);
    let too_long = "x".repeat(70);
    let error = lookup::addresses(&too_long, 80, soon(), &internal_fds).await;
    assert_eq!(error.unwrap_err().cause, FailureCause::Lookup);
}

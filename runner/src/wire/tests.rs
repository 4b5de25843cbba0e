use std::time::Duration;

use canary_tests::peer::http::{Reply as Answer, Site};
use http::StatusCode;

use super::*;

fn place(url: &str) -> Place {
    Place {
        url: url.parse().unwrap(),
        tls: TlsFiles::default(),
        protocol: Protocol::Http1,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn an_exchange_brings_an_answer_of_any_status_and_closes_its_connection() {
    let site = Site::start(|_| Answer::status(503).body("busy"));
    let place = place(&site.url("http", "/hooks/1?team=a"));
    let reserve = Reserve::default();
    let wire = place.request(Method::POST, "news").unwrap();
    let reply = exchange(wire, &place, &reserve, soon()).await.unwrap();
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((reply.body.as_slice(), reply.is_whole), (&b"busy"[..], true));

    site.until(|counts| counts.accepted == 1 && counts.open == 0)
        .await;
    let seen = &site.requests()[0];
    assert_eq!(
        (seen.method.as_str(), &seen.uri.to_string()[..]),
        ("POST", "/hooks/1?team=a")
    );
    assert_eq!(seen.header("host"), Some(&*site.address().to_string()));
    assert_eq!(seen.header("user-agent"), Some(AGENT));
    assert_eq!(&seen.body[..], b"news");
}

#[tokio::test]
async fn a_user_in_the_url_becomes_a_header_that_no_debug_shows() {
    let site = Site::start(|_| Answer::status(200));
    let url = format!("http://me:p%40ss@{}/token?key=value", site.address());
    let place = place(&url);
    let wire = place.request(Method::GET, "").unwrap();
    let shown = format!("{place:?} {wire:?}");
    for secret in ["me:", "p%40ss", "p@ss", "bWU6cEBzcw"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(!format!("{place:?}").contains("token"), "{place:?}");
    exchange(wire, &place, &Reserve::default(), soon()).await.unwrap();
    assert_eq!(
        site.requests()[0].header("authorization"),
        Some("Basic bWU6cEBzcw==")
    );
}

#[tokio::test]
async fn a_connection_counts_in_the_reserve_while_it_is_open() {
    let site = Site::start(|_| Answer::status(200));
    let place = place(&site.url("http", "/"));
    let reserve = Reserve::default();
    let link = open(&place, &reserve, soon()).await.unwrap();
    assert_eq!(reserve.held(), 1);
    link.close().await;
    assert_eq!(reserve.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_and_says_nothing_costs_the_deadline_and_no_more() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let place = place(&format!("http://{address}/"));
    let (reserve, started) = (Reserve::default(), Instant::now());
    let wire = place.request(Method::GET, "").unwrap();
    let failure = exchange(wire, &place, &reserve, soon()).await.unwrap_err();
    assert_eq!(failure.cause, Cause::Timeout);
    assert_eq!(started.elapsed().as_secs(), 10);
    assert_eq!(reserve.held(), 0);
}

#[tokio::test]
async fn nobody_listening_is_a_failure_that_does_not_show_the_path() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let place = place(&format!("http://{address}/token"));
    let wire = place.request(Method::GET, "").unwrap();
    let failure = exchange(wire, &place, &Reserve::default(), soon())
        .await
        .unwrap_err();
    assert_eq!(failure.cause, Cause::Connect);
    assert!(!failure.message.contains("token"), "{failure}");
}

#[tokio::test]
async fn a_name_is_looked_up_for_all_who_ask_and_its_descriptor_is_held() {
    let reserve = Reserve::default();
    let lookups = (0..20).map(|_| lookup::addresses("localhost", 80, soon(), &reserve));
    for found in futures_util::future::join_all(lookups).await {
        assert!(found.unwrap().iter().all(|address| address.ip().is_loopback()));
    }
    assert_eq!(reserve.held(), 0);
    let too_long = "x".repeat(70);
    let error = lookup::addresses(&too_long, 80, soon(), &reserve).await;
    assert_eq!(error.unwrap_err().cause, Cause::Lookup);
}

use hyper::client::conn;

use super::*;
use crate::certificate::Authority;
use crate::peer::MAX_ENTRIES;

const SOON: Duration = Duration::from_secs(60);

fn route(request: &Request) -> Reply {
    match request.path() {
        "/" => Reply::text("hello"),
        "/json" => Reply::json(r#"{"status":"ok"}"#),
        "/old" => Reply::redirect(301, "/"),
        "/slow" => Reply::text("late").after(Duration::from_secs(30)),
        "/echo" => Reply::status(201)
            .header("x-first", "1")
            .header("x-second", "2")
            .body(request.body.clone()),
        _ => Reply::status(404),
    }
}

type Sender = conn::http1::SendRequest<Full<Bytes>>;

/// A plain client and the task that drives its connection.
async fn connect(site: &Site) -> (Sender, JoinSet<()>) {
    let stream = tokio::net::TcpStream::connect(site.address()).await.unwrap();
    let (sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    (sender, driver)
}

fn request(method: &str, target: &str, body: &str) -> hyper::Request<Full<Bytes>> {
    let request = hyper::Request::builder()
        .method(method)
        .uri(target)
        .header("host", "site.test");
    request
        .header("traceparent", "00-abc-def-01")
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = time::timeout(SOON, response.into_body().collect())
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_site_answers_what_its_route_says_on_one_connection() {
    let site = Site::start(route);
    let (mut sender, _driver) = connect(&site).await;
    let response = sender.send_request(request("GET", "/", "")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(text(response).await, "hello");
    let response = sender.send_request(request("GET", "/json", "")).await.unwrap();
    assert_eq!(text(response).await, r#"{"status":"ok"}"#);
    let response = sender.send_request(request("GET", "/old", "")).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (301, &HeaderValue::from_static("/"))
    );
    assert_eq!(text(response).await, "");
    let response = sender
        .send_request(request("POST", "/echo", "again"))
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-second"]),
        (201, &HeaderValue::from_static("2"))
    );
    assert_eq!(text(response).await, "again");
    assert_eq!(
        sender
            .send_request(request("GET", "/nowhere", ""))
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(site.accepted(), 1);
}

#[tokio::test]
async fn requests_are_remembered_as_they_arrived() {
    let site = Site::start(route);
    let (mut sender, _driver) = connect(&site).await;
    sender
        .send_request(request("PUT", "/echo?a=1", "body"))
        .await
        .unwrap();
    let [seen] = &site.requests()[..] else {
        panic!("one request was sent")
    };
    assert_eq!(
        (seen.method.as_str(), seen.uri.query(), seen.version),
        ("PUT", Some("a=1"), Version::HTTP_11)
    );
    assert_eq!(
        (seen.header("traceparent"), seen.header("authorization")),
        (Some("00-abc-def-01"), None)
    );
    assert_eq!(seen.body, "body");
}

#[tokio::test]
async fn only_the_latest_requests_are_remembered() {
    let site = Site::start(route);
    let (mut sender, _driver) = connect(&site).await;
    for number in 0..=MAX_ENTRIES {
        text(
            sender
                .send_request(request("GET", &format!("/{number}"), ""))
                .await
                .unwrap(),
        )
        .await;
    }
    let requests = site.requests();
    assert_eq!((requests.len(), requests[0].path()), (MAX_ENTRIES, "/1"));
}

#[tokio::test(start_paused = true)]
async fn a_reply_can_be_late() {
    let site = Site::start(route);
    let (mut sender, _driver) = connect(&site).await;
    let asked_at = time::Instant::now();
    assert_eq!(
        sender
            .send_request(request("GET", "/slow", ""))
            .await
            .unwrap()
            .status(),
        200
    );
    assert!(asked_at.elapsed() >= Duration::from_secs(30));
}

#[tokio::test]
async fn over_tls_the_client_chooses_the_protocol() {
    let authority = Authority::new("Root");
    let leaf = authority.leaf(&tls::NAMES).issue();
    for (alpn, version) in [
        ("h2", Version::HTTP_2),
        ("http/1.1", Version::HTTP_11),
        ("", Version::HTTP_11),
    ] {
        let site = Site::start_tls(leaf.server_config(), route);
        let mut config = authority.client_config();
        config.alpn_protocols = Some(alpn.as_bytes().to_vec())
            .filter(|alpn| !alpn.is_empty())
            .into_iter()
            .collect();
        let stream = tls::tests::shake_hands(&site, config).await.unwrap();
        let mut driver = JoinSet::new();
        let request = request("GET", "https://localhost/", "");
        let response = if alpn == "h2" {
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut sender, connection) = conn::http2::handshake(executor, TokioIo::new(stream))
                .await
                .unwrap();
            driver.spawn(async move { drop(connection.await) });
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            driver.spawn(async move { drop(connection.await) });
            sender.send_request(request).await.unwrap()
        };
        assert_eq!(text(response).await, "hello");
        assert_eq!(site.requests()[0].version, version);
    }
}

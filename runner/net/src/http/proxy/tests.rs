use super::*;

async fn answered(answer: &[u8]) -> (Result<(), NetError>, usize) {
    let mut rest = answer;
    let result = read_connect_response(&mut rest).await;
    (result, rest.len())
}

#[tokio::test]
async fn any_success_makes_a_tunnel_and_no_byte_behind_it_is_taken() {
    for answer in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\nvia: x\r\n\r\n",
        "HTTP/1.1 201 Created\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\nvia: x\n\n",
    ] {
        let bytes = format!("{answer}TLS");
        assert_eq!(answered(bytes.as_bytes()).await, (Ok(()), 3), "{answer:?}");
    }
}

#[tokio::test]
async fn anything_else_is_a_refusal() {
    assert!(is_of_target("the proxy refused: `HTTP/1.1 503 No`"));
    assert!(!is_of_target("the proxy refused: `SSH-2.0 503`"));
    assert!(!is_of_target("the proxy refused: `HTTP/1.1 denied 503`"));
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "HTTP/1.1 302 Found\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "SSH-2.0 200 x\r\n\r\n",
        "\r\n\r\n",
    ] {
        let (refused, _) = answered(answer.as_bytes()).await;
        assert!(
            matches!(refused, Err(NetError::Protocol(_))),
            "{answer:?}: {refused:?}"
        );
    }
    for (answer, reason) in [
        (
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD),
            "the head of the proxy's answer has more than 16 KiB",
        ),
        (
            "HTTP/2 200 OK\r\n\r\n".to_owned(),
            "the proxy does not answer in HTTP/1.0 or HTTP/1.1: `HTTP/2 200 OK`",
        ),
    ] {
        let (refused, _) = answered(answer.as_bytes()).await;
        assert_eq!(refused, Err(NetError::Protocol(reason.to_owned())));
    }
}

#[test]
fn a_proxy_of_the_environment_that_cannot_be_used_is_no_failure_of_the_target() {
    for proxy in ["ftp://127.0.0.1:1", "http://[::1", "socks5://me:@127.0.0.1:1"] {
        let environment = EnvironmentProxies::read(|_| Some(proxy.to_owned()));
        let url = Url::parse("https://a.test/").unwrap();
        let refused = ProxyChoice::Environment.proxy_for(&url, &environment).map(drop);
        let error = refused.unwrap_err();
        assert!(error.is_own_failure(), "{proxy}: {error:?}");
        let message = error.to_string();
        assert!(
            message.starts_with("the proxy from the environment: proxy url: "),
            "{message}"
        );
    }
}

#[test]
fn a_proxy_over_tls_has_the_port_of_https_and_a_name_that_a_certificate_can_have() {
    let choice = |url: &str| {
        let url = UrlText::new("the proxy", url.to_owned()).unwrap();
        ProxyChoice::parse(Some(&url)).unwrap()
    };
    for (url, host, description) in [
        (
            "https://Proxy.test",
            "proxy.test",
            "the proxy `https://proxy.test:443`",
        ),
        ("https://u:p@[::1]:8443/", "::1", "the proxy `https://[::1]:8443`"),
    ] {
        let ProxyChoice::Named(proxy) = choice(url) else {
            panic!("{url} is a proxy")
        };
        assert!(proxy.is_secure());
        assert_eq!(
            (proxy.tls_host().as_str(), proxy.description().as_str()),
            (host, description)
        );
        assert_eq!(choice(url).check_tls_host(), Ok(()));
    }
    for url in ["socks5://u:p@[::1]", "socks5h://[::1]:1080"] {
        let ProxyChoice::Named(proxy) = choice(url) else {
            panic!("{url} is a proxy")
        };
        assert_eq!(proxy.description(), "the proxy `socks5://[::1]:1080`");
    }
    let refused = choice("https://a$b.test").check_tls_host().unwrap_err();
    assert!(matches!(refused, NetError::Invalid(_)), "{refused:?}");
    assert_eq!(choice("http://a$b.test").check_tls_host(), Ok(()));
}

#[test]
fn credentials_are_what_was_encoded_for_the_url() {
    let url = UrlText::new(
        "the proxy",
        "http://us%40er:p%40ss%3Aw%25rd@127.0.0.1:3128".to_owned(),
    )
    .unwrap();
    let authorization = Proxy::parse(&url).unwrap().authorization.unwrap();
    let expected = format!("Basic {}", STANDARD.encode("us@er:p@ss:w%rd"));
    assert_eq!(authorization, expected.as_str());
}

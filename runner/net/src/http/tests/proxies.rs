//! What is requested from proxies, and who is blamed if a proxy fails.

use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::Proxy;
use canary_tests::peer::socks::Socks;

use super::*;
use crate::bounded::EndpointText;

/// A host that does not resolve.
const TARGET: &str = "http://shop.test/";

fn through(proxy: &Peer, scheme: &str, stand_in: &Peer) -> RequestOptions {
    RequestOptions {
        proxy: Some(UrlText::new("the proxy url", proxy.url(scheme, "")).unwrap()),
        connect_to: Some(EndpointText::new("connect-to", stand_in.address().to_string()).unwrap()),
        ..usual()
    }
}

fn site() -> Site {
    Site::start(|request| match request.path() {
        "/" => Reply::redirect(302, "/next"),
        _ => Reply::text("the stand-in"),
    })
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_stand_in() {
    let (site, http, socks) = (site(), Proxy::start(), Socks::start());
    let place = site.address().to_string();
    for (proxy, scheme) in [(&*http, "http"), (&*socks, "socks5")] {
        let allow = [granted(proxy), granted(&site)];
        let check = Check {
            allow: &allow,
            ..Check::of(TARGET)
        };
        let request = asking("GET", TARGET, through(proxy, scheme, &site));
        let answer = check.client().send(request).await.unwrap();
        assert_eq!(answer.body, b"the stand-in", "{scheme}");
    }
    assert_eq!(socks.asked(), [place.clone(), place.clone()]);
    for head in http.heads() {
        assert!(
            head.starts_with(&format!("CONNECT {place} HTTP/1.1\r\n")),
            "{head}"
        );
    }
    for request in site.requests() {
        assert_eq!(request.header("host"), Some("shop.test"));
    }
}

#[tokio::test]
async fn a_stand_in_behind_a_proxy_has_to_be_granted() {
    let (site, http) = (site(), Proxy::start());
    let allow = [granted(&http)];
    let check = Check {
        allow: &allow,
        ..Check::of(TARGET)
    };
    let request = asking("GET", TARGET, through(&http, "http", &site));
    let refused = check.client().send(request).await.unwrap_err();
    assert!(matches!(refused, NetError::Denied(_)), "{refused:?}");
    assert_eq!(http.accepted(), 0);
}

#[tokio::test]
async fn a_proxy_of_the_environment_that_cannot_be_used_is_counted_as_the_checks_own_failure() {
    let proxies = EnvironmentProxies::read(|_| Some("ftp://127.0.0.1:1".to_owned()));
    let client = Check {
        proxies,
        ..Check::of(TARGET)
    }
    .client();
    let options = RequestOptions {
        proxy: Some(UrlText::new("the proxy url", "environment".to_owned()).unwrap()),
        ..usual()
    };
    let failed = client.send(asking("GET", TARGET, options)).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the proxy from the environment: proxy url: only http, https and socks5 proxies"
    );
    assert!(client.page().usage().own_fault().is_some());
}

use super::*;

#[test]
fn a_final_url_without_a_path_is_that_of_the_root() {
    let response = || Response {
        url: "http://example.com/?a=b%20c#part".into(),
        ..fake::response(200)
    };
    for same in [
        "http://example.com?a=b c",
        "http://EXAMPLE.com:80/?a=b%20c",
        "http://example.com:/?a=b%20c#x",
    ] {
        let (status, message) = eval(json!({ "final_url": same }), response());
        assert_eq!(status, Status::Pass, "{same}: {message}");
    }
}

#[test]
fn the_redirects_end_where_they_should() {
    let response = || Response {
        url: "https://example.com/login?next=a".into(),
        ..fake::response(200)
    };
    let shown = "`https://example.com/login?…`";
    let eval = |rule: Value| eval(json!({ "final_url": rule }), response());
    assert_eq!(eval(json!("https://example.com/login?next=a")), pass(shown));
    assert_eq!(
        eval(json!({ "equals": "https://example.com/" })),
        fail(&format!("{shown} is not `https://example.com/`"))
    );
    for same in [
        "HTTPS://Example.COM:443/login?next=a#top",
        " https://example.com/login?next=a",
    ] {
        assert_eq!(eval(json!(same)), pass(shown), "{same}");
    }
    assert_eq!(
        eval(json!("https://example.com/login?next=b")),
        fail(&format!("{shown} has another query"))
    );
    assert_eq!(eval(json!({ "matches": "/login" })), pass(shown));
    assert_eq!(
        eval(json!({ "matches": "/home$" })),
        fail(&format!("{shown} does not match `/home$`"))
    );
}

/// The URL of the response is as it was sent; a suite writes it as people do.
#[test]
fn a_final_url_is_compared_as_it_is_on_the_wire() {
    for (sent, same) in [
        ("https://xn--bcher-kva.example/", "https://bücher.example/"),
        (
            "https://xn--bcher-kva.example:8443/",
            "https://me@Bücher.Example:8443",
        ),
        ("https://example.com/gr%C3%B6%C3%9Fe", "https://example.com/größe"),
        ("https://example.com/gr%c3%b6%C3%9fe", "https://example.com/größe"),
        ("https://example.com/?q=%E2%82%AC%27", "https://example.com/?q=€'"),
        ("https://example.com/a%20%7Bb%7D'", "https://example.com/a {b}'"),
        ("https://example.com/b/", "https://example.com/a/.././b/c/%2e%2E/"),
        ("https://example.com/a/b", "https://example.com\\a\\b"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]:80"),
        ("http://192.0.2.1:8080/?%zz", "http://192.0.2.1:8080?%zz"),
    ] {
        let response = || Response {
            url: sent.into(),
            ..fake::response(200)
        };
        for rule in [json!(same), json!({ "one_of": ["https://other.example/", same] })] {
            let (status, message) = eval(json!({ "final_url": rule }), response());
            assert_eq!(status, Status::Pass, "{same}: {message}");
        }
        let (status, _) = eval(json!({ "final_url": { "not_equals": same } }), response());
        assert_eq!(status, Status::Fail, "{same}");
    }
}

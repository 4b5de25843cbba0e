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
        let (status, message) = judge(json!({ "final_url": same }), response());
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
    let judge = |rule: Value| judge(json!({ "final_url": rule }), response());
    assert_eq!(judge(json!("https://example.com/login?next=a")), pass(shown));
    assert_eq!(
        judge(json!({ "equals": "https://example.com/" })),
        fail(&format!("{shown} is not `https://example.com/`"))
    );
    for same in [
        "HTTPS://Example.COM:443/login?next=a#top",
        " https://example.com/login?next=a",
    ] {
        assert_eq!(judge(json!(same)), pass(shown), "{same}");
    }
    assert_eq!(
        judge(json!("https://example.com/login?next=b")),
        fail(&format!("{shown} has another query"))
    );
    assert_eq!(judge(json!({ "matches": "/login" })), pass(shown));
    assert_eq!(
        judge(json!({ "matches": "/home$" })),
        fail(&format!("{shown} does not match `/home$`"))
    );
}

//! Sessions: shared headers, cookies and redirects.

use super::*;

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let found = request
        .headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| std::str::from_utf8(value).unwrap())
}

fn redirecting(status: u16, location: &str, cookie: &str) -> http::Response {
    http::Response {
        headers: vec![
            ("Location".into(), location.into()),
            ("Set-Cookie".into(), cookie.into()),
        ],
        ..response(status)
    }
}

/// A shop with a login.
fn shop() -> FakeHost {
    FakeHost::new().http(|request| {
        let path = request.url.splitn(4, '/').nth(3).unwrap_or_default();
        Ok(match (request.method.as_str(), path) {
            ("POST", "login") => redirecting(302, "/home", "sid=s1; Path=/; HttpOnly"),
            ("POST", "away") => redirecting(307, "http://evil.test/", "sid=s2; Path=/"),
            ("GET", "loop") => redirecting(302, "loop", "n=1"),
            _ => response(200),
        })
    })
}

#[test]
fn a_cookie_of_a_login_is_sent_with_what_follows() {
    let host = shop();
    let script = "
        const session = http.session({ headers: { 'x-shared': 1, accept: 'a' }, cookies: { lang: 'en' } })
        const home = session.post(`${target}/login`, { form: { user: 'u' }, redirects: 5, headers: { Accept: 'own' } })
        session.get('http://other.test/')
        return `${home.status} ${home.url} ${session.cookie('sid')} ${session.cookie('no')}`";
    assert_eq!(
        verdict_on(&host, script).summary(),
        "200 http://shop.test/home s1 undefined"
    );
    let requests = host.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(header(&requests[0], "cookie"), Some("lang=en"));
    assert_eq!((requests[1].method.as_str(), requests[1].body.len()), ("GET", 0));
    assert_eq!(header(&requests[1], "cookie"), Some("lang=en; sid=s1"));
    assert_eq!(header(&requests[1], "content-type"), None);
    assert_eq!(header(&requests[0], "accept"), Some("own"));
    assert_eq!(header(&requests[1], "x-shared"), Some("1"));
    assert_eq!(header(&requests[2], "cookie"), None);
}

#[test]
fn a_session_does_not_follow_a_redirect_to_another_origin() {
    let host = shop();
    let script = "const r = http.session().post(`${target}/away`, { body: 'secret', redirects: 5 }); return `${r.status}`";
    assert_eq!(verdict_on(&host, script).summary(), "307");
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn a_session_follows_as_many_redirects_as_the_script_says() {
    let host = shop();
    assert_eq!(
        verdict_on(&host, "http.session().get(`${target}/loop`, { redirects: 3 })").summary(),
        "too many redirects"
    );
    assert_eq!(host.requests().len(), 4);
    assert_eq!(
        verdict_on(&shop(), "return `${http.session().get(`${target}/loop`).status}`").summary(),
        "302"
    );
}

//! Requests and responses.

use super::*;

fn answering(respond: impl Fn(&Request) -> http::Response + 'static) -> FakeHost {
    FakeHost::new().http(move |request| Ok(respond(request)))
}

fn with_body(body: &'static str) -> FakeHost {
    answering(move |_| http::Response {
        headers: vec![
            ("Content-Type".into(), "text/plain".into()),
            ("X-A".into(), "1".into()),
            ("x-a".into(), "2".into()),
        ],
        body: body.into(),
        ..response(200)
    })
}

#[test]
fn a_response_has_its_status_headers_and_body() {
    let script = "
        const r = await http.get(`${target}/a?b`)
        return [r.status, r.ok, r.url, r.text, r.bytes.length, r.headers.get('CONTENT-type'), r.headers.get('x-a'),
            r.headers.getAll('x-a').length, r.headers.has('no'), r.headers.get('no'), [...r.headers].length,
            r.version, r.redirects, r.truncated, r.timings.connect, r.timings.total, r.tls].join(' ')";
    assert_eq!(
        verdict_on(&with_body("hello"), script).summary(),
        "200 true http://shop.test/a?b hello 5 text/plain 1, 2 2 false  3 1.1 0 false 1 10 "
    );
}

#[test]
fn every_method_sends_what_the_options_say() {
    let host = with_body("");
    let script = "
        http.get(target)
        http.head(target, { timeout: '2s', maxBody: 10, redirects: 3, connectTo: 'a:1', proxy: 'http://p:2' })
        http.post(target, { json: { a: [1] } })
        http.put(target, { body: 'text', headers: { 'X-A': 1, b: ['c', 'd'] } })
        http.patch(target, { form: { 'a b': 'ä&', c: 1 }, headers: { 'Content-Type': 'own' } })
        http.delete(target, { body: new Uint8Array([1, 2]), basicAuth: { username: 'u', password: 'p' } })
        http.options(target, { tls: { ca: 'PEM', serverName: 'x', minVersion: '1.3', alpn: ['h2'], trusted: false } })
        http.request('PURGE', target)";
    verdict_on(&host, script);
    let requests = host.requests();
    let methods: Vec<_> = requests.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(
        methods,
        [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"
        ]
    );
    let options = &requests[1].options;
    assert_eq!(options.timeout, Some(std::time::Duration::from_secs(2)));
    assert_eq!((options.max_body, options.max_redirects), (10, 3));
    assert_eq!(options.connect_to.as_deref(), Some("a:1"));
    assert_eq!(options.proxy.as_deref(), Some("http://p:2"));
    assert_eq!(requests[2].body, br#"{"a":[1]}"#);
    assert_eq!(
        requests[2].headers,
        [("content-type".to_owned(), b"application/json".to_vec())]
    );
    assert_eq!(requests[3].body, b"text");
    let headers: Vec<_> = requests[3]
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(headers, ["X-A", "b", "b"]);
    assert_eq!(requests[4].body, b"a+b=%C3%A4%26&c=1");
    assert_eq!(
        requests[4].headers,
        [("Content-Type".to_owned(), b"own".to_vec())]
    );
    assert_eq!(requests[5].body, [1, 2]);
    assert_eq!(
        requests[5].headers,
        [("authorization".to_owned(), b"Basic dTpw".to_vec())]
    );
    let tls = requests[6].options.tls.as_ref().unwrap();
    assert_eq!(tls.ca_certificates.as_deref(), Some("PEM"));
    assert_eq!(
        (tls.server_name.as_deref(), tls.require_valid),
        (Some("x"), false)
    );
}

#[test]
fn a_body_is_json_when_the_script_asks_for_it() {
    let host = with_body(r#"{ "token": "t", "list": [{ "price": 2 }] }"#);
    assert_eq!(
        verdict_on(
            &host,
            "return http.get(target).json.list[0].price + http.get(target).json.token"
        )
        .summary(),
        "2t"
    );
    let error = run_on(&with_body("<html>\n no"), "http.get(`${target}/a?secret`).json").unwrap_err();
    assert_eq!(
        error,
        "SyntaxError: the response of http://shop.test/a (status 200) is not JSON: expected value at line 1 column 1; \
         it begins with `<html> no` (script:1:32)"
    );
}

#[test]
fn a_path_leads_to_a_value_of_the_body() {
    let host = with_body(r#"{ "items": [{ "price": 2, "name": "tea" }], "a.b": null }"#);
    let script = "
        const r = http.get(target)
        expect.json('value', r, 'items[0].price', 2)
        expect.json('pattern', r, '$.items[0].name', /^t/)
        expect.json('function', r, 'items', items => items.length === 1)
        expect.json('there', r, '[\"a.b\"]')
        expect.json('wrong', r, 'items[0]', { price: 3, name: 'tea' })
        expect.json('absent', r, 'items[1].price', 2)";
    let verdict = verdict_on(&host, script);
    let statuses: Vec<_> = verdict
        .assertions()
        .iter()
        .map(|assertion| assertion.status == Status::Pass)
        .collect();
    assert_eq!(statuses, [true, true, true, true, false, false]);
    assert_eq!(
        message_of(&verdict, "wrong"),
        "{ price: 2, name: `tea` }, expected { price: 3, name: `tea` }"
    );
    assert_eq!(message_of(&verdict, "absent"), "there is no `items[1].price`");
}

#[test]
fn a_body_that_is_no_json_fails_the_expectation_of_a_path() {
    let verdict = verdict_on(&with_body("oops"), "expect.json('a', http.get(target), 'b', 1)");
    assert_eq!(verdict.status(), Status::Fail);
    assert!(message_of(&verdict, "a").contains("is not JSON"));
}

#[test]
fn a_network_failure_is_a_verdict_that_keeps_what_was_found() {
    let host = FakeHost::new().http(|_| Err(ErrorCode::Reset.into()));
    let verdict = verdict_on(
        &host,
        "expect('before', true); measure('m', 1); http.get(target); expect('after', false)",
    );
    assert_eq!(verdict.status(), Status::Fail);
    assert_eq!(verdict.summary(), "connection reset by the peer");
    assert_eq!(verdict.attribute("error.reason"), Some("reset"));
    assert_eq!(verdict.measurement("m"), Some(1.0));
    assert!(verdict.assertion("before").is_some() && verdict.assertion("after").is_none());
}

#[test]
fn a_network_failure_can_be_caught() {
    let script = "
        try { await http.get(target) } catch (error) {
            return [error instanceof NetworkError, error instanceof Error, error.name, error.code, error.phase, error.message].join(' ')
        }";
    assert_eq!(
        summary(script),
        "true true NetworkError refused connect connection refused"
    );
}

#[test]
fn an_invalid_request_is_the_mistake_of_the_script() {
    let host =
        FakeHost::new().http(|_| Err(NetError::new(ErrorCode::Invalid, "invalid request: url: no host")));
    assert_eq!(
        run_on(&host, "http.get('http://')").unwrap_err(),
        "TypeError: http.get: invalid request: url: no host (script:1:9)"
    );
}

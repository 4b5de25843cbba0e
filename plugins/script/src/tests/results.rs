//! What becomes of a script that runs to its end.

use super::*;

#[test]
fn a_returned_text_is_the_summary() {
    assert_eq!(summary("return `hello ${target}`"), "hello http://shop.test");
    assert_eq!(summary("summary('one'); return 'two'"), "two");
    assert_eq!(summary("summary('one')"), "one");
    assert_eq!(summary("1 + 1"), "the script ran to its end");
    assert_eq!(summary("expect('a', true); expect('b', 1)"), "2 expectations met");
}

#[test]
fn a_script_may_await_at_any_place() {
    assert_eq!(
        summary(
            "const one = await 1; async function two() { await null; return 2 }; return `${one + await two()}`"
        ),
        "3"
    );
    assert_eq!(
        summary("const all = await Promise.all([1, 2].map(async x => x * 2)); return all.join()"),
        "2,4"
    );
}

#[test]
fn the_check_and_the_variables_are_there() {
    let config = json!({
        "script": "return [vars.name, vars.list[1], vars.no ?? 'none', check.name, check.attempt, check.timeLeft()].join(' ')",
        "vars": { "name": "a", "list": [1, 2.5] },
    });
    let verdict = FakeHost::new().run::<Script>("x", config).unwrap();
    assert_eq!(verdict.summary(), "a 2.5 none test 1 5000");
}

#[test]
fn an_expectation_is_an_assertion_and_returns_whether_it_holds() {
    let verdict = verdict(
        "const ok = expect('first', 1 < 2, 'small'); if (!expect('second', '', `no text`)) expect('third', ok)",
    );
    assert_eq!(verdict.status(), Status::Fail);
    assert_eq!(verdict.summary(), "second: no text");
    assert_eq!(message_of(&verdict, "first"), "small");
    assert_eq!(message_of(&verdict, "third"), "met");
}

#[test]
fn equality_is_that_of_contents() {
    for (left, right, is_equal) in [
        ("1", "1.0", true),
        ("NaN", "NaN", true),
        ("'1'", "1", false),
        ("null", "undefined", false),
        ("[1, { a: [2] }]", "[1, { a: [2] }]", true),
        ("{ a: 1, b: 2 }", "{ b: 2, a: 1 }", true),
        ("{ a: 1 }", "{ a: 1, b: undefined }", false),
        ("[1, 2]", "[2, 1]", false),
        ("[]", "{}", false),
    ] {
        let verdict = verdict(&format!("expect.equal('same', {left}, {right})"));
        let status = if is_equal { Status::Pass } else { Status::Fail };
        assert_eq!(verdict.status(), status, "{left} {right}");
    }
    let unequal = verdict("expect.equal('orders', { list: [1, 'two'] }, null)");
    assert_eq!(
        message_of(&unequal, "orders"),
        "{ list: [1, `two`] }, expected null"
    );
}

#[test]
fn a_text_is_matched_by_a_regular_expression() {
    assert_eq!(
        verdict("expect.match('version', 'v1.2', /^v(\\d+)/)").status(),
        Status::Pass
    );
    assert_eq!(
        summary("expect.match('version', 'x', /^v/)"),
        "version: `x` does not match /^v/"
    );
}

#[test]
fn numbers_become_measurements() {
    let verdict = verdict("measure('a.b', 1.5, 's', { path: '/', code: 200 }); measure('c', -2)");
    let measurements = verdict.measurements();
    assert_eq!((measurements[0].value, measurements[0].unit.as_str()), (1.5, "s"));
    assert_eq!(
        measurements[0].attributes,
        [
            ("path".to_owned(), "/".to_owned()),
            ("code".to_owned(), "200".to_owned())
        ]
    );
    assert_eq!(
        (measurements[1].value, measurements[1].unit.as_str()),
        (-2.0, "1")
    );
}

#[test]
fn a_script_can_warn_and_fail_by_itself() {
    let warned = verdict("warn('slow'); return 'fine'");
    assert_eq!((warned.status(), warned.summary()), (Status::Warn, "slow".into()));
    let failed = verdict("fail('one'); warn('two'); fail('three')");
    assert_eq!((failed.status(), failed.summary()), (Status::Fail, "one".into()));
    let worse = verdict("warn('one'); fail('two')");
    assert_eq!((worse.status(), worse.summary()), (Status::Fail, "two".into()));
}

#[test]
fn attributes_and_lines_are_recorded() {
    let host = FakeHost::new();
    let verdict = verdict_on(
        &host,
        "attribute('build', 7); log.warn('a', 1, [2, 'b']); console.log({ c: null })",
    );
    assert_eq!(verdict.attribute("build"), Some("7"));
    let lines: Vec<_> = host.lines().into_iter().map(|line| line.message).collect();
    assert_eq!(lines, ["a 1 [2, `b`]", "{ c: null }"]);
}

#[test]
fn a_secret_is_masked_before_it_is_used() {
    let host = FakeHost::new();
    assert_eq!(
        verdict_on(&host, "return mask('token').toUpperCase()").summary(),
        "TOKEN"
    );
    assert_eq!(host.masked(), ["token"]);
}

#[test]
fn texts_are_encoded_and_decoded() {
    for (script, expected) in [
        ("return btoa('user:pass')", "dXNlcjpwYXNz"),
        ("return atob('dXNlcjpwYXNz')", "user:pass"),
        ("return atob('dXNlcg') + atob('dXNlcg==')", "useruser"),
        ("return btoa(new TextEncoder().encode('ä'))", "w6Q="),
        (
            "return new TextDecoder().decode(new Uint8Array([0x61, 0xff]))",
            "a\u{fffd}",
        ),
        (
            "return new TextDecoder('utf-8').decode(new TextEncoder().encode('ä'))",
            "ä",
        ),
        ("return String(new TextEncoder().encode('ä'))", "195,164"),
    ] {
        assert_eq!(summary(script), expected, "{script}");
    }
}

#[test]
fn json_is_parsed_in_the_order_of_the_text() {
    assert_eq!(
        summary("return JSON.stringify(JSON.parse('{\"b\":[1,2.5,-3,true,null],\"a\":\"x\"}'))"),
        r#"{"b":[1,2.5,-3,true,null],"a":"x"}"#
    );
    assert_eq!(
        summary(
            "return JSON.stringify(JSON.parse('[1,{\"a\":2}]', (key, value) => key === 'a' ? value + 1 : value))"
        ),
        r#"[1,{"a":3}]"#
    );
    let deep = "JSON.parse('['.repeat(10000))";
    assert_eq!(
        mistake(deep),
        "SyntaxError: JSON.parse: recursion limit exceeded at line 1 column 128 (script:1:11)"
    );
}

#[test]
fn chance_and_time_differ_from_run_to_run() {
    let random = || summary("return String(Math.random())");
    assert_ne!(random(), random());
    assert!(summary("await sleep(2); return new Date().toISOString()").starts_with("20"));
}

#[test]
fn a_script_does_not_sleep_longer_than_its_run() {
    let late = verdict("sleep('60s')");
    assert_eq!(
        late.summary(),
        "cannot sleep for 60000 ms: the run has 5000 ms left"
    );
    assert_eq!(late.attribute("error.reason"), Some("timeout"));
}

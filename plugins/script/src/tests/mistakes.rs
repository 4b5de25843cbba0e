//! Mistakes of a script: found when the suite is loaded, or named with their place in the script.

use super::*;

fn problems(script: &str) -> Vec<String> {
    let config = json!({ "script": script });
    let found = FakeHost::new().check_config::<Script>(Some("x"), &config);
    found.iter().map(Problem::to_string).collect()
}

#[test]
fn a_script_without_mistakes_has_no_problems() {
    for script in [
        "1",
        "// nothing",
        "return await http.get(target)",
        "for await (const a of []) {}\nlabel: while (true) break label",
        "const { a, ...b } = {}; class C { #d = 1; static e() { return super.f } }",
        "const a = b?.c ?? 1_000n ** 2n; let d = `x${a}`; d ||= /[/]/u.test(d)",
        "function* f() { yield* [1] }\nasync function* g() { yield await 1 }",
    ] {
        assert_eq!(problems(script), [""; 0], "{script}");
    }
}

#[test]
fn a_syntax_error_has_a_line_and_a_column() {
    for (script, expected) in [
        (
            "const a = 1\nconst b = (;\n",
            "line 2, column 12: unexpected `;`: primary expression",
        ),
        (
            "if (1) {",
            "line 1, column 9: the script ends here, in the middle of a statement",
        ),
        ("a = 1 }", "line 1, column 7: unexpected `}`, which nothing opens"),
        ("\n\nconst a = 'x\n'\n", "line 3: unterminated string literal"),
        ("}); (async () => {", "line 1, column 1: "),
        ("import x from 'y'", "line 1, column "),
        ("with (a) {}", "line 1, column 1: "),
        ("/(/", "line 1, column 1: "),
    ] {
        let found = problems(script);
        assert_eq!(found.len(), 1, "{script}");
        let start = format!("/config/script: {expected}");
        assert!(found[0].starts_with(&start), "{script}: {}", found[0]);
    }
}

#[test]
fn a_script_is_neither_too_long_nor_too_deep() {
    let long = format!("/*{}*/", "x".repeat(64 << 10));
    assert_eq!(
        problems(&long),
        ["/config/script: is longer than 64 KiB (65540 bytes)"]
    );
    let deep = "(".repeat(64 << 10);
    assert_eq!(
        problems(&deep),
        [
            "/config/script: line 1, column 76: the script is nested too deeply: split it into functions and statements"
        ]
    );
}

#[test]
fn an_exception_has_the_place_where_it_was_thrown() {
    for (script, expected) in [
        (
            "const a = 1\n\n\nconst b = nope + 1",
            "ReferenceError: nope is not defined (script:4:11)",
        ),
        ("nope", "ReferenceError: nope is not defined (script:1:1)"),
        (
            "await 1\n  nope()",
            "ReferenceError: nope is not defined (script:2:3)",
        ),
        (
            "const f = () => {\n  return nope\n}\nf()",
            "ReferenceError: nope is not defined (script:2:10)",
        ),
        (
            "function f() {\n  throw new RangeError('x')\n}\nf()",
            "RangeError: x (script:2:9)",
        ),
        (
            "async function f() {\n  await 1\n  null.x\n}\nawait f()",
            "TypeError: cannot convert 'null' or 'undefined' to object (script:3:8)",
        ),
        (
            "\n  http.get(1)",
            "TypeError: http.get: the URL must be a text, and is 1 (script:2:11)",
        ),
        ("throw 'text'", "uncaught `text`"),
        ("throw { a: 1 }", "uncaught { a: 1 }"),
        (
            "await new Promise(() => {})",
            "Error: the script waits for a promise that nothing settles",
        ),
        (
            "undeclared = 1",
            "ReferenceError: cannot assign to uninitialized global property `undeclared` (script:1:1)",
        ),
    ] {
        assert_eq!(mistake(script), expected, "{script}");
    }
}

#[test]
fn a_rejection_that_nothing_handles_is_not_lost() {
    assert_eq!(
        mistake("async function f() {\n  await 1\n  throw new Error('x')\n}\nf()"),
        "Error: x (script:3:9)"
    );
    assert_eq!(
        summary("Promise.reject(1).catch(() => {}); return 'fine'"),
        "fine"
    );
}

#[test]
fn only_a_text_is_a_result() {
    assert_eq!(
        mistake("return false"),
        "the script returned false: return a text, the summary, or nothing; `expect` and `fail` decide"
    );
}

#[test]
fn code_from_texts_is_not_run() {
    for script in ["eval('1')", "new Function('return 1')()", "(0, eval)('1')"] {
        assert!(mistake(script).contains("code from texts"), "{script}");
    }
}

#[test]
fn endless_recursion_ends_in_an_error() {
    for script in [
        "function f() { f() }\nf()",
        "const f = () => [1].map(f)\nf()",
        "const o = { get x() { return this.x } }\no.x",
        "async function f() { await f() }\nawait f()",
        "function* f() { yield* f() }\n[...f()]",
    ] {
        let expected = if script.starts_with("async") {
            "the JavaScript engine failed: "
        } else {
            "RuntimeLimitError: reached the maximum number of recursive calls"
        };
        let found = mistake(script);
        assert!(found.starts_with(expected), "{script}: {found}");
    }
}

#[test]
fn a_mistake_in_an_argument_is_named() {
    for (script, expected) in [
        ("expect('', true)", "TypeError: expect: the name is empty"),
        (
            "expect(true)",
            "TypeError: expect: the name must be a text, and is true",
        ),
        ("expect('a', http.get)", ""),
        (
            "expect('a', (async () => true)())",
            "TypeError: expect: the condition of `a` is a promise: `await` it",
        ),
        (
            "expect.match('a', 'b', 'c')",
            "TypeError: expect.match: the pattern of `a` must be a regular expression such as `/^ok/`, and is `c`",
        ),
        (
            "measure('a', NaN)",
            "TypeError: measure: `a` must be a number, and is NaN",
        ),
        (
            "measure('a', '1')",
            "TypeError: measure: `a` must be a number, and is `1`",
        ),
        ("measure(' ', 1)", "TypeError: measure: the name is empty"),
        (
            "sleep(-1)",
            "RangeError: sleep: the time must be from 0 to 86400000 milliseconds, and is -1",
        ),
        (
            "sleep('soon')",
            "TypeError: sleep: the time must be a number of milliseconds or a text such as `5s`, and is `soon`",
        ),
        (
            "tcp.connect('db')",
            "TypeError: tcp.connect: `db` has no port, expected `HOST:PORT`",
        ),
        (
            "http.get('x', 1)",
            "TypeError: http.get: the options must be an object, and are 1",
        ),
        (
            "http.get('x', { json: 1, body: 'a' })",
            "TypeError: http.get: `body` and `json` and `form` exclude each other",
        ),
        (
            "http.get('x', { tls: { clientCert: 'a' } })",
            "TypeError: http.get: `tls`: `clientCert` needs a `clientKey`",
        ),
        (
            "http.get('x', { redirects: 1.5 })",
            "TypeError: http.get: `redirects` must be a whole number from 0, and is 1.5",
        ),
        (
            "http.session({ cookie: 1 })",
            "TypeError: http.session: unknown option `cookie`; the options are `cookies`, `headers`",
        ),
        (
            "dns.query('a', 'A', { servers: 1 })",
            "TypeError: dns.query: unknown option `servers`; the options are `server`, `timeout`",
        ),
    ] {
        if expected.is_empty() {
            verdict(script);
            continue;
        }
        let found = mistake(script);
        assert!(found.starts_with(expected), "{script}: {found}");
    }
}

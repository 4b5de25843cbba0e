//! The plugin `script` in the real sandbox.

use canary::outcome::Outcome;
use canary_tests::harness::{AttemptBuilder, AttemptResult, Harness, alone, ms};
use canary_tests::peer::http::{Reply, Request, Site};
use canary_tests::peer::{Hostile, plain};
use futures_util::future::join_all;
use serde_json::json;

/// A shop whose orders need the token of a login.
fn shop(request: &Request) -> Reply {
    match request.path() {
        "/login" if request.body.windows(2).any(|window| window == b"pw") => {
            Reply::json(r#"{"token":"t1"}"#).header("set-cookie", "sid=s1; Path=/; HttpOnly")
        }
        "/orders" if request.header("authorization") == Some("Bearer t1") => {
            Reply::json(r#"{"orders":[1,2,3]}"#)
        }
        "/home" if request.header("cookie") == Some("sid=s1") => Reply::text("hello"),
        "/old" => Reply::redirect(302, "/orders"),
        _ => Reply::status(403),
    }
}

/// A login, its token, and requests with it.
const LOGIN: &str = r"
    const session = http.session({ headers: { accept: 'application/json' } })
    const login = await session.post(`${target}/login`, { json: vars })
    expect.equal('login', login.status, 200)
    const headers = { authorization: `Bearer ${mask(login.json.token)}` }
    const { orders } = (await http.get(`${target}/orders`, { headers, timeout: '20s' })).json
    measure('shop.orders', orders.length, '{order}', { page: 'first' })
    expect('orders', orders.length >= 3, `${orders.length} of at least 3`)
    expect.match('home', session.get(`${target}/home`).text, /^hello$/)
    return `${orders.length} orders`
";

fn script<'h>(harness: &'h Harness, target: &str, script: &str) -> AttemptBuilder<'h> {
    harness
        .plugin("script")
        .target(target)
        .set("script", script)
        .timeout(ms(60_000))
        .quota(|quota| quota.cpu = ms(20_000))
}

fn summary(ran: &AttemptResult) -> String {
    match &ran.outcome {
        Outcome::Completed(verdict) => verdict.summary.as_str().to_owned(),
        other => other.summary(),
    }
}

#[test]
fn a_login_a_token_and_a_second_request_are_a_few_lines() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(shop);
        let target = site.url("http", "");
        let attempt = script(&harness, &target, LOGIN).set("vars", json!({ "user": "u", "password": "pw" }));
        let ran = attempt.run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        assert_eq!(summary(&ran), "3 orders");
        assert!(ran.usage.used.memory_peak < 8 << 20, "{:?}", ran.usage.used);
    });
}

#[test]
fn a_dialogue_over_tcp_leaves_no_connection_open() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let talk = "
            for (const text of ['one', 'two']) {
                const connection = await tcp.connect(target)
                connection.write(`${text}\\n`)
                expect.equal(text, connection.readLine(), text)
            }";
        let ran = script(&harness, &peer.address().to_string(), talk).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        assert_eq!(ran.usage.reclaimed, 0);
    });
}

#[test]
fn a_network_failure_is_the_targets() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::ClosesAtOnce.start();
        let target = peer.url("http", "/");
        let ran = script(&harness, &target, "expect('before', true); http.get(target)")
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
        let ran = script(&harness, &target, "http.get('http://127.0.0.2:1/')")
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
    });
}

#[test]
fn a_mistake_of_a_script_has_its_line() {
    alone(async {
        let harness = Harness::new().await;
        let target = "127.0.0.1:1";
        let config = json!({ "script": "const a = 1\n\nconst b = (;" });
        let problems = harness.check_config("script", target, &config).await.unwrap();
        assert_eq!(problems.len(), 1);
        let found = format!("{:?}", problems[0]);
        assert!(found.contains("line 3, column 12: unexpected `;`"), "{found}");
        let ran = script(&harness, target, "const a = 1\n\n\nconst b = nope + 1")
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "faulted: gave_up");
        let found = summary(&ran);
        assert!(
            found.contains("ReferenceError: nope is not defined (script:4:11)"),
            "{found}"
        );
    });
}

#[test]
fn a_script_that_never_ends_is_stopped() {
    alone(async {
        let harness = Harness::new().await;
        for endless in [
            "while (true) {}",
            "for (;;) await null",
            "/(a+)+$/.test('a'.repeat(64) + 'b')",
        ] {
            let attempt = script(&harness, "127.0.0.1:1", endless).quota(|quota| quota.cpu = ms(300));
            let ran = attempt.run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "stopped: quota",
                "{endless}: {:?}",
                ran.outcome
            );
        }
        let list = "const list = []; for (;;) list.push('x'.repeat(1000) + list.length)";
        let ran = script(&harness, "127.0.0.1:1", list).run().await;
        assert_eq!(
            ran.leaves_nothing().ended(),
            "stopped: quota",
            "{:?}",
            ran.outcome
        );
        for recursion in ["function f() { f() }\nf()", "const f = () => [1].map(f)\nf()"] {
            let ran = script(&harness, "127.0.0.1:1", recursion).run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "faulted: gave_up",
                "{recursion}: {:?}",
                ran.outcome
            );
        }
    });
}

#[test]
fn nesting_ends_in_a_problem_of_the_suite_and_never_in_a_trap() {
    // What is nested, what is innermost, how it ends, and how deep it may be.
    let shapes = [
        ("(", "1", ")", 70),
        ("[", "", "]", 70),
        ("({ a: ", "1", " })", 32),
        ("{", "", "}", 70),
        ("!", "1", "", 290),
        ("`${", "1", "}`", 70),
        ("(function () {", "", "})", 30),
        ("f(a => ", "1", ")", 40),
        ("a => ", "1", "", 140),
        ("if (0) 1; else ", "1", "", 140),
        ("1 + ", "1", "", 570),
        ("a?.", "a", "", 290),
    ];
    alone(async {
        let harness = Harness::new().await;
        for (open, inner, close, fits) in shapes {
            for (times, is_accepted) in [(fits, true), ((60 << 10) / (open.len() + close.len()) - 1, false)] {
                let nested = open.repeat(times) + inner + &close.repeat(times);
                // It is parsed and compiled, and nothing of it runs.
                let text = format!("if (false) {{ ({nested}) }}");
                let text = if open == "{" || open.starts_with("if") {
                    nested
                } else {
                    text
                };
                let config = json!({ "script": text });
                let problems = harness.check_config("script", "127.0.0.1:1", &config).await;
                let problems = problems.unwrap_or_else(|outcome| panic!("{open}: {}", outcome.summary()));
                assert_eq!(problems.is_empty(), is_accepted, "{open} {times}: {problems:?}");
                if is_accepted {
                    let ran = script(&harness, "127.0.0.1:1", &text).run().await;
                    assert_eq!(ran.leaves_nothing().ended(), "pass", "{open}: {:?}", ran.outcome);
                }
            }
        }
        let regex = format!("/{}{}/", "(".repeat(32 << 10), ")".repeat(31 << 10));
        let config = json!({ "script": regex });
        let problems = harness
            .check_config("script", "127.0.0.1:1", &config)
            .await
            .unwrap();
        assert_eq!(problems.len(), 1);
    });
}

#[test]
fn two_hundred_scripts_run_fifty_at_a_time() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(shop);
        let target = site.url("http", "");
        // As many as the engine of the tests has instances for.
        for _ in 0..4 {
            let runs = (0..50).map(|_| {
                let attempt = script(&harness, &target, LOGIN);
                attempt
                    .set("vars", json!({ "user": "u", "password": "pw" }))
                    .run()
            });
            for ran in join_all(runs).await {
                assert_eq!(
                    ran.leaves_nothing_of_its_own().ended(),
                    "pass",
                    "{:?}",
                    ran.outcome
                );
                assert_eq!(ran.usage.reclaimed, 0);
            }
        }
        assert_eq!(harness.descriptors_left(), 0);
    });
}

#[test]
fn a_value_that_differs_from_run_to_run_does() {
    alone(async {
        let harness = Harness::new().await;
        let random = async || {
            let ran = script(
                &harness,
                "127.0.0.1:1",
                "await sleep(5); return `${Math.random()} ${Date.now()}`",
            )
            .run()
            .await;
            summary(ran.leaves_nothing())
        };
        assert_ne!(random().await, random().await);
    });
}

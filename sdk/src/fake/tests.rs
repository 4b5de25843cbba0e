use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::error::{ErrorCode, Phase};
use crate::{Check, Error, Status, Stopwatch, TargetForm, log, tcp};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    #[expect(dead_code, reason = "only its type matters")]
    ports: Vec<u16>,
    #[serde(default)]
    give_up: bool,
}

/// Connects to its target and reads a line.
struct Greeting;

impl Probe for Greeting {
    type Config = Config;
    const NAME: &'static str = "greeting";
    const SUMMARY: &'static str = "Reads a line";
    const TARGETS: &'static [TargetForm] = &[TargetForm::HostPort];

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        if check.config.give_up {
            return Err(Error::plugin("gave up"));
        }
        let line = tcp::connect(&check.endpoint()?)?.read_line(64)?;
        log::info("read");
        Ok(Verdict::pass(line))
    }
}

fn connect(host: &FakeHost) -> tcp::Connection {
    host.enter(|| tcp::connect(&"db:1".parse().unwrap()).unwrap())
}

#[test]
fn a_network_error_of_a_probe_is_a_verdict_of_fail() {
    let verdict = FakeHost::new()
        .run::<Greeting>("db:1", json!({"ports": []}))
        .unwrap();
    assert_eq!(
        (verdict.status(), verdict.summary().as_str()),
        (Status::Fail, "connect: connection refused")
    );
}

#[test]
fn a_probe_that_cannot_work_is_an_error() {
    let host = FakeHost::new();
    assert_eq!(
        host.run::<Greeting>("db:1", json!({"ports": [], "give_up": true}))
            .unwrap_err(),
        "gave up"
    );
    let error = host.run::<Greeting>("db", json!({"ports": []})).unwrap_err();
    assert_eq!(error, "target: `db` has no port, expected `HOST:PORT`");
}

#[test]
fn a_config_that_does_not_fit_names_the_field() {
    let host = FakeHost::new();
    let error = host
        .run::<Greeting>("db:1", json!({"ports": [1, "x"]}))
        .unwrap_err();
    assert_eq!(
        error,
        "config: `ports[1]`: invalid type: string \"x\", expected a whole number from 0 to 65535"
    );
    let error = host
        .run::<Greeting>("db:1", json!({"ports": [], "prots": 1}))
        .unwrap_err();
    assert_eq!(
        error,
        "config: `prots`: unknown field `prots`, expected `ports` or `give_up`"
    );
    let error = host.run::<Greeting>("db:1", json!({})).unwrap_err();
    assert_eq!(error, "config: missing field `ports`");
}

#[test]
fn a_description_has_a_closed_schema() {
    let description = plumbing::describe::<Greeting>("1.2.3");
    let schema: serde_json::Value = serde_json::from_str(&description.config_schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("greeting", "1.2.3")
    );
}

#[test]
fn a_run_leaves_its_lines_and_no_connection() {
    let host = FakeHost::new().tcp("db:1", Script::new().send("hello\r\n"));
    let verdict = host.run::<Greeting>("db:1", json!({"ports": []})).unwrap();
    assert_eq!(verdict.summary(), "hello");
    assert_eq!(
        (host.open_connections(), host.connects().len(), host.lines().len()),
        (0, 1, 1)
    );
}

#[test]
fn a_peer_that_waits_lets_a_read_time_out() {
    let host = FakeHost::new().tcp("db:1", Script::new().send("hi").expect("ping"));
    let connection = connect(&host);
    assert_eq!(connection.read(1).unwrap(), b"h");
    assert_eq!(
        connection.read_until(b"\n", 64),
        Err(NetError::timeout(Phase::Receive))
    );
    assert_eq!(connection.read(9).unwrap(), b"i");
    assert_eq!(connection.read(9), Err(NetError::timeout(Phase::Receive)));
    connection.write(b"ping").unwrap();
    assert_eq!(connection.read(9).unwrap(), b"");
    assert_eq!(
        connection.read_exact(1),
        Err(NetError::from(ErrorCode::Closed).in_phase(Phase::Receive))
    );
    assert_eq!(host.written("db:1"), b"ping");
}

#[test]
#[should_panic(expected = "the peer expected `ping`, the probe wrote `pong`")]
fn a_peer_that_expects_something_else_fails_the_test() {
    let host = FakeHost::new().tcp("db:1", Script::new().expect("ping"));
    connect(&host).write(b"pong").unwrap();
}

#[test]
fn a_delimiter_is_looked_for_within_the_limit() {
    let host = FakeHost::new().tcp("db:1", Script::new().send("abc").send("d\r\nrest"));
    let connection = connect(&host);
    let refused = connection.read_until(b"\n", 3).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Protocol);
    assert_eq!(connection.read_until(b"\r\n", 6).unwrap(), b"abcd\r\n");
    assert_eq!(
        connection.read_until(b"\n", 6),
        Err(NetError::from(ErrorCode::Closed).in_phase(Phase::Receive))
    );
}

#[test]
fn time_passes_as_the_script_says() {
    let host = FakeHost::new().tcp("db:1", Script::new().wait(Duration::from_secs(3)).send("late"));
    let connection = connect(&host);
    host.enter(|| {
        let stopwatch = Stopwatch::start();
        connection.read(9).unwrap();
        assert_eq!(stopwatch.elapsed(), Duration::from_secs(3));
    });
}

#[test]
fn the_next_connection_gets_the_next_script_and_the_last_one_stays() {
    let host = FakeHost::new()
        .tcp("db:1", Script::new().send("1"))
        .tcp("db:1", Script::new().send("2"));
    let read = || connect(&host).read(9).unwrap();
    assert_eq!([read(), read(), read()], [b"1", b"2", b"2"]);
}

#[test]
fn a_forgotten_connection_stays_open_and_counts() {
    let host = FakeHost::new().tcp("db:1", Script::new()).max_sockets(1);
    std::mem::forget(connect(&host));
    let refused = host.enter(|| tcp::connect(&"db:1".parse().unwrap()).unwrap_err());
    assert_eq!(refused, NetError::quota("sockets", 1));
    assert_eq!(host.open_connections(), 1);
}

#[test]
fn an_untrusted_session_is_shown_unless_it_must_be_valid() {
    let untrusted = tls::Session {
        reasons: vec![tls::Reason::new("expired", "expired")],
        ..session([certificate("db")])
    };
    let host = FakeHost::new().tcp("db:1", Script::new().tls(untrusted.clone()));
    let shown = connect(&host).start_tls(&tls::Options::new().require_valid(false));
    assert_eq!(shown.unwrap(), untrusted);
    let refused = connect(&host).start_tls(&tls::Options::new());
    assert_eq!(
        refused.unwrap_err(),
        NetError::new(ErrorCode::Tls, "TLS: expired")
    );
}

#[test]
fn a_responder_answers_requests_and_the_body_is_cut() {
    let host = FakeHost::new().http(|request| {
        Ok(http::Response {
            body: request.url.clone().into_bytes(),
            ..response(200)
        })
    });
    let response = host.enter(|| http::Request::get("http://db/").max_body(4).send().unwrap());
    assert_eq!(
        (response.text().as_ref(), response.truncated, response.body_length),
        ("http", true, 10)
    );
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn names_that_were_not_scripted_do_not_exist() {
    let host = FakeHost::new().dns("db", "A", Ok(reply("db", "A", ["192.0.2.1"])));
    host.enter(|| {
        assert_eq!(dns::query("db", "A", None).unwrap().answers[0].data, "192.0.2.1");
        assert_eq!(dns::query("db", "AAAA", None).unwrap().code, "NXDOMAIN");
    });
}

#[test]
fn plain_text_that_nobody_read_is_refused_when_tls_begins() {
    let script = Script::new()
        .send("220 go ahead\r\n250 more\r\n")
        .tls(session([certificate("db")]));
    let host = FakeHost::new().tcp("db:1", script);
    let connection = connect(&host);
    let error = host.enter(|| {
        connection.read_line(64).unwrap();
        connection.start_tls(&tls::Options::new()).unwrap_err()
    });
    assert_eq!(
        (error.code, error.phase),
        (ErrorCode::Protocol, Some(Phase::Handshake))
    );
}

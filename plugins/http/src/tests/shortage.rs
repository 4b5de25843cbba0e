//! A response that exceeds a run's limits is not a failure of the target: a check whose target must fail would pass.

use std::io::Write;

use canary_sdk::Quotas;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn answer(content_type: &str, body: Vec<u8>) -> Response {
    Response {
        headers: vec![("content-type".to_owned(), content_type.as_bytes().to_vec())],
        body_length: u64::try_from(body.len()).unwrap(),
        body,
        ..fake::response(200)
    }
}

fn gzip(text: &[u8], level: Compression) -> Response {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(text).unwrap();
    let mut answer = answer("text/plain", encoder.finish().unwrap());
    let header = ("content-encoding".to_owned(), b"gzip".to_vec());
    answer.headers.push(header);
    answer
}

/// Configurations, and responses that meet them.
fn met() -> Vec<(Value, Response)> {
    let page = || answer("text/html; charset=iso-8859-1", vec![b'\xe9'; 900_000]);
    let list = || {
        answer(
            "application/json",
            format!("[{}0]", "0,".repeat(100_000)).into_bytes(),
        )
    };
    let texts = || {
        let text = "\\u00e9".repeat(140_000);
        answer("application/json", format!("{{\"a\":[\"{text}\"]}}").into_bytes())
    };
    let body = |rules: Value| json!({ "expect": { "body": rules } });
    let at = |path: &str, rules: Value| json!({ "expect": { "json": { path: rules } } });
    vec![
        (
            json!({ "accept_encoding": "gzip", "expect": { "body": { "contains": "x" } } }),
            gzip(&[b'x'; 900_000], Compression::none()),
        ),
        (body(json!({ "contains": "éé" })), page()),
        (body(json!({ "matches": "é$" })), page()),
        (body(json!({ "length": 900_000 })), page()),
        (body(json!({ "empty": false })), page()),
        (body(json!("é".repeat(900_000))), page()),
        (body(json!({ "one_of": ["e", "é".repeat(900_000)] })), page()),
        (at("$[0]", json!(0)), list()),
        (at("$[::-1]", json!(0)), list()),
        (at("$", json!({ "contains": "0,0" })), list()),
        (at("$.a[0]", json!({ "length": 140_000 })), texts()),
        (at("$.a", json!({ "matches": "é" })), texts()),
    ]
}

/// Verdicts with increasing quotas, up to the first that suffice.
fn sweep(config: &Value, answer: &Response, quotas: impl Iterator<Item = Quotas>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for quotas in quotas {
        let answer = answer.clone();
        let host = FakeHost::new()
            .quotas(|own| *own = quotas)
            .http(move |_| Ok(answer.clone()));
        let verdict = host.run::<Http>(URL, config).unwrap();
        let is_enough = verdict.status() == Status::Pass;
        verdicts.push(verdict);
        if is_enough {
            break;
        }
    }
    verdicts
}

fn is_never_the_targets_fault(quota: &str, quotas: impl Fn() -> Vec<Quotas>) {
    for (config, answer) in met() {
        let mut verdicts = sweep(&config, &answer, quotas().into_iter());
        let config: String = config.to_string().chars().take(100).collect();
        let last = verdicts.pop().unwrap();
        assert_eq!(last.status(), Status::Pass, "{config}: {}", last.summary());
        assert!(!verdicts.is_empty(), "{config}");
        for verdict in verdicts {
            let summary = verdict.summary();
            assert!(verdict.is_unknown(), "{config}: {summary}");
            assert!(summary.contains(quota), "{config}: {summary}");
        }
    }
}

#[test]
fn too_little_memory_is_never_the_targets_fault() {
    is_never_the_targets_fault("raise the quota `memory`", || {
        let steps = (4 << 20..32 << 20).step_by(200_000);
        let quotas = steps.map(|memory| {
            let mut quotas = Quotas::default();
            quotas.memory = memory;
            quotas
        });
        quotas.collect()
    });
}

#[test]
fn too_little_computing_is_never_the_targets_fault() {
    is_never_the_targets_fault("raise the quota `cpu`", || {
        let steps = std::iter::successors(Some(1_000_000), |nanoseconds| Some(nanoseconds * 5 / 4));
        let quotas = steps.take(32).map(|nanoseconds| {
            let mut quotas = Quotas::default();
            quotas.cpu = Duration::from_nanos(nanoseconds);
            quotas
        });
        quotas.collect()
    });
}

#[test]
fn a_body_that_there_is_no_room_to_decode_is_not_an_empty_one() {
    let page = answer("text/html; charset=iso-8859-1", vec![b'\xe9'; 1 << 20]);
    let host = FakeHost::new()
        .quotas(|quotas| quotas.memory = 5 << 20)
        .http(move |_| Ok(page.clone()));
    let verdict = host
        .run::<Http>(URL, json!({ "expect": { "body": { "empty": true } } }))
        .unwrap();
    assert!(verdict.is_unknown(), "{}", verdict.summary());
}

#[test]
fn what_is_not_decompressed_to_its_end_is_not_within_its_size() {
    let evaluate = |length: usize, most: &str| {
        let answer = gzip(&vec![b'x'; length], Compression::fast());
        let host = FakeHost::new().http(move |_| Ok(answer.clone()));
        let config = json!({ "accept_encoding": "gzip", "expect": { "body": { "max_size": most } } });
        let verdict = host.run::<Http>(URL, config).unwrap();
        let size = verdict.assertion("body max_size").unwrap();
        (size.status, size.is_unknown, size.message.clone())
    };
    let (two, more) = (2 << 20, (2 << 20) + 1);
    assert_eq!(evaluate(two, "2MiB"), (Status::Pass, false, "2.0 MiB".to_owned()));
    assert_eq!(
        evaluate(more, "2MiB"),
        (Status::Fail, false, "it is more than 2.0 MiB".to_owned())
    );
    let unknown = "it is more than 8.0 MiB, the most that is decompressed".to_owned();
    assert_eq!(evaluate(9 << 20, "12MiB"), (Status::Fail, true, unknown));
}

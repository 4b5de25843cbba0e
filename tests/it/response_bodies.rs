//! Bodies that are crafted to exhaust the resources of a check: the result is a verdict within the default quotas.

use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::Peer;
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::compressed::gzip;
use serde_json::{Value, json};

/// Size of the stored body without `max_size`.
const KEPT: usize = 1 << 20;
/// Maximum size of the stored body with `max_size`.
const MOST: usize = (8 << 20) - 1;

fn page(headers: &str, body: Vec<u8>) -> Peer {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{headers}\r\n");
    let bytes = [head.into_bytes(), body].concat();
    canned(move |_| bytes.clone(), Then::Closes)
}

async fn check(harness: &Harness, peer: &Peer, config: Value) -> AttemptResult {
    check_within(harness, peer, config, 2_000).await
}

/// Like [`check`], with this quota `cpu` in milliseconds.
async fn check_within(harness: &Harness, peer: &Peer, config: Value, cpu: u64) -> AttemptResult {
    let mut attempt = harness.plugin("http").against(peer).timeout(ms(60_000));
    // The memory is the default.
    attempt = attempt.quota(|quota| (quota.cpu, quota.bytes_in) = (ms(cpu), 64 << 20));
    for (key, value) in config.as_object().into_iter().flatten() {
        attempt = attempt.set(key, value.clone());
    }
    attempt.run().await
}

#[track_caller]
fn assert_verdict(ran: &AttemptResult, what: &str) {
    let ended = ran.leaves_nothing().ended();
    assert!(
        ["pass", "fail", "warn"].contains(&&*ended),
        "{what}: {:?}",
        ran.outcome
    );
}

fn repeated(pieces: &[&[u8]], length: usize) -> Vec<u8> {
    // Deterministic, and without a period that a search could exploit.
    let mut state = 1_u64;
    let mut body = Vec::with_capacity(length);
    while body.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let place = usize::try_from(state >> 33).unwrap_or_default() % pieces.len();
        body.extend_from_slice(pieces.get(place).copied().unwrap_or_default());
    }
    body.truncate(length);
    body
}

fn list(piece: &str, length: usize) -> Vec<u8> {
    let values = piece.repeat((length - 3) / piece.len());
    format!("[{values}0]").into_bytes()
}

/// Name, headers and body.
type Page = (&'static str, &'static str, Vec<u8>);

fn texts(length: usize) -> [Page; 8] {
    [
        ("one letter", "", vec![b'a'; length]),
        ("zeros", "", vec![0; length]),
        ("two letters", "", repeated(&[b"a", b"b"], length)),
        (
            "many beginnings",
            "",
            repeated(&[b"error", b"e", b"x", b"er"], length),
        ),
        (
            "characters",
            "",
            repeated(&["é".as_bytes(), "€".as_bytes(), b"a"], length),
        ),
        (
            "no characters",
            "content-type: text/html; charset=utf-8\r\n",
            vec![0x80; length],
        ),
        (
            "latin1",
            "content-type: text/html\r\n",
            repeated(&[b"\x80", b"a"], length),
        ),
        (
            "UTF-16",
            "content-type: text/html; charset=utf-16le\r\n",
            vec![0xd8; length],
        ),
    ]
}

#[test]
fn no_text_makes_a_check_use_up_its_memory_or_time() {
    let rules = [
        json!({ "not_contains": ["a".repeat(2_000) + "b", "a".repeat(1_000) + "c"] }),
        json!({ "matches": ["[ab]{50,100}c", "(a+)+b", "a.*a.*a.*b"], "not_matches": "\\w+b" }),
        json!({ "matches": ["error.{0,200}failed", "(a|b)*a(a|b){12}c"], "not_matches": "\\bé\\b" }),
        json!({ "equals": "a", "length": { ">": 1 }, "not_equals": "b", "<": 5 }),
    ];
    alone(async {
        let harness = Harness::new().await;
        for length in [KEPT, MOST] {
            for (name, headers, body) in texts(length) {
                let peer = page(headers, body);
                for rules in &rules {
                    let mut rules = rules.clone();
                    rules["max_size"] = MOST.into();
                    let ran = check(&harness, &peer, json!({ "expect": { "body": rules } })).await;
                    assert_verdict(&ran, &format!("{length} bytes of {name} {rules}"));
                }
            }
        }
    });
}

#[test]
fn no_json_makes_a_check_use_up_its_memory_or_time() {
    let documents = |length: usize| {
        [
            ("many objects", list("{\"a\":[]},", length)),
            ("many lists", list("[],", length)),
            ("many numbers", list("0,", length)),
            ("long numbers", list("1.23456789012345678,", length)),
            (
                "one text",
                list(&format!("\"{}\",", "x".repeat(length - 6)), length),
            ),
            ("deep lists", "[".repeat(length).into_bytes()),
            (
                "deep objects",
                list(&format!("{}0{},", "{\"a\":".repeat(100), "}".repeat(100)), length),
            ),
            (
                "UTF-16",
                list("\"é\",", length / 3)
                    .iter()
                    .flat_map(|byte| [*byte, 0])
                    .collect(),
            ),
        ]
    };
    let rules = [
        json!({ "$[0]": { "exists": true }, "$..a": { "exists": true } }),
        json!({ "$..*..*": { "exists": true }, "$[?$..a]": { "exists": true } }),
        json!({ "$..*": { "matches": "^b" }, "$": { "matches": "zz$", "not_contains": "y" } }),
        json!({ "$": { "length": { ">": 1 } }, "$[0]": "x", "$[*]": { "not_equals": "y", "one_of": ["x"] } }),
    ];
    alone(async {
        let harness = Harness::new().await;
        for length in [KEPT, MOST] {
            for (name, body) in documents(length) {
                let peer = page("", body);
                for rules in &rules {
                    let expect = json!({ "json": rules, "body": { "max_size": MOST } });
                    let ran = check(&harness, &peer, json!({ "expect": expect })).await;
                    assert_verdict(&ran, &format!("{length} bytes of {name} {rules}"));
                }
            }
        }
    });
}

fn every(paths: &[&str], rules: &Value) -> Value {
    let paths = paths.iter().map(|path| ((*path).to_owned(), rules.clone()));
    json!({ "json": Value::Object(paths.collect()) })
}

/// Rules that each look at every value of a body.
fn rules_for_many_numbers() -> Vec<(&'static str, Vec<u8>, Value)> {
    let zeros = || list("0,", KEPT - 10);
    let deep = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    let limits = json!({ ">=": 0, "<": 100, "not_equals": 7 });
    let all = json!({ ">=": 0, "<": 5, "one_of": [1, 2, 0], "not_equals": 7, "not_contains": ["x", "y"],
        "not_matches": ["z+", "^q"] });
    let again = format!("$[{}]", ["*"; 100].join(","));
    let exists = json!({ "exists": true });
    vec![
        ("limits", zeros(), every(&["$[*]"], &limits)),
        (
            "one of few",
            zeros(),
            every(&["$[*]"], &json!({ "one_of": [1, 2, 3, 0] })),
        ),
        ("two paths", zeros(), every(&["$[*]", "$..*"], &limits)),
        ("every rule", zeros(), every(&["$[*]"], &all)),
        (
            "four paths",
            zeros(),
            every(&["$[*]", "$[::-1]", "$[0:]", "$[?@==0]"], &json!(0)),
        ),
        ("one path again", zeros(), every(&[&again], &json!(0))),
        ("descents", deep(1_000), every(&["$..*..*..*"], &exists)),
        ("selectors", deep(900), every(&["$..[*]..[*]..[*]"], &exists)),
    ]
}

/// Rules that look at names and texts again and again.
fn rules_for_many_texts() -> Vec<(&'static str, Vec<u8>, Value)> {
    let numbers = (0..3_000).map(|number| number.to_string());
    let names: Vec<_> = numbers.chain(["a".to_owned()]).collect();
    let beginnings: Vec<_> = (500..700).map(|length| "a".repeat(length) + "b").collect();
    let objects = || list("{\"a\":1,\"b\":[\"x\"]},", 720_000);
    let keys: Vec<_> = (0..60_000)
        .map(|number| format!("\"\\u0061{number}\":0"))
        .collect();
    let keys = || format!("{{{}}}", keys.join(",")).into_bytes();
    let filters = ["$[?@.b[?@ == 'y']]", "$[?count($[?@.a]) == 0]"];
    let texts = json!({ "not_matches": "[0-9]{4}", "not_contains": ["yy", "zz"] });
    let first = json!({ "equals": { "b": ["x"], "a": 1 } });
    let optional = json!({ "optional": true, "equals": 0 });
    vec![
        (
            "one of many",
            list("\"a\",", 480_000),
            every(&["$[*]"], &json!({ "one_of": names })),
        ),
        ("filters", objects(), every(&filters, &json!({ "exists": false }))),
        ("objects", objects(), every(&["$[?@ == $[0]]"], &first)),
        ("texts of lists", objects(), every(&["$..*"], &texts)),
        ("long keys", keys(), every(&["$.a", "$['a59999']"], &optional)),
        (
            "keys of itself",
            keys(),
            every(&["$[?$ == $]", "$[?$ != $]"], &json!({ "exists": true })),
        ),
        (
            "long beginnings",
            vec![b'a'; 1_000_000],
            json!({ "body": { "not_contains": beginnings } }),
        ),
    ]
}

#[test]
fn no_rules_for_many_values_make_a_check_use_up_its_memory_or_time() {
    alone(async {
        let harness = Harness::new().await;
        for (name, body, expect) in rules_for_many_numbers().into_iter().chain(rules_for_many_texts()) {
            let peer = page("", body);
            // Twice the default.
            let ran = check_within(&harness, &peer, json!({ "expect": expect }), 2_000).await;
            assert_verdict(&ran, name);
        }
    });
}

/// A deterministic choice of elements.
struct Choice(usize);

impl Choice {
    #[expect(clippy::indexing_slicing, reason = "it is within the bounds")]
    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        self.0 = self.0.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
        &all[(self.0 >> 8) % all.len()]
    }
}

/// Paths and rules for what they lead to.
fn rules_by_chance(choice: &mut Choice) -> Value {
    let paths = [
        "$[*]",
        "$..*",
        "$",
        "$[::-1]",
        "$[?@ > 0]",
        "$[*,*,*]",
        "$..[*]..[*]",
        "$[?@ == $[7]]",
        "$[?count(@.*) == 1]",
        "$[?$[?@ == 1]]",
        "$..a",
        "$[-1]",
    ];
    let rules = [
        ("equals", json!([[[[1]]]])),
        ("not_equals", json!("b")),
        ("one_of", (0..2_000).collect()),
        ("contains", json!("a")),
        ("not_contains", json!(["zz", "é", "[[[[2"])),
        ("matches", json!(["(a|b)*a(a|b){12}c|.", "\\w|."])),
        ("not_matches", json!(["\\bé\\b", "x{20,60}", "\\w{20}z"])),
        (">=", json!(-1)),
        ("<", json!(1e300)),
        ("length", json!({ ">=": 0 })),
        ("optional", json!(true)),
    ];
    let mut json = serde_json::Map::new();
    for _ in 0..*choice.pick(&[1, 2, 4]) {
        let chosen = (0..4).map(|_| choice.pick(&rules).clone());
        let rules = chosen.map(|(key, value)| (key.to_owned(), value)).collect();
        json.insert((*choice.pick(&paths)).to_owned(), Value::Object(rules));
    }
    json!({ "json": json, "body": { "max_size": MOST } })
}

#[test]
fn no_rules_put_together_by_chance_make_a_check_use_up_its_memory_or_time() {
    let values = [
        "0,",
        "1e2,",
        "\"a\",",
        "\"\\u0061\",",
        "[],",
        "{\"a\":[0]},",
        "[[[[1]]]],",
        "-0.5e-3,",
    ];
    alone(async {
        let harness = Harness::new().await;
        let mut choice = Choice(1);
        for _ in 0..24 {
            let piece = *choice.pick(&values);
            let body = list(piece, *choice.pick(&[20_000, KEPT - 10, MOST - 10]));
            let expect = rules_by_chance(&mut choice);
            let what = format!("{} bytes and {expect}", body.len());
            let peer = page("", body);
            let ran = check_within(&harness, &peer, json!({ "expect": expect }), 2_000).await;
            assert_verdict(&ran, &what);
        }
    });
}

#[test]
fn no_compressed_body_makes_a_check_use_up_its_memory_or_time() {
    // Repeated empty stored blocks of DEFLATE: a long input without output.
    let empty = b"\x00\x00\x00\xff\xff".repeat(8 << 20);
    let nothing = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".as_slice(), &empty].concat();
    let wide = b"\x28\xb5\x2f\xfd\x00\xb0\x0a\x00\x10\x61".to_vec();
    let bodies = [
        ("a bomb", "gzip", gzip(&vec![0; 64 << 20])),
        ("a bomb in a bomb", "gzip, gzip", gzip(&gzip(&vec![0; 64 << 20]))),
        ("nothing from a bomb", "gzip, gzip", gzip(&nothing)),
        ("a window of 4 GiB", "zstd", wide),
        ("a window of 16 MiB", "br", b"\x0f\x0b\x00\x80a\x03".to_vec()),
    ];
    alone(async {
        let harness = Harness::new().await;
        for (name, encoding, body) in bodies {
            let peer = page(&format!("content-encoding: {encoding}\r\n"), body);
            for max_size in [KEPT, MOST] {
                let config = json!({
                    "accept_encoding": ["gzip", "br", "zstd"],
                    "expect": { "body": { "max_size": max_size, "not_contains": "b" } },
                });
                let ran = check(&harness, &peer, config).await;
                assert_verdict(&ran, &format!("{name}, {max_size} bytes kept"));
            }
        }
    });
}

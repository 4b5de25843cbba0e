//! The cost of responses: for every response, from any number of addresses, a check reaches a verdict within its
//! quotas.

use std::net::{IpAddr, Ipv4Addr};

use canary::quota::Quota;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::Peer;
use canary_tests::peer::canned::{Then, canned_on};
use canary_tests::peer::compressed::{deflate, gzip, in_small_blocks};
use canary_tests::peer::dns::{NameServer, Zone};
use serde_json::{Value, json};

/// Numbers of addresses of one name: `of1.test`, `of2.test` and so on.
const ADDRESSES: [u8; 4] = [1, 2, 4, 16];
/// Maximum size of a body.
const MOST: usize = (8 << 20) - 1;

fn names() -> NameServer {
    let named = |zone: Zone, count: u8| {
        let addresses = (1..=count).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
        addresses.fold(zone, |zone, address| {
            zone.address(&format!("of{count}.test"), address)
        })
    };
    ADDRESSES.into_iter().fold(Zone::new(), named).start()
}

/// A body with its content type and encoding.
#[derive(Clone)]
struct Page {
    name: String,
    headers: String,
    body: Vec<u8>,
}

impl Page {
    /// Encodes a text in a charset and compresses it.
    fn new(name: &str, text: &str, charset: &str, encoding: &str) -> Option<Self> {
        let bytes = match charset {
            "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "iso-8859-1" => text
                .chars()
                .map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?'))
                .collect(),
            _ => text.as_bytes().to_vec(),
        };
        if bytes.len() > MOST {
            return None;
        }
        let body = match encoding {
            "gzip" => gzip(&bytes),
            "deflate" => deflate(&bytes),
            "gzip, gzip" => gzip(&gzip(&bytes)),
            _ => bytes,
        };
        Some(Self {
            name: format!("{name} as {charset}, {encoding}"),
            headers: format!(
                "content-type: text/plain; charset={charset}\r\ncontent-encoding: {encoding}\r\n"
            ),
            body,
        })
    }

    /// Starts a peer at every loopback address.
    fn start(self) -> Peer {
        let length = self.body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{}\r\n",
            self.headers
        );
        let bytes = [head.into_bytes(), self.body].concat();
        canned_on(Ipv4Addr::UNSPECIFIED, move |_| bytes.clone(), Then::Closes)
    }
}

async fn check(
    harness: &Harness,
    peer: &Peer,
    addresses: u8,
    expect: &Value,
    quota: fn(&mut Quota),
) -> AttemptResult {
    let url = format!("http://of{addresses}.test:{}/", peer.address().port());
    let attempt = harness.plugin("http").target(&url).timeout(ms(60_000));
    let attempt = attempt.quota(|quota| {
        quota.bytes_in = 256 << 20;
        // Twice the default, since this is a debug build.
        quota.cpu = ms(2_000);
    });
    attempt
        .quota(quota)
        .set("addresses", "all")
        .set("accept_encoding", json!(["gzip", "deflate", "zstd"]))
        .set("expect", expect.clone())
        .run()
        .await
}

#[track_caller]
fn assert_verdict(ran: &AttemptResult, what: &str) {
    let ended = ran.leaves_nothing().ended();
    assert!(
        ["pass", "fail", "warn"].contains(&&*ended),
        "{what}: {ended}, {:?}",
        ran.usage
    );
}

fn list(value: &str, count: usize) -> String {
    format!("[{}{value}]", format!("{value},").repeat(count - 1))
}

/// Texts that are expensive to process.
fn texts() -> Vec<(&'static str, String)> {
    vec![
        ("zeros", list("0", 500_000)),
        ("more zeros", list("0", 900_000)),
        ("as many zeros as can be", list("0", 1_500_000)),
        ("triples", list("[0,0,1]", 200_000)),
        (
            "objects",
            list(r#"{"id":1,"name":"service","healthy":true}"#, 50_000),
        ),
        (
            "keys",
            format!(
                "{{{}\"\\u0061\":0}}",
                (0..150_000)
                    .map(|key| format!("\"{key}\":0,"))
                    .collect::<String>()
            ),
        ),
        (
            "a text with escapes",
            format!("[0,\"\\u0061{}\"]", "x".repeat(3 << 20)),
        ),
        (
            "a key with escapes",
            format!("{{\"a\\u0062{}\":0,\"b\":1}}", "x".repeat(3 << 20)),
        ),
        (
            "a long number",
            format!(
                "{{\"max\":{},\"items\":{}}}",
                "9".repeat(300_000),
                list("0", 300_000)
            ),
        ),
        (
            "a small number",
            format!(
                "{{\"max\":0.{}1,\"items\":{}}}",
                "0".repeat(30_000),
                list("7", 300_000)
            ),
        ),
        (
            "long numbers",
            format!("{{\"max\":1,\"items\":{}}}", list(&"9".repeat(3_000), 900)),
        ),
        (
            "a long text",
            format!(
                "{{\"max\":\"{}\",\"items\":{}}}",
                "lorem ".repeat(20_000),
                list("\"a\"", 200_000)
            ),
        ),
        ("texts", list(&format!("\"{}\"", "a".repeat(1_000)), 1_000)),
        (
            "words",
            "<p>Die Lösung für größere Übungen: 12,50 ist der Preis.</p>\n".repeat(60_000),
        ),
    ]
}

fn rules() -> Vec<Value> {
    let body = |more: Value| {
        let mut body = more.as_object().cloned().unwrap_or_default();
        body.insert("max_size".to_owned(), MOST.into());
        Value::from(body)
    };
    vec![
        json!({ "body": body(json!({})), "json": { "$[0]": 0 } }),
        json!({ "body": body(json!({ "not_contains": "x!" })), "json": { "$[*]": { ">=": 0 }, "$[::-1]": { "exists": true } } }),
        json!({ "body": body(json!({})), "json": { "$.items[?@>$.max]": { "exists": false }, "$[?@==$[0]]": { "exists": true } } }),
        json!({ "body": body(json!({})), "json": { "$[?$==$]": { "exists": true } } }),
        json!({ "body": body(json!({ "contains": "Preis", "not_contains": ["Error", "Exception"],
            "not_matches": ["\\bpanic\\b", "(?i)\\berror\\b", "\\w+@\\w+", "[0-9]{9}"] })) }),
        json!({ "body": body(json!({ "not_matches": ["(a|b)*a(a|b){12}c", "é.{0,200}failed"] })),
            "json": { "$": { "contains": "x!" }, "$..*": { "not_matches": "\\bé\\b" } } }),
    ]
}

/// Every text in several charsets and compressed in several ways, with rules, quotas and numbers of addresses in turn.
#[test]
fn no_answers_end_a_run_before_its_verdict() {
    alone(async {
        let server = names();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let quotas: [fn(&mut Quota); 4] = [
            |_| {},
            |quota| quota.memory = 16 << 20,
            |quota| quota.memory = 64 << 20,
            |quota| quota.memory = 6 << 20,
        ];
        let (rules, mut turn) = (rules(), 0);
        for (name, text) in texts() {
            for (charset, encoding) in [
                ("utf-8", "identity"),
                ("utf-8", "gzip"),
                ("utf-16le", "gzip, gzip"),
                ("iso-8859-1", "deflate"),
            ] {
                let Some(page) = Page::new(name, &text, charset, encoding) else {
                    continue;
                };
                let what = page.name.clone();
                let peer = page.start();
                for _ in 0..2 {
                    let addresses = ADDRESSES[turn / 2 % ADDRESSES.len()];
                    let quota = quotas[turn / 3 % quotas.len()];
                    let rules = &rules[turn % rules.len()];
                    let ran = check(&harness, &peer, addresses, rules, quota).await;
                    assert_verdict(&ran, &format!("{what} from {addresses} addresses: {rules}"));
                    turn += 1;
                }
            }
        }
    });
}

/// The same verdicts hold for several addresses, within the quotas.
#[test]
fn sound_answers_pass_at_several_addresses_and_in_every_encoding() {
    let records = list(
        r#"{"id":1234,"name":"service-12","healthy":true,"latency_ms":17,"region":"eu","tags":["a","b"]}"#,
        50_000,
    );
    let page = "<p class=\"x\">Lorem ipsum dolor sit amet é ü 2026</p>\n".repeat(120_000);
    let cases = [
        ("zeros", list("0", 700_000), json!({ "json": { "$[0]": 0 } }), 1),
        ("zeros", list("0", 500_000), json!({ "json": { "$[0]": 0 } }), 4),
        (
            "triples",
            list("[0,0,1]", 200_000),
            json!({ "json": { "$[0]": { "length": 3 } } }),
            1,
        ),
        (
            "triples",
            list("[0,0,1]", 130_000),
            json!({ "json": { "$[0]": { "length": 3 } } }),
            4,
        ),
        ("records", records, json!({ "json": { "$[0].healthy": true } }), 2),
        (
            "a page",
            page,
            json!({ "body": { "contains": "Lorem", "not_contains": ["Error", "Exception"],
                "not_matches": ["(?i)internal server error", "\\bpanic\\b"] } }),
            4,
        ),
    ];
    alone(async {
        let server = names();
        let harness = Harness::settings().name_server(server.address()).start().await;
        for (name, text, mut rules, addresses) in cases {
            rules["body"]["max_size"] = MOST.into();
            for encoding in ["identity", "gzip"] {
                let page = Page::new(name, &text, "utf-8", encoding).expect("a text that fits");
                let what = page.name.clone();
                let ran = check(&harness, &page.start(), addresses, &rules, |quota| {
                    quota.cpu = ms(6_000)
                })
                .await;
                assert_eq!(
                    ran.leaves_nothing().ended(),
                    "pass",
                    "{what}: {:?} {:?}",
                    ran.outcome,
                    ran.usage
                );
            }
        }
    });
}

/// Compressed bodies that make decoders build tables or allocate much for hardly any text.
fn costly_blocks() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    // Four empty deflate blocks with fixed codes.
    let empty = [0x02, 0x08, 0x20, 0x80, 0x00].repeat(MOST / 5 - 1);
    let flushed = in_small_blocks(&vec![b'x'; 400_000]);
    // A window of 2 MiB, a block of text, and then one that repeats it.
    let frame = b"\x28\xb5\x2f\xfd\x00\x58\x74\x00\x00\x40abcdefgh\x01\x00\xdd\x59\xb8";
    let repeated = b"\x3c\x00\x00\x08a\x01\x00\x94\x80\x10".repeat(MOST / 10 - 5);
    // 1 MiB of one byte, in a block of six.
    let announced = b"\x34\x00\x00\xfd\xff\xffx\x00\x00".repeat(100);
    let head = &frame[..6];
    vec![
        ("deflate", "empty blocks", [&empty[..], &[0x03, 0x00]].concat()),
        ("deflate", "a block for each byte", flushed),
        (
            "zstd",
            "small blocks",
            [&frame[..], &repeated, &[1, 0, 0]].concat(),
        ),
        (
            "zstd",
            "blocks that announce a megabyte",
            [head, &announced].concat(),
        ),
    ]
}

#[test]
fn no_blocks_of_compressed_data_end_a_run_before_its_verdict() {
    alone(async {
        let server = names();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let expect = json!({ "body": { "max_size": MOST, "not_contains": "Error" } });
        for (encoding, name, body) in costly_blocks() {
            let page = Page {
                name: format!("{name} of {encoding}"),
                headers: format!("content-encoding: {encoding}\r\n"),
                body,
            };
            let what = page.name.clone();
            let peer = page.start();
            for addresses in [1, 4] {
                let ran = check(&harness, &peer, addresses, &expect, |_| {}).await;
                assert_verdict(&ran, &format!("{what} from {addresses} addresses"));
            }
        }
    });
}

/// A line that is captured several times and sent back many times.
#[test]
fn no_line_ends_a_conversation_before_its_verdict() {
    alone(async {
        let harness = Harness::new().await;
        let line = [b"x".repeat(MOST - 100), b"\n".to_vec()].concat();
        for length in [MOST, 4 << 20, 1 << 20] {
            let line = line[line.len() - length.min(line.len())..].to_vec();
            let peer = canned_on(Ipv4Addr::LOCALHOST, move |_| line.clone(), Then::Closes);
            let expect = json!({ "matches": "^(?<a>(?<b>(?<c>(?<d>.+))))$", "max_bytes": MOST });
            let dialogue =
                json!([{ "send": "hello\r\n\r\n" }, { "expect": expect }, { "send": "${a}${b}".repeat(50) }]);
            let attempt = harness.plugin("tcp").against(&peer).set("dialogue", dialogue);
            let attempt = attempt.timeout(ms(60_000)).quota(|quota| quota.cpu = ms(2_000));
            assert_verdict(&attempt.run().await, &format!("a line of {length} bytes"));
        }
    });
}

/// The host takes apart what comes, so that bytes are the dearer the smaller the pieces are.
#[test]
fn no_answer_in_tiny_pieces_ends_a_check_before_its_verdict() {
    alone(async {
        let harness = Harness::new().await;
        for (name, head, piece) in [
            ("chunks", "transfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
            (
                "chunks of white space",
                "transfer-encoding: chunked\r\n\r\n",
                "1 \r\n\n\r\n",
            ),
            (
                "compressed chunks",
                "content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
                "1\r\nx\r\n",
            ),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{head}{}", piece.repeat(1 << 20));
            let peer = canned_on(
                Ipv4Addr::LOCALHOST,
                move |_| answer.clone().into_bytes(),
                Then::Closes,
            );
            for body in [json!({}), json!({ "contains": "y" })] {
                let trial = harness
                    .plugin("http")
                    .against(&peer)
                    .set("expect", json!({ "body": body }));
                let ran = trial
                    .timeout(ms(60_000))
                    .quota(|quota| quota.cpu = ms(200))
                    .run()
                    .await;
                assert_eq!(
                    ran.leaves_nothing().ended(),
                    "fail",
                    "{name}, {body}: {:?}",
                    ran.outcome
                );
                assert!(
                    ran.outcome.summary().contains("raise the quota `cpu`"),
                    "{:?}",
                    ran.outcome
                );
            }
        }
    });
}

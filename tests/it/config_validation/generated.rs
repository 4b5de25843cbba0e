//! Random valid and invalid configurations.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is drawn is within the bounds"
)]

use canary_tests::certificate::Authority;
use serde_json::{Map, Value, json};

/// A deterministic random choice (SplitMix64).
pub(super) struct Choice(pub(super) u64);

impl Choice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// True in three of four cases.
    pub(super) fn is_likely(&mut self) -> bool {
        self.below(4) > 0
    }

    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A random subset of the keys, each with one of its values.
    pub(super) fn object(&mut self, keys: &[(&str, Vec<Value>)], most: usize) -> Value {
        let mut object = Map::new();
        for _ in 0..self.below(most + 1) {
            let (key, values) = self.pick(keys);
            object.insert((*key).to_owned(), self.pick(values).clone());
        }
        object.into()
    }
}

fn texts(all: &[&str]) -> Vec<Value> {
    all.iter().map(|text| json!(text)).collect()
}

fn patterns() -> Vec<Value> {
    let mut all = texts(&[
        "ok",
        "^[a-z]+$",
        "(?i)HELLO|x{2,9}",
        "\\d+",
        "(",
        "\\pL",
        "\\pY",
        "\\w{1,100}",
        "(?<a>.)",
        "ü",
        "[^a]",
    ]);
    all.push(json!(["a", "b+"]));
    all.push(json!(["a", "["]));
    all
}

fn limits(shorter: &str, longer: &str) -> Vec<Value> {
    let times = ["0s", "1s", "2s", "1w"];
    let pair = |(a, b): (&str, &str)| json!({ shorter: a, longer: b });
    let pairs = times.into_iter().flat_map(|a| times.map(|b| (a, b)));
    pairs
        .map(pair)
        .chain([json!({}), json!({ longer: "1s" })])
        .collect()
}

fn versions() -> Vec<Value> {
    texts(&["1.2", "1.3"])
}

/// TLS options with a valid client certificate.
fn tls(authority: &Authority) -> Vec<(&'static str, Vec<Value>)> {
    let pem = authority.pem();
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    vec![
        ("ca", texts(&[&pem, "no pem", "", empty])),
        ("client_cert", texts(&[&pem, "no pem", empty])),
        (
            "client_key",
            texts(&[
                "no pem",
                "",
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            ]),
        ),
        (
            "server_name",
            texts(&[
                "a.test",
                "127.0.0.1",
                "::1",
                "",
                "a b",
                "a:1",
                "bücher.test",
                "my_app",
                "*.a.test",
            ]),
        ),
        ("trusted", vec![json!(true), json!(false)]),
        ("sni", vec![json!(true), json!(false)]),
        ("min_version", versions()),
    ]
}

fn nested(choice: &mut Choice, keys: &[(&str, Vec<Value>)]) -> Vec<Value> {
    (0..40).map(|_| choice.object(keys, 3)).collect()
}

fn rules() -> Vec<(&'static str, Vec<Value>)> {
    let words = || texts(&["ok", "", "ü", "a b"]);
    let numbers = || vec![json!(0), json!(2), json!(1.5), json!(1e300)];
    vec![
        ("equals", words()),
        ("contains", words()),
        ("not_contains", words()),
        ("matches", patterns()),
        ("not_matches", patterns()),
        ("<", numbers()),
        (">=", numbers()),
        (
            "length",
            vec![json!(3), json!({ "<": 2, ">": 5 }), json!({ ">=": 1 })],
        ),
    ]
}

fn with(
    mut keys: Vec<(&'static str, Vec<Value>)>,
    more: &[(&'static str, Vec<Value>)],
) -> Vec<(&'static str, Vec<Value>)> {
    keys.extend_from_slice(more);
    keys
}

fn flags() -> Vec<Value> {
    vec![json!(true), json!(false)]
}

/// One of the values for each name.
fn named(choice: &mut Choice, names: &[&'static str], values: &[Value]) -> Vec<Value> {
    let keys: Vec<_> = names.iter().map(|name| (*name, values.to_vec())).collect();
    nested(choice, &keys)
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn http(choice: &mut Choice, authority: &Authority) -> Vec<(&'static str, Vec<Value>)> {
    let paths = [
        "$.status",
        "$..*",
        "$[?@.a == 1]",
        "$.a-b",
        "$[",
        "$.status]",
        "$",
        "$[?match(@.a, 'x')]",
        "$['ü']",
    ];
    let header_rules = nested(choice, &with(rules(), &[("absent", flags())]));
    let json_rules = nested(choice, &with(rules(), &[("exists", flags())]));
    let body = nested(
        choice,
        &with(
            rules(),
            &[("raw", flags()), ("max_size", vec![json!(0), json!("1KiB")])],
        ),
    );
    let expect = [
        (
            "status",
            vec![
                json!(200),
                json!("200-399"),
                json!("300-200"),
                json!([200, "404"]),
            ],
        ),
        (
            "headers",
            named(choice, &["content-type", "a b", "", "X_y", "ü"], &header_rules),
        ),
        ("body", body),
        ("json", named(choice, &paths, &json_rules)),
        ("latency", limits("warn", "fail")),
        ("certificate", limits("fail_within", "warn_within")),
        (
            "final_url",
            texts(&["http://a.test/", "nonsense", "ftp://a/", "https://[::1"]),
        ),
        ("version", texts(&["1.1", "2"])),
    ];
    let values = [
        json!("x"),
        json!("ü"),
        json!("a\nb"),
        json!(["1", "2"]),
        json!("\u{7f}"),
        json!(""),
        json!("a b"),
    ];
    let names = [
        "x-a",
        "Host",
        "authorization",
        "a b",
        "",
        "content-length",
        "accept-encoding",
        "transfer-encoding",
    ];
    let headers = named(choice, &names, &values);
    let mut tls_keys = tls(authority);
    tls_keys.push(("max_version", versions()));
    vec![
        (
            "method",
            texts(&[
                "GET", "POST", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE",
            ]),
        ),
        ("headers", headers),
        ("body", texts(&["", "a=1", "ü"])),
        ("body_json", vec![json!(null), json!({ "a": [1] })]),
        (
            "basic_auth",
            vec![
                json!({ "username": "a", "password": "b:ü" }),
                json!({ "username": "a:b", "password": "" }),
            ],
        ),
        (
            "auth",
            vec![
                json!({ "digest": { "username": "a\u{1}", "password": "b" } }),
                json!({ "digest": { "username": "a", "password": "b:\u{fc}" } }),
                json!({ "bearer": "a\nb" }),
                json!({ "basic": { "username": "a", "password": "" }, "bearer": "b" }),
                json!({ "oauth2": { "token_url": "https://a{b.test/", "client_id": "a", "client_secret": "b" } }),
                json!({ "oauth2": { "token_url": "http://127.0.0.1:1/", "client_id": "a", "client_secret": "b" } }),
            ],
        ),
        ("bearer_token", texts(&["t0k3n", "a\nb", ""])),
        ("max_redirects", vec![json!(0), json!(20)]),
        ("accept_encoding", vec![json!("gzip"), json!(["br", "zstd"])]),
        ("version", texts(&["1.0", "1.1", "2"])),
        ("ip_family", texts(&["any", "ipv4", "ipv6"])),
        (
            "connect_to",
            texts(&["127.0.0.1:1", "x:99999", "x:0", "a..b:1", "[::1]:1", ":1"]),
        ),
        (
            "proxy",
            texts(&[
                "http://127.0.0.1:1",
                "http://",
                "http://[::1",
                "http://u:p@a..b:1",
                "environment",
                "http://x:0",
                "https://proxy.test",
                "https://a$b.test:1",
            ]),
        ),
        ("proxy_tls", nested(choice, &tls_keys)),
        ("tls", nested(choice, &tls_keys)),
        ("read_body", flags()),
        ("expect", nested(choice, &expect)),
    ]
}

pub(super) fn tcp(choice: &mut Choice, authority: &Authority) -> Vec<(&'static str, Vec<Value>)> {
    let mut steps: Vec<Value> = texts(&["", "x", "${a}", "${", "$${b}", "${a}${b}"]);
    steps = steps.into_iter().map(|text| json!({ "send": text })).collect();
    steps.extend(
        patterns()
            .into_iter()
            .filter(Value::is_string)
            .map(|text| json!({ "expect": { "matches": text } })),
    );
    for rule in [
        json!({ "contains": "x", "max_bytes": 0 }),
        json!({ "equals": "hello", "max_bytes": "4B" }),
        json!({ "hex": "00 ff" }),
        json!({ "contains": "a", "within": "0s" }),
        json!({}),
    ] {
        steps.push(json!({ "expect": rule }));
    }
    let options = nested(choice, &tls(authority));
    steps.extend(options.iter().map(|options| json!({ "start_tls": options })));
    let dialogues = (0..60).map(|_| {
        let steps: Vec<_> = (0..choice.below(4))
            .map(|_| choice.pick(&steps).clone())
            .collect();
        Value::from(steps)
    });
    let dialogues = dialogues.collect();
    vec![
        ("ip_family", texts(&["any", "ipv4", "ipv6"])),
        (
            "source_address",
            texts(&["127.0.0.1", "::1", "nope", "192.0.2.1", "", "::ffff:127.0.0.1"]),
        ),
        ("latency", limits("warn", "fail")),
        ("tls", options),
        ("dialogue", dialogues),
    ]
}

pub(super) fn tls_plugin(authority: &Authority) -> Vec<(&'static str, Vec<Value>)> {
    let names = |names: &[&str]| json!(names);
    with(
        tls(authority),
        &[
            ("starttls", texts(&["smtp", "xmpp", "ldap", "postgres"])),
            (
                "alpn",
                vec![
                    names(&["h2"]),
                    names(&[""]),
                    names(&[&"x".repeat(256)]),
                    json!(vec!["h2"; 17]),
                ],
            ),
            ("warn_within", texts(&["1d", "30d"])),
            ("fail_within", texts(&["0s", "10d"])),
            ("chain", limits("fail_within", "warn_within")),
            (
                "names",
                vec![
                    names(&["a.test", "*.a.test"]),
                    names(&["a b"]),
                    names(&[""]),
                    names(&["ü.test", "::1"]),
                ],
            ),
            ("min_key_bits", vec![json!(0), json!(2048)]),
        ],
    )
}

//! Plugins validate their own configuration when a suite is loaded, beyond what a schema can express.

use std::io::ErrorKind;
use std::net::TcpListener;

use canary_tests::harness::HOSTILE;

use super::{canary, folder, suite};

const MISTAKES: &str = r#"checks:
  - name: web
    plugin: http
    targets: ["https://example.com/", "https://me:pw@example.com/"]
    config:
      headers: { "a b": c, x-one: [fine, "line\nfeed"] }
      bearer_token: t
      basic_auth: { username: a, password: b }
      connect_to: "x:99999"
      follow_redirects: true
      tls: { ca: not pem, min_version: "1.3", max_version: "1.2" }
      expect:
        status: "300-200"
  - name: page
    plugin: http
    target: "http://example.com/"
    config:
      tls: { client_cert: "${env:CERTIFICATE}", client_key: "${env:CERTIFICATE}" }
      expect:
        headers: { x: { absent: true, equals: y } }
        body: { matches: ["fine", "\\w{9,99}"], not_matches: "\\w{1,100}" }
        json: { "$.disk-space": 1, "$[?match(@.a, 'x')]": 2 }
        latency: { warn: 2s, fail: 1s }
        final_url: nonsense
  - name: port
    plugin: tcp
    target: "example.com:25"
    config:
      source_address: nope
      dialogue:
        - { send: "EHLO ${name}\r\n" }
        - { expect: { matches: "(?<name>" } }
        - start_tls: { server_name: "a:25" }
        - start_tls: {}
  - name: certificate
    plugin: tls
    target: "example.com"
    config: { names: ["a b"], alpn: [""], warn_within: 1d }
  - { name: both, plugin: http, target: "http://example.com/", config: { body: a, body_json: 1 } }
  - { name: half, plugin: tls, target: example.com, config: { client_key: x } }
  - { name: way, plugin: http, target: "http://example.com/", config: { proxy: "http://[::1" } }
  - { name: unused, plugin: http, target: "http://example.com/", config: { proxy: "http://a", proxy_tls: {} } }
  - { name: name, plugin: http, target: "http://example.com/", config: { proxy: "https://a$b.test", proxy_tls: { ca: x } } }
"#;

/// The problems with their positions, without the quoted lines of the file.
fn listed(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.trim_start_matches("error: "));
    let listed = lines.filter_map(|line| {
        line.strip_prefix("suite.yaml:")
            .or_else(|| line.strip_prefix("hint: "))
    });
    listed.collect()
}

const FOUND: &[&str] = &[
    "4:39: check `web`: `target`: a user name belongs in `basic_auth`, not in the URL",
    "`config: { basic_auth: { username: .., password: .. } }`",
    "6:18: check `web`: `config.headers.a b`: header `a b`: a name may have letters, digits and some symbols, but no spaces and no colon",
    "6:42: check `web`: `config.headers.x-one[1]`: header `x-one`: its value has a line break or another control character",
    "7:7: check `web`: `config.bearer_token`: only one of `basic_auth` and `bearer_token` can be sent",
    "keep one, and remove an inherited one with `null`",
    "9:7: check `web`: `config.connect_to`: connect-to `x:99999` is not HOST:PORT",
    "11:14: check `web`: `config.tls.ca`: ca certificates: the text contains no certificate in PEM format",
    "11:47: check `web`: `config.tls.max_version`: the minimum TLS version is above the maximum",
    "13:9: check `web`: `config.expect.status`: `300-200` ends before it begins",
    "18:14: check `page`: `config.tls.client_cert`: client certificates: the text contains no certificate in PEM format",
    "18:49: check `page`: `config.tls.client_key`: client key: the text contains no private key in PEM format",
    "20:25: check `page`: `config.expect.headers.x.absent`: a header that must be absent has no value for the other rules",
    "21:35: check `page`: `config.expect.body.matches[1]`: the compiled pattern exceeds the size limit of 1 MiB",
    "21:49: check `page`: `config.expect.body.not_matches`: the compiled pattern exceeds the size limit of 1 MiB",
    "22:17: check `page`: `config.expect.json.$.disk-space`: not a JSONPath: syntax error at `-space`",
    "a key with other characters than letters, digits and `_` needs quotes: `$['a-b']`",
    "22:36: check `page`: `config.expect.json.$[?match(@.a, 'x')]`: not a JSONPath: syntax error at `match(@.a, 'x')]`, the only functions are `length`, `count` and `value`",
    "the functions `match` and `search` are not supported; use `matches`",
    "23:20: check `page`: `config.expect.latency.warn`: 2s is more than `fail` (1s): it would never warn",
    "24:9: check `page`: `config.expect.final_url.equals`: url `nonsense`: relative URL without a base",
    "29:7: check `port`: `config.source_address`: source address `nope` is not an IP address",
    "31:13: check `port`: `config.dialogue[0].send`: `${name}` is not captured by an earlier step",
    "a step before it captures with `expect: { matches: \"(?<NAME>..)\" }`",
    "32:23: check `port`: `config.dialogue[1].expect.matches`: not a regular expression for bytes: unclosed group",
    "33:24: check `port`: `config.dialogue[2].start_tls.server_name`: invalid host `a:25`; write a name or an IP address",
    "34:11: check `port`: `config.dialogue[3].start_tls`: the connection already uses TLS",
    "38:23: check `certificate`: `config.names[0]`: invalid host `a b`; write a name or an IP address",
    "38:38: check `certificate`: `config.alpn[0]`: an alpn protocol has 1 to 255 bytes",
    "38:43: check `certificate`: `config.warn_within`: 1d is less than `fail_within` (7d): it would never warn",
    "39:74: check `both`: `config`: `body` and `body_json` cannot be combined",
    "40:53: check `half`: `config`: `client_cert` is missing",
    "41:73: check `way`: `config.proxy`: proxy url: invalid IPv6 address",
    "42:95: check `unused`: `config.proxy_tls`: is only for a proxy that is contacted over TLS",
    "`proxy: https://HOST:PORT`",
    "43:74: check `name`: `config.proxy`: proxy url: `a$b.test` is not a valid server name for TLS",
    "43:114: check `name`: `config.proxy_tls.ca`: ca certificates: the text contains no certificate in PEM format",
];

#[test]
fn every_mistake_that_a_plugin_finds_has_its_place_in_the_file() {
    let folder = suite(MISTAKES);
    let ending = canary(&folder, &["validate", "suite.yaml"])
        .env("CERTIFICATE", "hunter2-hunter2")
        .run();
    assert_eq!(ending.code, 3, "{ending:?}");
    assert_eq!(listed(&ending.err), FOUND);
    assert!(!ending.err.contains("hunter2"), "{ending:?}");
}

#[test]
fn a_word_and_a_list_of_words_are_both_taken() {
    let folder = suite(
        "checks:\n  \
         - { name: a, plugin: http, target: 'http://a/', config: { accept_encoding: gzip, expect: { version: '2' } } }\n  \
         - { name: b, plugin: http, target: 'http://a/', config: { accept_encoding: [br], expect: { version: ['2'] } } }\n",
    );
    let ending = canary(&folder, &["validate", "suite.yaml"]).run();
    assert_eq!(ending.out, "ok: 2 checks\n", "{ending:?}");
}

#[test]
fn nothing_runs_of_a_suite_that_a_plugin_refuses() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let folder = suite(&format!(
        "checks: [{{ name: a, plugin: http, target: 'http://{}/', config: {{ expect: {{ json: {{ '$.status]': ok }} }} }} }}]\n",
        target.local_addr().unwrap()
    ));
    for command in ["check", "run"] {
        let ending = canary(&folder, &[command, "suite.yaml"]).run();
        assert_eq!(ending.code, 3, "{command}: {ending:?}");
        assert!(
            ending
                .err
                .contains("`config.expect.json.$.status]`: not a JSONPath"),
            "{command}: {ending:?}"
        );
    }
    assert_eq!(target.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_plugin_that_ends_before_it_has_judged_is_one_problem_that_names_it() {
    let of_cpu = [
        "quota `cpu` is used up (limit 2s)",
        "stopped at its deadline of 10s",
    ];
    for (action, reasons) in [
        ("spin", of_cpu.as_slice()),
        ("panic", &["trapped"]),
        ("grow_memory", &["quota `memory` is used up (limit 64 MiB)"]),
    ] {
        let text = format!(
            "plugins: {{ mine: {{ path: mine.wasm }} }}\nchecks:\n  \
             - {{ name: first, plugin: mine, target: 'a:1', config: {{ judge: {action} }} }}\n  \
             - {{ name: second, plugin: mine, target: 'b:1', config: {{ judge: {action} }} }}\n  \
             - {{ name: other, plugin: tcp, target: 'a:1', config: {{ source_address: nope }} }}\n"
        );
        let folder = folder(&[("suite.yaml", &text)]);
        std::fs::copy(HOSTILE, folder.path().join("mine.wasm")).unwrap();
        let ending = canary(&folder, &["validate", "suite.yaml"]).run();
        assert_eq!(ending.code, 3, "{action}: {ending:?}");
        let found = listed(&ending.err);
        assert_eq!(found.len(), 2, "{action}: {ending:?}");
        let named = "1:12: plugin `mine`: failed while validating the configuration of check `first`: ";
        assert!(
            found[0].starts_with(named) && reasons.iter().any(|reason| found[0].contains(reason)),
            "{action}: {ending:?}"
        );
        assert!(
            found[1].contains("check `other`: `config.source_address`"),
            "{action}: {ending:?}"
        );
    }
}

#[test]
fn a_plugin_from_a_file_judges_in_another_process() {
    let text = "plugins: { mine: { path: mine.wasm } }\nchecks:\n  \
                - { name: first, plugin: mine, target: 'a:1', config: { judge: give_up } }\n";
    let folder = folder(&[("suite.yaml", text)]);
    std::fs::copy(HOSTILE, folder.path().join("mine.wasm")).unwrap();
    let ending = canary(&folder, &["validate", "suite.yaml"]).run();
    assert_eq!(
        listed(&ending.err),
        ["3:59: check `first`: `config.judge`: it cannot do its work"],
        "{ending:?}"
    );
}

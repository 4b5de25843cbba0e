//! No problem shows a secret that the suite writes in plain, whether the file can be parsed or not.

use super::*;

/// Characters of a secret that must not stand together in a problem.
const EXCERPT: usize = 8;
pub(super) const SECRET: &str = "Zq7Wk2Rv9Xj4Mp8T";

#[track_caller]
pub(super) fn assert_hidden(text: &str) {
    let problems = shown(text);
    for part in SECRET.as_bytes().windows(EXCERPT) {
        let part = str::from_utf8(part).unwrap();
        assert!(!problems.contains(part), "{part} of\n{text}\nin\n{problems}");
    }
}

/// The problems of a suite. The plugin `own` declares `pin_code` as secret.
fn shown(text: &str) -> String {
    let (folder, problems) = (tempfile::tempdir().unwrap(), |result: Result<Suite, Problems>| {
        result
            .err()
            .map(|problems| problems.to_string())
            .unwrap_or_default()
    });
    let path = folder.path().join("suite.yaml");
    fs::write(&path, text).unwrap();
    let draft = read(&[path], &EMBEDDED, &Fixed);
    let mut catalog = catalog(&draft);
    let secrets = vec!["/auth/basic/password".to_owned(), "/pins/*/pin_code".to_owned()];
    let own = facts("{}", "HOST:PORT");
    catalog.insert("own", Ok(PluginFacts { secrets, ..own }));
    problems(draft.finish(&catalog, &host_limits()))
}

/// How a secret is written as the value of a key.
fn spellings() -> Vec<String> {
    let (start, end) = SECRET.split_at(SECRET.len() / 2);
    // Signs that mean something in YAML at the beginning of a value.
    let signs = (b'!'..=b'~').map(char::from).filter(char::is_ascii_punctuation);
    let after_sign = signs.map(|sign| format!("{sign}{SECRET}"));
    let spellings = [
        SECRET.to_owned(),
        format!("\"{SECRET}\""),
        format!("'{SECRET}'"),
        format!("\"{start}\\x41{end}\""),
        format!("'it''s {SECRET}'"),
        format!("\"a \\\" {SECRET}\""),
        format!("&a {SECRET}"),
        format!("!!str '{SECRET}'"),
        format!("\"{SECRET}"),
        format!("'{SECRET}"),
        format!("a, {SECRET}"),
        format!("a}}{SECRET}"),
        format!("\"a\" {SECRET}"),
        format!("[ \"{SECRET}\", b"),
        format!("[ a, {SECRET} ]"),
        format!("{{ x: {SECRET} }}"),
        format!("\"a\n      {SECRET}\""),
        format!("a\n      {SECRET}"),
        format!("\n      '{SECRET}'"),
        format!("!!{SECRET}"),
        format!("!<{SECRET}>"),
        format!("!a {SECRET}"),
        format!("!{SECRET} b"),
        format!("!{SECRET}\n      b"),
    ];
    after_sign.chain(spellings).collect()
}

#[test]
fn a_secret_is_hidden_wherever_it_stands_and_however_it_is_written() {
    let names = [
        "bearer_token",
        "\"password\"",
        "'client_key'",
        "bearer_tokn",
        "pin_code",
        "basic_auth",
        "\"pass\\x77ord\"",
    ];
    for name in names {
        for value in spellings() {
            // In place of a mapping: signs may begin a comment, an anchor or the mapping itself.
            let is_sign = |sign: char| sign.is_ascii_punctuation() && !matches!(sign, '!' | '"' | '\'');
            if name == "basic_auth" && value.starts_with(is_sign) {
                continue;
            }
            for plugin in ["plugin: own", "plugin: htpp", "zz: 1", "plugin: http"] {
                assert_hidden(&format!(
                    "checks:\n  - {{ name: a, {plugin}, target: 'a:1', timeout: 5x, config: {{ {name}: {value} }} }}\n  - 7\n"
                ));
                assert_hidden(&format!(
                    "checks:\n  - {{ name: a, {plugin}, target: 'a:1', config: {{ {name}: {value}, {name}: {value}, z: [ }}, timeout: 5x }}\n"
                ));
                assert_hidden(&format!(
                    "checks:\n  - name: a\n    {plugin}\n    target: 'a:1'\n    config:\n      pins:\n        {name}: {value}\n       bad\n"
                ));
                assert_hidden(&format!(
                    "checks:\n  - name: a\n    {plugin}\n    config:\n      {name}: {value}\n      {name}: {value}\n    timeout: 5x\n"
                ));
            }
        }
    }
}

#[test]
fn a_secret_is_hidden_wherever_its_line_is_cut() {
    for before in 0..140 {
        for after in [0, 90] {
            let (before, after) = ("x".repeat(before), "y".repeat(after));
            for value in [SECRET.to_owned(), format!("\"{SECRET}\""), format!("'ä{SECRET}'")] {
                assert_hidden(&format!(
                    "checks:\n  - {{ name: a, plugin: http, {before}: 1, config: {{ token: {value} }}, {after}z: 1, timeout: 5x }}\n"
                ));
                assert_hidden(&format!(
                    "checks:\n  - {{ timeout: 5x, {before}: 1, config: {{ token: {value} }} }}\n"
                ));
            }
        }
    }
}

#[test]
fn a_secret_outside_of_a_known_plugin_s_configuration_is_hidden() {
    let check = "name: a, plugin: http, target: 'http://a.test/'";
    for text in [
        format!(
            "profiles:\n  p: {{ config: {{ bearer_token: {SECRET} }}, zz: 1 }}\nchecks:\n  - {{ {check}, profile: q }}\n"
        ),
        format!(
            "checks:\n  - {{ {check}, config: {{ basic_aut: {{ username: u, password: {SECRET} }} }} }}\n"
        ),
        format!(
            "x-t: {{ a: &t \"{SECRET}\", a: 2 }}\nchecks:\n  - {{ {check}, config: {{ bearer_token: *t }} }}\n"
        ),
        format!(
            "checks:\n  - {{ {check}, config: {{ bearer_token: \"x\" }}, config: {{ bearer_token: '{SECRET}' }} }}\n"
        ),
        format!(
            "checks:\n  - {{ plugin: http, config: {{ headers: {{ Authorization: \"Bearer {SECRET}\" }} }} }}\n"
        ),
        format!(
            "checks:\n  - {{ {check}, config: {{ proxy: \"htp://user:{SECRET}@h:1\", zz: 1 }}, timeout: 5x }}\n"
        ),
        format!(
            "checks:\n  - {{ name: a, plugin: http, target: \"htp://user:{SECRET}@h:1\", timeout: 5x }}\n"
        ),
        format!("checks:\n  - {{ name: a, plugin: http, allow: [\"tcp://user:{SECRET}@h:x\"] }}\n"),
        format!("checks:\n  - {{ name: a, plugin: tcp, target: \"user:{SECRET}@h:1\", timeout: 5x }}\n"),
        format!("checks:\n  - {{ {check}, config: {{ basic_auth: \"user:{SECRET}\" }} }}\n"),
        format!("checks:\n  - {{ {check}, config: \"http://user:{SECRET}@h\" }}\n"),
        format!(
            "checks:\n  - name: a\n    config:\n      client_key: |\n        -----BEGIN PRIVATE KEY-----\n        {SECRET}\n       bad\n"
        ),
        format!("checks:\n  - name: a\n    config:\n      ? password\n      : {SECRET}\n      ? [\n"),
        format!("checks:\n  - name: a\n    config:\n      password: {SECRET}\n\tbad: 1\n"),
        format!("checks:\n  - {{ {check}, body: \"{{\\\"password\\\":\\\"{SECRET}\\\"}}\" }}\n"),
        format!("checks:\n  - {{ token: {SECRET}\0 }}\n"),
        format!("checks:\n  - {{ {check}, config: {{ bearer_token: a, {SECRET} }} }}\n"),
        format!("checks:\n  - {{ {check}, config: {{ bearer_token: {{ {SECRET}: 1, {SECRET}: 2 }} }} }}\n"),
        format!("checks:\n  - {{ {check}, config: {{ bearer_token: !{SECRET} x }} }}\n"),
        format!("checks:\n  - {{ {check}, config: {{ auth: {{ bearer: \"${{env:TOKEN {SECRET}\" }} }} }}\n"),
        format!(
            "checks:\n  - {{ {check}, config: {{ body: \"a=b&client_secret={SECRET}&c=d\" }}, timeout: 5x }}\n"
        ),
    ] {
        assert_hidden(&text);
    }
}

#[test]
fn a_secret_is_hidden_whatever_yaml_lets_stand_before_its_colon() {
    let long = "x".repeat(300);
    for key in [
        "api key",
        "password (old)",
        "$['token']",
        "$.tokens[0]",
        "\"$['token'][0]\"",
        "password\n    ",
        "\"password\"\n    ",
        "\"pass\\\n    word\"",
        "*k ",
        "pass\u{200b}word",
        "password\u{a0}",
        &format!("password{}", " ".repeat(300)),
        &format!("password_{long}"),
        &format!("\"password {long}\""),
    ] {
        for value in spellings() {
            assert_hidden(&format!(
                "x-k: &k password\nchecks:\n  - {{ name: a, plugin: own, target: 'a:1', config: {{ {key}: {value}, zz: 1 }}, timeout: 5x }}\n  - 7\n"
            ));
        }
    }
}

#[test]
fn a_secret_without_the_colon_of_its_key_is_hidden() {
    for separator in [" ", "; ", " => ", " = ", "：", " := "] {
        for text in [
            format!("password{separator}{SECRET}\n"),
            format!("checks:\n  - name: a\n    config:\n      password{separator}{SECRET}\n      zz: 1\n"),
            format!("checks:\n  - {{ name: a, plugin: own, config: {{ password{separator}{SECRET} }} }}\n"),
        ] {
            assert_hidden(&text);
        }
    }
}

#[test]
fn a_secret_is_hidden_in_the_middle_of_what_a_message_quotes() {
    let check = "name: a, plugin: own, target: 'a:1'";
    for text in [
        format!("checks:\n  - {{ {check}, timeout: \"authorization: Bearer {SECRET}\" }}\n"),
        format!("checks:\n  - {{ {check}, config: \"x: 1, token: {SECRET}\" }}\n"),
        format!("checks:\n  - {{ {check}, labels: {{ \"token: {SECRET}\": [1] }} }}\n"),
        format!("checks:\n  - {{ {check}, allow: [\"tcp://a:1/?token={SECRET}\"] }}\n"),
        format!("checks:\n  - {{ name: a, plugin: http, target: 'htp://a.test/?api_key={SECRET}' }}\n"),
        format!("checks:\n  - {{ {check}, config: {{ basic_auth: [u, {SECRET}], zz: 1 }}, timeout: 5x }}\n"),
        format!(
            "checks:\n  - {{ {check}, labels: {{ token: \"{SECRET} {}\" }} }}\n",
            "x".repeat(200)
        ),
    ] {
        assert_hidden(&text);
    }
}

#[test]
fn the_rest_of_a_line_stays_readable() {
    for (line, shown) in [
        (
            "{ name: a, password: \"abc\", timeut: 1 }",
            "{ name: a, password: \"***\", timeut: 1 }",
        ),
        (
            "{ password: two words, timeut: 1 } # x",
            "{ password: *********, timeut: 1 } # x",
        ),
        (
            "{ token: \"${env:TOKEN}\", timeut: 1 }",
            "{ token: \"${env:TOKEN}\", timeut: 1 }",
        ),
        (
            "{ token_url: \"http://a.test/x\", timeut: 1 }",
            "{ token_url: \"http://a.test/x\", timeut: 1 }",
        ),
        (
            "{ timeut: \"${TOKEN:-x}\", a: 1 }",
            "{ timeut: \"${TOKEN:-x}\", a: 1 }",
        ),
        (
            "{ auth: { username: u }, timeut: 1 }",
            "{ auth: { username: u }, timeut: 1 }",
        ),
    ] {
        let problems = load_text(format!("checks:\n  - {line}\n"))
            .unwrap_err()
            .to_string();
        assert!(problems.contains(shown), "{problems}");
    }
}

/// Whatever stands around a secret and its key, the file being no YAML at all most of the time.
#[test]
fn a_secret_is_hidden_in_any_broken_file() {
    let file = "vars: { a: &a 1 }\nchecks:\n  - { name: a, plugin: http, target: 'http://a.test/', timeout: 5x }\n  - name: b\n    config:\n      auth:\n        MARK\n      timeout: *a\n    zz: [ 1, { x: 2 } ]\n";
    let pieces: Vec<char> = "{}[],:\"'#&*!|>%@`?-\n\t x=\\".chars().collect();
    let mut random = fastrand::Rng::with_seed(7);
    let spellings = spellings();
    for _ in 0..3_000 {
        let mut text: Vec<char> = file.chars().collect();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..text.len());
            let is_mark = text.get(at).is_some_and(char::is_ascii_uppercase);
            if random.bool() && !is_mark {
                text.remove(at);
            }
            text.insert(at, *random.choice(&pieces).unwrap());
        }
        let text: String = text.into_iter().collect();
        let Some((before, after)) = text.split_once("MARK") else {
            continue;
        };
        let value = random.choice(&spellings).unwrap();
        assert_hidden(&format!("{before}token: {value}{after}"));
        let cut = random.usize(0..=value.len());
        assert_hidden(&format!("{before}token: {}", value.get(..cut).unwrap_or(value)));
    }
}

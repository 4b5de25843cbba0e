//! No problem shows a secret whose key, value or end is unclear, because what stands around it is misspelt or misplaced.

use super::quoted_secrets::{SECRET, assert_hidden};
use crate::without_secrets;

/// A check with this entry in its configuration, in a mapping in brackets and in one of lines, and as all of a file.
fn in_every_place(entry: &str) -> [String; 4] {
    let check = "name: a, plugin: own, target: 'a:1'";
    [
        format!("checks:\n  - {{ {check}, timeout: 5x, config: {{ {entry} }} }}\n"),
        format!("checks:\n  - {{ {check}, config: {{ x: {{{entry}}}, zz: [ }} }}\n"),
        format!(
            "checks:\n  - name: a\n    plugin: http\n    target: 'http://a.test'\n    config:\n      {entry}\n      zz: 1\n"
        ),
        format!("{entry}\n"),
    ]
}

#[test]
fn a_secret_after_a_quoted_key_without_a_plain_colon_is_hidden() {
    for entry in [
        format!("\"apiKey\"\": {SECRET}"),
        format!("\"api_key\" \"{SECRET}\""),
        format!("'token'': {SECRET}"),
        format!("\"password\" {SECRET}"),
        format!("\"password\"\t{SECRET}"),
        format!("\"password\"; {SECRET}"),
        format!("\"password\", {SECRET}"),
        format!("\"authorization\" Bearer {SECRET}"),
        format!("\"token\";\"{SECRET}\""),
        format!("\"api_key\"\n        \"{SECRET}\""),
        format!("'api_key'\n        {SECRET}"),
        format!("\"password\".\"x\": {SECRET}"),
        format!("\"password\"'': {SECRET}"),
        format!("\"password\"\"\": {SECRET}"),
        format!("\"password\" \"x\": {SECRET}"),
        format!("\"password: {SECRET}"),
        format!("\"password {SECRET}"),
        format!("'password' = {SECRET}"),
        format!("\"password\" | {SECRET}"),
        format!("\"pass\\x77ord\" {SECRET}"),
    ] {
        for text in in_every_place(&entry) {
            assert_hidden(&text);
        }
    }
}

#[test]
fn a_backtick_in_a_secret_does_not_end_it() {
    for (start, end) in [("a`", ""), ("`", ""), ("a`b`", ""), ("a` `", ""), ("` in `", "`")] {
        for entry in [
            format!("basic_auth: {{ username: u, password:{start}{SECRET}{end} }}"),
            format!("headers: \"authorization: {start}{SECRET}{end}\""),
            format!("auth: {{ bearer:{start}{SECRET}{end} }}"),
            format!("authorization:Bearer {start}{SECRET}{end}"),
            format!("timeout: \"5x, token={start}{SECRET}{end}\""),
        ] {
            for text in in_every_place(&entry) {
                assert_hidden(&text);
            }
        }
        for check in [
            format!("target: 'a:1', allow: [\"http://u:{start}{SECRET}{end}@h:99999/\"]"),
            format!("target: 'a:1', allow: [\"tcp://h:1/{start}?password={SECRET}{end}\"]"),
            format!("target: 'a:1', timeout: \"{start}?password={SECRET}{end}\""),
            format!("target: 'a:1', name_servers: [\"http://u:{start}{SECRET}{end}@h:1\"]"),
            format!("target: 'a:1', schedule: \"token={start}{SECRET}{end}\""),
            format!("target: 'a:1', redirect_secrets_to: [\"http://u:{start}{SECRET}{end}@h:1\"]"),
            format!("target: 'htp://h/{start}?password={SECRET}{end}'"),
            format!("target: 'http://u:{start}{SECRET}{end}@h:99999/'"),
        ] {
            for plugin in ["http", "tcp", "own"] {
                assert_hidden(&format!(
                    "checks:\n  - {{ name: a, plugin: {plugin}, {check} }}\n"
                ));
            }
        }
    }
}

#[test]
fn a_secret_in_a_text_in_place_of_a_mapping_is_hidden() {
    for entry in [
        format!("headers: \"x-api-key {SECRET}\""),
        format!("headers: authorization Bearer {SECRET}"),
        format!("headers: \"x-auth-token {SECRET}\""),
        format!("headers: [\"x-api-key {SECRET}\"]"),
        format!("headers: [ a, authorization Bearer {SECRET} ]"),
        format!("auth: \"bearer {SECRET}\""),
        format!("auth: bearer {SECRET}"),
        format!("x: \"auth: {SECRET}\""),
    ] {
        for text in in_every_place(&entry) {
            assert_hidden(&text);
        }
    }
    for config in [format!("\"password {SECRET}\""), format!("token {SECRET}")] {
        assert_hidden(&format!(
            "checks:\n  - {{ name: a, plugin: own, target: 'a:1', timeout: 5x, config: {config} }}\n"
        ));
    }
}

#[test]
fn a_secret_that_looks_like_a_key_is_hidden() {
    for entry in [
        format!("password:\n      {SECRET}: x"),
        format!("password: # x\n      {SECRET}: x"),
        format!("password:\n\n      \"{SECRET}\": x"),
        format!("password: ,\n      {SECRET}: x"),
        format!("password: , {SECRET}: x"),
    ] {
        for text in in_every_place(&entry) {
            assert_hidden(&text);
        }
    }
}

#[test]
fn a_private_key_is_hidden_wherever_it_stands() {
    let pem = |kind: &str, headers: &str, indent: &str| {
        format!(
            "-----BEGIN {kind}PRIVATE KEY-----\n{indent}{headers}\n{indent}{SECRET}\n{indent}-----END {kind}PRIVATE KEY-----\n"
        )
    };
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,1F\n";
    for kind in ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "] {
        for name in ["client_key", "client_cert", "ca", "zz"] {
            for indent in ["", "  ", "      ", "        "] {
                for headers in ["", headers] {
                    let pem = pem(kind, headers, indent);
                    assert_hidden(&format!(
                        "checks:\n  - name: a\n    plugin: http\n    config:\n      tls:\n        {name}: |\n          {pem}    zz: 1\n"
                    ));
                }
            }
        }
    }
    let check = "name: a, plugin: http, target: 'http://a.test/'";
    for config in [
        format!("tls: {{ ca: [\"-----BEGIN PRIVATE KEY-----\\n{SECRET}\\n-----END PRIVATE KEY-----\"] }}"),
        format!("ca: [\"-----BEGIN PRIVATE KEY-----\\n{SECRET}\"]"),
        format!("method: \"x -----BEGIN RSA PRIVATE KEY-----\\n{SECRET}\""),
        format!("\"-----BEGIN RSA PRIVATE KEY-----\\n{SECRET}\": 1"),
        format!("ca: [\"-----BEGIN PGP PRIVATE KEY BLOCK-----\\n{SECRET}\"]"),
        format!("ca: [\"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\\n{SECRET}\"]"),
    ] {
        assert_hidden(&format!(
            "checks:\n  - {{ {check}, timeout: 5x, config: {{ {config} }} }}\n"
        ));
    }
}

#[test]
fn a_private_key_of_putty_is_hidden_however_it_is_indented() {
    for indent in ["", "  ", "        ", "          "] {
        for name in ["client_key", "client_cert", "zz"] {
            for private in [
                SECRET,
                &format!("a\n{indent}{SECRET}: b"),
                &format!("{SECRET}: a: b"),
                &format!("[{SECRET}"),
            ] {
                let lines = [
                    "PuTTY-User-Key-File-3: ssh-ed25519",
                    "Encryption: none",
                    "Comment: x",
                    "Private-Lines: 1",
                    private,
                    &format!("Private-MAC: {SECRET}"),
                ];
                let key = lines.map(|line| format!("{indent}{line}\n")).concat();
                assert_hidden(&format!(
                    "checks:\n  - name: a\n    plugin: http\n    config:\n      tls:\n        {name}: |\n{key}    timeout: 5x\n"
                ));
            }
        }
    }
}

#[test]
fn the_value_of_a_variable_with_the_name_of_a_secret_is_hidden() {
    let check = "name: a, plugin: own, target: 'a:1'";
    let long = format!("{SECRET}{}", "x".repeat(100));
    for (value, text) in [
        (SECRET, "${var:password}"),
        (SECRET, "5 ${var:password}"),
        (SECRET, "x ${var:other}"),
        (&long, "${var:password}"),
        (&long, "x ${var:other}"),
        (&format!("a`{SECRET}"), "${var:password}"),
    ] {
        for entry in ["interval", "timeout", "allow", "group", "depends_on", "zz"] {
            let value = serde_json::to_string(value).unwrap();
            assert_hidden(&format!(
                "vars: {{ password: {value}, other: \"y${{var:password}}\" }}\nchecks:\n  - {{ {check}, {entry}: \"{text}\" }}\n"
            ));
            assert_hidden(&format!(
                "vars: {{ password: {value}, other: \"y${{var:password}}\" }}\nchecks:\n  - {{ {check}, {entry}: [\"{text}\"] }}\n"
            ));
        }
    }
}

#[test]
fn what_a_message_says_itself_is_shown() {
    for message in [
        "`config.expect.body.length.>=`: no number is >= 10 and < 2",
        "unknown key `a`: did you mean `b`? x=1 is shown",
        "`a` is not `b`: write a=b, or c: d",
    ] {
        assert_eq!(without_secrets(message), message);
    }
    assert_eq!(
        without_secrets("`http://h/`?password=abc` is a URL with a secret"),
        "`http://h/`?***` is a URL with a secret"
    );
}

//! Which names are those of secrets.

use std::collections::BTreeSet;

use super::*;

#[test]
fn keys_are_secret_by_their_names() {
    let keys = SecretKeys::default();
    for key in [
        "password",
        "bearer_token",
        "bearer_tokn",
        "tokem",
        "passwerd",
        "clientSecret",
        "X-Api-Key",
        "Authorization",
        "client-key",
        "client_kye",
        "privat_key",
        "signing_key",
        "encryption_key",
        "device_code",
        "password (old)",
        "$['access_token'][0]",
        "pass\u{200b}word",
        "passcode",
        "creds",
        "X-Auth",
        "webhook_url",
        "DATABASE_URL",
        "PHPSESSID",
        "connect.sid",
        "paswd",
        "psswd",
        "psswrd",
        "authorisation",
        "authorisaton",
        "ｐａｓｓｗｏｒｄ",
        "𝐩𝐚𝐬𝐬𝐰𝐨𝐫𝐝",
        "ａｐｉ＿ｋｅｙ",
    ] {
        assert_eq!(keys.secrecy(key), Some(Secrecy::Value), "{key}");
    }
    for key in [
        "name",
        "target",
        "token_url",
        "timeout",
        "keys",
        "username",
        "url",
        "passes",
        "passed",
        "tests_passed",
        "code_of",
        "side",
        "x-wpw",
    ] {
        assert_eq!(keys.secrecy(key), None, "{key}");
    }
    for key in ["basic_auth", "oauth2", "proxyAuth", "headers"] {
        assert_eq!(keys.secrecy(key), Some(Secrecy::Text), "{key}");
    }
}

#[test]
fn a_key_is_secret_by_its_end_unless_that_is_known_to_be_public() {
    let keys = SecretKeys::default();
    for key in [
        "X-Auth-Key",
        "Ocp-Apim-Subscription-Key",
        "subscription_key",
        "x-functions-key",
        "DD-APPLICATION-KEY",
        "application_key",
        "auth_key",
        "authKey",
        "auth_key_2",
        "master_key",
        "account_key",
        "AccountKey",
        "priv_key",
        "privkey",
        "rsa_key",
        "tls_key",
        "hmac_key",
        "decryption_key",
        "db_pass",
        "dbPass",
        "user_pass",
        "smtp_pass",
        "keypass",
        "storepass",
        "MYSQL_PWD",
        "smtp_pwd",
        "bind_pw",
        "userPw",
        "pass",
        "pwd",
        "pw",
        "otp",
    ] {
        assert_eq!(keys.secrecy(key), Some(Secrecy::Value), "{key}");
    }
    for key in [
        "key",
        "admin.tls.key",
        "public_key",
        "certificate.public_key",
        "sshPublicKey",
        "group key",
        "Sec-WebSocket-Key",
        "Surrogate-Key",
        "sort_key",
        "bypass",
        "min_key_bits",
    ] {
        assert_eq!(keys.secrecy(key), None, "{key}");
    }
}

/// The keys in the tables of these pages of the guide: in the first cell of a row, or in the one after that of a
/// variable.
fn documented(pages: &[&str]) -> BTreeSet<String> {
    let read = |page: &&str| {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/");
        std::fs::read_to_string(format!("{guide}{page}.md")).unwrap()
    };
    let text = pages.iter().map(read).collect::<String>();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let keys = rows.flat_map(|row| {
        let mut cells = row.split('|').skip(1);
        let is_variable = |cell: &&str| cell.starts_with(" `OTEL_");
        let cell = cells
            .next()
            .filter(|cell| !is_variable(cell))
            .or_else(|| cells.next());
        cell.into_iter()
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
    });
    // A name with a dot is that of an attribute or a metric.
    keys.filter(|key| !key.contains('.') || key.starts_with("traces."))
        .map(str::to_owned)
        .collect()
}

#[test]
fn of_the_documented_keys_of_a_suite_these_are_secret() {
    let documented = documented(&[
        "reference/suite-keys",
        "plugins/http",
        "plugins/tcp",
        "plugins/tls",
    ]);
    let of = |secrecy| {
        let keys = documented.iter().map(String::as_str);
        keys.filter(move |key| SecretKeys::default().secrecy(key) == Some(secrecy))
            .collect::<Vec<_>>()
    };
    assert!(documented.contains("failure_threshold") && documented.contains("min_key_bits"));
    assert_eq!(
        of(Secrecy::Value),
        ["bearer", "bearer_token", "client_key", "client_secret"]
    );
    assert_eq!(
        of(Secrecy::Text),
        [
            "auth",
            "basic",
            "basic_auth",
            "digest",
            "headers",
            "oauth2",
            "params"
        ]
    );
}

#[test]
fn of_the_documented_keys_of_the_settings_these_are_secret() {
    let notifiers = [
        "type",
        "url",
        "headers",
        "method",
        "template",
        "content_type",
        "routing_key",
        "host",
        "port",
    ];
    let of_mail = [
        "user",
        "password",
        "from",
        "to",
        "statuses",
        "max_age",
        "ca",
        "external_url",
        "notifiers",
    ];
    let mut documented = documented(&["reference/settings", "telemetry/settings"]);
    documented.extend(notifiers.into_iter().chain(of_mail).map(str::to_owned));
    let of = |secrecy| {
        let keys = documented.iter().map(String::as_str);
        keys.filter(move |key| SecretKeys::of_settings().secrecy(key) == Some(secrecy))
            .collect::<Vec<_>>()
    };
    assert!(documented.contains("sampler_arg") && documented.contains("state_dir"));
    let secret = [
        "client_key",
        "endpoint",
        "password",
        "routing_key",
        "token",
        "url",
    ];
    assert_eq!(of(Secrecy::Value), secret);
    assert_eq!(of(Secrecy::Text), [""; 0]);
    assert_eq!(of(Secrecy::Entries), ["headers"]);
}

#[test]
fn what_a_plugin_declares_is_secret() {
    let names = ["/pins/*/pin_code", "/headers/*", "/keys/0", "/"].map(last_name);
    let known = ["pincode", "headers", "keys"].map(|name| Some(name.to_owned()));
    assert_eq!(names, [known.as_slice(), &[None]].concat()[..]);
}

use std::io;

use super::*;
use canary_suite::ProcessEnvironment;

struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "STATE").then(|| "/state".to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        ProcessEnvironment.file(path)
    }
}

/// The file, and the problems that are reported for it.
fn file(text: &str) -> (File, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    std::fs::write(&path, text).unwrap();
    let mut file = File::read(&path, &Fixed);
    let report = std::mem::take(&mut file.report);
    let messages = report.finish(()).map_err(|problems| problems.to_string());
    let messages = messages.err().unwrap_or_default();
    (
        file,
        messages.replace(&format!("{}/", folder.path().display()), ""),
    )
}

#[test]
fn a_file_sets_what_applies_to_all_suites() {
    let (file, messages) = file(
        "concurrency: 50
block_networks: [private, 203.0.113.0/24]
cache_dir: /cache
state_dir: ${env:STATE}/canary
admin: { listen: '[::1]:9464' }
x-mine: anything",
    );
    assert_eq!(messages, "");
    assert_eq!(file.concurrency, Some(50));
    assert_eq!(
        file.block_networks,
        Some(Networks::parse(["private", "203.0.113.0/24"]).unwrap())
    );
    assert_eq!(file.cache_dir, Some(Folder::At("/cache".into())));
    assert_eq!(file.state_dir, Some(Folder::At("/state/canary".into())));
    let Some(Admin::Listen(listen)) = file.admin else {
        panic!("{:?}", file.admin);
    };
    assert_eq!(listen.address, "[::1]:9464".parse().unwrap());
}

#[test]
fn a_file_may_be_empty() {
    for text in ["", "concurrency:\nblock_networks:\nadmin:\ntelemetry:\n"] {
        let (file, messages) = file(text);
        assert_eq!(messages, "");
        assert_eq!(file.concurrency, None);
        assert_eq!(file.block_networks, None);
        assert!(file.admin.is_none());
        assert_eq!(file.access, Access::default());
    }
}

#[test]
fn none_turns_off_whatever_can_be_turned_off() {
    let (file, messages) = file(
        "block_networks: none
cache_dir: none
state_dir: none
suites: { env: none, files: none }
admin: none
heartbeat: none",
    );
    assert_eq!(messages, "");
    assert_eq!(file.block_networks, Some(Networks::default()));
    assert_eq!(
        (file.cache_dir, file.state_dir),
        (Some(Folder::None), Some(Folder::None))
    );
    assert_eq!(
        (file.suites.env, file.suites.files),
        (Some(Vec::new()), Some(Vec::new()))
    );
    assert!(matches!(file.admin, Some(Admin::None)));
}

#[test]
fn the_runner_may_show_itself_nowhere() {
    assert!(matches!(file("admin: none").0.admin, Some(Admin::None)));
}

#[test]
fn every_problem_comes_at_once_with_its_place() {
    let (_, messages) = file(
        "concurrency: 0
block_networks: [privat, 10.0.0.1/8]
cache_dir: [a]
state_dir: ${env:NOTHING}
admin: { listen: localhost, prot: 1 }
concurency: 1
telemetry: on",
    );
    insta::assert_snapshot!(messages, @"
    canary.yaml:1:14: `concurrency`: 0 is out of range; allowed: 1 to 100000

    canary.yaml:2:18: `block_networks`: unknown network `privat`; allowed: `private`, `link-local`, `metadata`, `loopback`, or a CIDR such as `10.0.0.0/8`

    canary.yaml:2:26: `block_networks`: `10.0.0.1/8` has bits beyond its prefix; did you mean `10.0.0.0/8`?

    canary.yaml:3:12: `cache_dir`: expected one value, found a list

    canary.yaml:4:12: the environment variable `NOTHING` is not set
    hint: set it, or give a default: `${env:NOTHING:-default}`

    canary.yaml:5:18: `admin.listen`: invalid listen address `localhost`
    hint: write `127.0.0.1:9464` or `[::1]:9464`, or `admin: none`

    canary.yaml:5:29: unknown key `prot` in `admin`
    hint: known: `listen`, `token`, `tls`, `insecure`, `hosts`

    canary.yaml:6:1: unknown key `concurency`
    hint: did you mean `concurrency`?

    canary.yaml:7:12: `telemetry`: expected a mapping, found a string

    9 problems with the settings
    ");
}

#[test]
fn a_suite_in_place_of_the_file_is_recognised() {
    insta::assert_snapshot!(file("checks: []").1, @"
    canary.yaml:1:1: unknown key `checks`
    hint: `checks` belongs in a suite, whose file is an argument, such as in `canary run suite.yaml`

    1 problem with the settings
    ");
}

#[test]
fn a_suite_recognises_the_keys_of_the_file() {
    let (_, messages) = file("no_such_key: 1");
    let known = canary_suite::SETTINGS_KEYS.map(|key| format!("`{key}`"));
    assert!(
        messages.contains(&format!("\nhint: known: {}\n", known.join(", "))),
        "{messages}"
    );
}

#[test]
fn a_file_that_is_no_mapping_is_a_problem() {
    insta::assert_snapshot!(file("- a").1, @"
    canary.yaml:1:1: expected a mapping, found a list

    1 problem with the settings
    ");
    insta::assert_snapshot!(file("admin: loopback").1, @"
    canary.yaml:1:8: `admin`: expected a mapping, found a string

    1 problem with the settings
    ");
    insta::assert_snapshot!(file("a: [").1, @"
    canary.yaml:1:4: invalid YAML: unclosed bracket '['

    1 problem with the settings
    ");
}

#[test]
fn no_problem_shows_what_stands_under_the_key_of_a_secret() {
    let secret = "Zq7Wk2Rv9Xj4Mp8T";
    for text in [
        format!("admin:\n  token: !{secret}\n"),
        format!("admin:\n  token: !!{secret}\n"),
        format!("admin: {{ token: !<{secret}> }}\n"),
        format!("admin: {{ token: [!{secret}] }}\n"),
        format!("admin:\n  token:\n    !{secret}\n"),
        format!("token: &p {secret}\n*p : 1\n"),
        format!("password: &p {{ {secret}: 3 }}\nadmin:\n  <<: *p\n"),
        format!("password: {{ {secret}: 3 }}\n"),
        format!("admin:\n  token: *{secret}\n"),
        format!("admin:\n  token: @{secret}\n"),
        format!("admin:\n  token: %{secret}\n"),
        format!("admin:\n  token: |{secret}\n"),
    ] {
        let messages = file(&text).1;
        assert!(!messages.is_empty(), "{text}");
        assert!(!messages.contains(&secret[..8]), "{text}\n{messages}");
    }
}

/// The secrets of the settings are in keys that are mistyped, in their names, and in values that are meant for others.
#[test]
fn no_problem_shows_a_secret_whose_key_is_mistyped() {
    let secret = "Zq7Wk2Rv9Xj4Mp8T";
    for text in [
        format!("admin: {{ token:{secret} }}\n"),
        format!("admin: {{ token {secret} }}\n"),
        format!("admin: {{ \"token: {secret}\" }}\n"),
        format!("admin: {{ \"password={secret}\": x }}\n"),
        format!("\"password={secret}\": x\n"),
        format!("admin: {{ token:a`{secret} }}\n"),
        format!("admin: {{ url:https://u:{secret}@a.test/x }}\n"),
        format!("admin: {{ url:https://hooks.a.test/services/{secret} }}\n"),
        format!("admin: {{ url:https://hooks.a.test/services/a`b` {secret} }}\n"),
        format!("admin: {{ endpoint:{secret} }}\n"),
        format!("routing_key:{secret}\n"),
        format!("{{ routing_key:{secret} }}\n"),
        format!("heartbeat: {{ url: !{secret} }}\n"),
        format!("heartbeat: {{ url: !!int {secret} }}\n"),
        format!("telemetry: {{ endpoint: !{secret} }}\n"),
        format!("telemetry: {{ headers: {{ x-team: !{secret} }} }}\n"),
        format!("telemetry: {{ headers: {{ x-team: !!int '{secret}' }} }}\n"),
        format!("telemetry: {{ headers: [!{secret}] }}\n"),
        format!("telemetry: {{ headers: !{secret} }}\n"),
        format!("telemetry:\n  headers:\n    x-team: !{secret}\n"),
        format!("telemetry:\n  headers:\n    x-team: \"${{env:{secret}\"\n"),
        format!("admin: {{ listen: \"http://u:{secret}@127.0.0.1:3\" }}\n"),
        format!("admin: {{ listen: \"http://{secret}@127.0.0.1:3\" }}\n"),
        format!("admin: {{ listen: \"http://127.0.0.1:3/?token={secret}\" }}\n"),
        format!("admin: {{ listen: \"http://127.0.0.1:3/?x={secret}\" }}\n"),
        format!("admin: {{ listen: \"http://127.0.0.1:3/?x=a`{secret}\" }}\n"),
        format!("admin: {{ hosts: [\"http://u:{secret}@a.test\"] }}\n"),
        format!("concurrency: \"http://u:{secret}@127.0.0.1:3\"\n"),
        format!("concurrency: \"http://127.0.0.1:3/?x={secret}\"\n"),
        format!(
            "concurrency: \"http://u:{secret}{}@127.0.0.1:3\"\n",
            "x".repeat(80)
        ),
        format!("concurrency: \"http://{secret}{}@127.0.0.1:3\"\n", "x".repeat(80)),
        format!("block_networks: [\"http://u:a`{secret}@127.0.0.1:3\"]\n"),
        format!("\"http://u:{secret}@127.0.0.1:3\": 1\n"),
    ] {
        let messages = file(&text).1;
        assert!(!messages.is_empty(), "{text}");
        assert!(!messages.contains(&secret[..8]), "{text}\n{messages}");
    }
}

#[test]
fn problems_of_keys_that_are_no_secrets_say_which_they_are() {
    let (_, messages) = file("admin: { listen: 'http://127.0.0.1:3/a', tokens: 1, uri: https://a.test/ }");
    insta::assert_snapshot!(messages, @"
    canary.yaml:1:18: `admin.listen`: invalid listen address `http://127.0.0.1:3/a`
    hint: write `127.0.0.1:9464` or `[::1]:9464`, or `admin: none`

    canary.yaml:1:42: unknown key `tokens` in `admin`
    hint: did you mean `token`?

    canary.yaml:1:53: unknown key `uri` in `admin`
    hint: known: `listen`, `token`, `tls`, `insecure`, `hosts`

    3 problems with the settings
    ");
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let file = File::read(Path::new("/no/such/canary.yaml"), &Fixed);
    let messages = file.report.finish(()).unwrap_err().to_string();
    insta::assert_snapshot!(messages, @"
    /no/such/canary.yaml: no such file

    1 problem with the settings
    ");
}

#[test]
fn many_problems_are_counted_but_not_all_listed() {
    let keys: String = (0..150).map(|key| format!("unknown-{key}: 1\n")).collect();
    let messages = file(&keys).1;
    assert!(
        messages.ends_with("\n\n... and 50 more\n\n150 problems with the settings"),
        "{messages}"
    );
}

#[test]
fn a_file_configures_access_to_the_admin_server() {
    let (file, messages) = file(
        "admin:
  listen: 0.0.0.0:9464
  token: correct-horse-battery
  tls: { certificate: admin.pem, key: /keys/admin.pem }
  hosts: [canary.example.com, \"*.monitoring.svc\"]",
    );
    assert_eq!(messages, "");
    let Access {
        token,
        tls,
        insecure,
        hosts,
    } = &file.access;
    assert_eq!(hosts, &["canary.example.com", "*.monitoring.svc"]);
    let token = token.as_ref().unwrap();
    assert!(token.matches("correct-horse-battery") && !token.matches("correct-horse-batter"));
    let tls = tls.as_ref().unwrap();
    assert!(tls.certificate.is_absolute() && tls.certificate.ends_with("admin.pem"));
    assert_eq!(tls.key, PathBuf::from("/keys/admin.pem"));
    assert!(!insecure);
    assert!(!format!("{file:?}").contains("horse"), "{file:?}");
}

#[test]
fn access_settings_that_admit_no_client_are_a_problem() {
    insta::assert_snapshot!(file("admin:\n  token: short\n  tls: { key: admin.pem }\n  insecure: 1").1, @"
    canary.yaml:2:10: `admin.token`: the token has 5 characters; allowed: 16 to 4096
    hint: generate one with `openssl rand -hex 32`

    canary.yaml:3:15: `admin.tls.key`: certificate and key must be set together: `admin.tls.certificate` is missing

    canary.yaml:4:13: `admin.insecure`: invalid boolean `1`
    hint: write `true` or `false`

    3 problems with the settings
    ");
    insta::assert_snapshot!(file("admin: { token: \"with a blank in it\", tls: { certificate: a.pem, keys: b } }").1, @"
    canary.yaml:1:17: `admin.token`: the token contains characters that are not allowed in a header
    hint: generate one with `openssl rand -hex 32`

    canary.yaml:1:59: `admin.tls.certificate`: certificate and key must be set together: `admin.tls.key` is missing

    canary.yaml:1:66: unknown key `keys` in `admin.tls`
    hint: did you mean `key`?

    3 problems with the settings
    ");
}

/// The problems of an address that is reachable from other machines, with more of the section.
fn listen_problems(listen: &str, more: &str) -> String {
    let (file, messages) = file(&format!("admin: {{ listen: '{listen}', {more} }}"));
    assert_eq!(messages, "");
    let Some(Admin::Listen(listen)) = &file.admin else {
        panic!("{:?}", file.admin);
    };
    let mut report = Report::default();
    listen.validate(&file.access, &mut report);
    let messages = report.finish(()).map_err(|problems| problems.to_string());
    let messages = messages.err().unwrap_or_default();
    let start = messages.find("canary.yaml").unwrap_or_default();
    messages[start..].to_owned()
}

#[test]
fn an_address_that_others_reach_takes_a_token_and_tls() {
    let (token, tls) = ("token: correct-horse-battery", "tls: { certificate: a, key: b }");
    insta::assert_snapshot!(listen_problems("0.0.0.0:9464", ""), @"
    canary.yaml:1:18: `admin.listen`: `0.0.0.0:9464` is not a loopback address: `admin.token` and `admin.tls` are required
    hint: set `admin.token` and `admin.tls` in the file of `--config`, listen on a loopback address, or set `admin.insecure: true` on a trusted network

    1 problem with the settings
    ");
    assert!(listen_problems("[::]:9464", token).contains("`admin.tls` is required\n"));
    assert!(listen_problems("192.0.2.1:9464", tls).contains("`admin.token` is required\n"));
    for fine in [
        "127.0.0.1:9464",
        "127.1.2.3:1",
        "[::1]:9464",
        "[::ffff:127.0.0.1]:9464",
    ] {
        assert_eq!(listen_problems(fine, ""), "");
    }
    assert_eq!(listen_problems("0.0.0.0:9464", &format!("{token}, {tls}")), "");
    assert_eq!(listen_problems("0.0.0.0:9464", "insecure: true"), "");
}

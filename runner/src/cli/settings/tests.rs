use std::any::TypeId;
use std::collections::BTreeSet;
use std::io;

use clap::{CommandFactory as _, Parser as _};
use tempfile::TempDir;

use super::super::Cli;
use super::*;
use crate::regular_file::{Owner, Session};
use crate::suite::SuiteEnvironment;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
/// Every setting with a path, and references in sections that are read in different places.
const SETTINGS: &str = "
state_dir: file-state
cache_dir: file-cache
admin: { token: '${file:admin.token}', tls: { certificate: admin.crt, key: admin.key } }
heartbeat:
  { url: 'https://localhost/', certificate: heartbeat.ca, client_certificate: heartbeat.crt, client_key: heartbeat.key }
alerts:
  notifiers:
    mail: { type: email, host: localhost, from: a@example.com, to: a@example.com, ca: mail.ca, user: me, password: '${file:mail.password}' }
    hook: { type: webhook, url: 'https://localhost/', ca: hook.ca, headers: { x: '${file:hook.header}' } }
telemetry:
  endpoint: https://localhost:4318
  certificate: all.ca
  client_certificate: all.crt
  client_key: all.key
  headers: { x: '${file:collector.header}' }
  spool: { folder: file-spool }
  traces: { certificate: traces.ca, client_certificate: traces.crt, client_key: traces.key }
  metrics: { certificate: metrics.ca, client_certificate: metrics.crt, client_key: metrics.key }
  logs: { exporter: none, certificate: logs.ca, client_certificate: logs.crt, client_key: logs.key }
";
const FOLDERS: [&str; 5] = [
    "file-state",
    "file-cache",
    "file-spool",
    "flag-state",
    "flag-cache",
];

/// The files that the settings name: those with a dot in their names.
fn files() -> Vec<&'static str> {
    let words = SETTINGS.split(|char: char| " \n,{}':".contains(char));
    let ends = [".ca", ".crt", ".key", ".token", ".password", ".header"];
    words
        .filter(|word| ends.iter().any(|end| word.ends_with(end)))
        .collect()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for name in files() {
        let text = match name.rsplit('.').next() {
            Some("ca" | "crt") => CERTIFICATE,
            Some("key") => KEY,
            _ => "correct-horse-battery",
        };
        write(name, text);
    }
    for name in FOLDERS {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        write(&format!("{name}/inside"), "of the runner");
    }
    write("canary.yaml", SETTINGS);
    write("flag.token", "correct-horse-battery");
    write("of-the-suite", "text");
    folder
}

#[test]
fn no_suite_reads_a_file_that_the_settings_name_or_refer_to() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let flags = [
        ("--config", "canary.yaml"),
        ("--admin-token-file", "flag.token"),
        ("--state-dir", "flag-state"),
        ("--cache-dir", "flag-cache"),
    ];
    let flags = flags.map(|(flag, path)| [flag.to_owned(), at(path).display().to_string()]);
    let arguments = ["canary", "run", "suite.yaml"].map(str::to_owned);
    let cli = Cli::try_parse_from(arguments.into_iter().chain(flags.into_iter().flatten())).unwrap();
    let settings = cli.host.settings(None, &SecretRegistry::default()).unwrap();
    let suite = SuiteEnvironment::new(&settings.host.references, Session::new(Owner::Suites));
    let inside = FOLDERS.map(|name| format!("{name}/inside"));
    let files = files().into_iter().chain(["canary.yaml", "flag.token"]);
    let own: BTreeSet<String> = files.map(str::to_owned).chain(inside).collect();
    assert_eq!(own.len(), 30);
    for name in own {
        let refused = suite.file(&at(&name)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{name}");
    }
    assert_eq!(suite.file(&at("of-the-suite")).unwrap(), b"text");
}

/// A flag with a path belongs to the runner, and `HostArgs::own_paths` has it, or it is one of these.
#[test]
fn every_flag_that_names_a_path_is_classified() {
    let own = ["config", "cache_dir", "state_dir", "admin_token_file"];
    // What suites may read; certificates of others; folders above that of the runner.
    let others = [
        "suite_files",
        "xdg_cache_home",
        "xdg_state_home",
        "state_directory",
        "home",
    ];
    let command = Cli::command();
    let paths = command.get_arguments().filter(|flag| {
        let parser = flag.get_value_parser().type_id();
        parser == TypeId::of::<PathBuf>()
    });
    let paths: BTreeSet<&str> = paths.map(|flag| flag.get_id().as_str()).collect();
    assert_eq!(paths, own.into_iter().chain(others).collect());
}

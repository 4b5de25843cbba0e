use std::any::TypeId;
use std::collections::BTreeSet;
use std::io;

use clap::CommandFactory as _;
use tempfile::TempDir;

use super::super::Cli;
use super::*;
use canary_suite::SuiteEnvironment;
use canary_system::regular_file::{Owner, Session};

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
    let arguments = arguments.into_iter().chain(flags.into_iter().flatten());
    let cli = Cli::from_arguments(arguments.map(Into::into)).unwrap();
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

/// Every command that can be run, as `canary plugin list`, with something for each argument that it requires.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    fn collect(path: &[String], command: &clap::Command, commands: &mut Vec<(Vec<String>, clap::Command)>) {
        let path = [path, &[command.get_name().to_owned()]].concat();
        for inner in command.get_subcommands() {
            collect(&path, inner, commands);
        }
        if !command.has_subcommands() && !command.is_hide_set() {
            let required = command.get_positionals().filter(|one| one.is_required_set());
            let arguments = [path, vec!["x".to_owned(); required.count()]].concat();
            commands.push((arguments, command.clone()));
        }
    }
    let mut commands = Vec::new();
    collect(&[], &Cli::command(), &mut commands);
    commands
}

/// A flag with a path belongs to the runner, and `HostArgs::own_paths` has it, or it is one of these.
#[test]
fn every_flag_that_names_a_path_is_classified() {
    let own = ["config", "cache_dir", "state_dir", "admin_token_file"];
    // Suites, and what they may read; certificates of others; folders above that of the runner.
    let others = [
        "suites",
        "suite_files",
        "admin_ca",
        "xdg_cache_home",
        "xdg_state_home",
        "state_directory",
        "home",
    ];
    let mut paths = BTreeSet::new();
    for command in commands()
        .into_iter()
        .map(|(_, command)| command)
        .chain([Cli::command()])
    {
        let named = command.get_arguments().filter(|argument| {
            let value = argument.get_value_parser().type_id();
            value == TypeId::of::<PathBuf>() || value == TypeId::of::<Folder>()
        });
        paths.extend(named.map(|argument| argument.get_id().to_string()));
    }
    assert_eq!(paths, own.into_iter().chain(others).map(str::to_owned).collect());
}

/// The match that hands them on has no default for a command with new options.
#[test]
fn every_option_of_a_command_for_the_host_reaches_its_settings() {
    let options = [
        ("concurrency", "4711"),
        ("block_networks", "link-local"),
        ("suite_env", "GIVEN_*"),
        ("suite_files", "given-files"),
        ("cache_dir", "given-cache"),
        ("plugin_load_timeout", "4711s"),
        ("plugin_load_memory", "4711"),
        ("state_dir", "given-state"),
        ("admin", "127.0.0.1:4711"),
        ("admin_token_file", "given-token"),
    ];
    let mut used = BTreeSet::new();
    for (base, command) in commands() {
        for (option, value) in options {
            let Some(argument) = command
                .get_arguments()
                .find(|argument| *argument.get_id() == option)
            else {
                continue;
            };
            used.insert(option);
            let flag = format!("--{}", argument.get_long().unwrap());
            let arguments = [base.clone(), vec![flag, value.to_owned()]].concat();
            let cli = Cli::from_arguments(arguments.iter().map(Into::into)).unwrap();
            let host = format!("{:?}", cli.host);
            assert!(
                host.contains(value.trim_end_matches('s')),
                "{arguments:?}: {host}"
            );
        }
    }
    assert_eq!(used.len(), options.len());
}

#[test]
fn the_old_names_of_none_turn_the_cache_and_the_state_off() {
    let arguments =
        "canary run x --cache-dir /own/cache --no-cache --state-dir /own/state --state none".split(' ');
    let cli = Cli::from_arguments(arguments.map(Into::into)).unwrap();
    assert_eq!(cli.host.cache_dir(None), None);
    let settings = cli.host.settings(None, &SecretRegistry::default()).unwrap();
    assert_eq!(settings.state, None);
    // Another runner may use them.
    let own = settings.host.references.own_paths;
    for folder in ["/own/cache", "/own/state"] {
        assert!(own.iter().any(|path| path.ends_with(folder)), "{own:?}");
    }
}

#[test]
fn none_turns_the_cache_the_state_and_the_references_of_suites_off() {
    let options =
        "run x --cache-dir none --state-dir none --suite-env none --suite-files none --block-networks none";
    let arguments = ["canary"].into_iter().chain(options.split(' '));
    let cli = Cli::from_arguments(arguments.map(Into::into)).unwrap();
    assert_eq!(cli.host.cache_dir(Some(&Folder::At("of-the-file".into()))), None);
    let settings = cli.host.settings(None, &SecretRegistry::default()).unwrap();
    assert_eq!(settings.state, None);
    assert_eq!(settings.telemetry.spool.map(|spool| spool.folder), None);
    let references = settings.host.references;
    assert_eq!(
        (references.variables, references.files),
        (Some(Vec::new()), Some(Vec::new()))
    );
    let blocked = cli.host.blocked(Some(Networks::parse(["private"]).unwrap()));
    assert_eq!(blocked.unwrap(), Networks::default());
}

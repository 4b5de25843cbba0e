//! Certificates and keys: validated at start, read again at each connect.

use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

/// A folder with `ca.pem`, `key.pem`, `text.pem` and `broken.pem`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("ca.pem", CERTIFICATE),
        ("key.pem", KEY),
        ("text.pem", "hunter2"),
        ("broken.pem", broken),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// With these variables, the values being names of files in the folder.
fn with_files(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let paths: Vec<(&str, String)> = variables
        .iter()
        .map(|(name, file)| (*name, folder.path().join(file).display().to_string()))
        .collect();
    let mut variables: Vec<(&str, &str)> = paths.iter().map(|(name, path)| (*name, path.as_str())).collect();
    variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318"));
    let shown = format!("{}/", folder.path().display());
    with(&variables, "").map_err(|problems| problems.replace(&shown, ""))
}

#[test]
fn files_are_named_for_all_signals_or_for_one() {
    let folder = folder();
    let settings = with_files(
        &folder,
        &[
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
            ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", "ca.pem"),
            ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "key.pem"),
        ],
    )
    .unwrap();
    let path = |name: &str| Some(folder.path().join(name));
    let all = TlsFiles {
        ca: path("ca.pem"),
        ..TlsFiles::default()
    };
    assert_eq!(destination(&settings, Signal::Traces).tls, all);
    let own = TlsFiles {
        ca: path("ca.pem"),
        client_certificate: path("ca.pem"),
        client_key: path("key.pem"),
        ..TlsFiles::default()
    };
    assert_eq!(destination(&settings, Signal::Logs).tls, own);
}

#[test]
fn a_path_of_the_file_is_relative_to_the_file() {
    let folder = folder();
    let path = folder.path().join("canary.yaml");
    std::fs::write(
        &path,
        "telemetry: { endpoint: 'https://collector', certificate: ca.pem }",
    )
    .unwrap();
    let file = File::read(&path, &Fixed(&[]));
    let settings = read(file.telemetry, &Fixed(&[]), None, file.report).unwrap();
    assert_eq!(
        destination(&settings, Signal::Traces).tls.ca,
        Some(folder.path().join("ca.pem"))
    );
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_refused_without_quoting_it() {
    let problems = with_files(
        &folder(),
        &[
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "missing.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "text.pem"),
            ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "broken.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "key.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "ca.pem"),
        ],
    )
    .unwrap_err();
    assert!(!problems.contains("hunter2"));
    insta::assert_snapshot!(problems, @"
    `OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE`: the file `text.pem` contains no certificate in PEM format

    `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`: the file `key.pem` contains no certificate in PEM format

    `OTEL_EXPORTER_OTLP_CLIENT_KEY`: the file `ca.pem` contains no private key in PEM format

    `OTEL_EXPORTER_OTLP_CERTIFICATE`: the file `missing.pem` does not exist

    `OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE`: the file `broken.pem` contains an invalid certificate: invalid base64 in a section

    5 problems with the settings
    ");
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let folder = folder();
    let problems = |name| with_files(&folder, &[(name, "ca.pem")]).unwrap_err();
    insta::assert_snapshot!(problems("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"), @"
    `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`: requires a client key
    hint: set `OTEL_EXPORTER_OTLP_CLIENT_KEY`, or `client_key` in the file

    1 problem with the settings
    ");
    let key = [("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "key.pem")];
    insta::assert_snapshot!(with_files(&folder, &key).unwrap_err(), @"
    `OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY`: requires a client certificate
    hint: set `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, or `client_certificate` in the file

    1 problem with the settings
    ");
}

#[test]
fn files_of_a_signal_that_is_not_sent_need_not_be_here() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file.pem"),
        ("OTEL_SDK_DISABLED", "true"),
    ];
    assert!(with(&variables, "").is_ok());
}

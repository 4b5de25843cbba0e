use std::io;

use super::*;
use canary_settings::File;
use canary_suite::ProcessEnvironment;

mod broken;
mod endpoints;
mod files;
mod precedence;
mod right;
mod secrets;

/// An environment with these variables and the files on disk.
struct Fixed<'a>(&'a [(&'a str, &'a str)]);

impl Environment for Fixed<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let set = self.0.iter().find(|(known, _)| *known == name);
        set.map(|(_, value)| (*value).to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        ProcessEnvironment.file(path)
    }
}

/// The settings from these variables and the `telemetry` section of this file.
fn with(variables: &[(&str, &str)], telemetry: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    let lines: String = telemetry.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(&path, format!("telemetry:\n{lines}")).unwrap();
    let environment = Fixed(variables);
    let file = File::read(&path, &environment);
    let settings = read(
        file.telemetry,
        &environment,
        Some(Path::new("/state")),
        file.report,
    );
    settings.map_err(|problems| {
        let folder = format!("{}/", folder.path().display());
        problems.to_string().replace(&folder, "")
    })
}

fn from_variables(variables: &[(&str, &str)]) -> Settings {
    with(variables, "").unwrap()
}

fn from_file(telemetry: &str) -> Settings {
    with(&[], telemetry).unwrap()
}

/// The reported problems.
fn problems(variables: &[(&str, &str)], telemetry: &str) -> String {
    with(variables, telemetry).unwrap_err()
}

fn destination(settings: &Settings, signal: Signal) -> &Destination {
    match settings.exporter(signal) {
        Exporter::Otlp(destination) => destination,
        other => panic!("{} go nowhere: {other:?}", signal.as_str()),
    }
}

/// The three URLs, or the other exporters.
fn urls(settings: &Settings) -> [&str; 3] {
    Signal::ALL.map(|signal| match settings.exporter(signal) {
        Exporter::Otlp(destination) => destination.url.as_str(),
        Exporter::Console => "console",
        Exporter::None => "none",
        Exporter::Simulated(_) => "simulated",
    })
}

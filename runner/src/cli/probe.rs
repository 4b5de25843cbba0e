//! `canary probe`: one check without a suite.

mod document;
mod setting;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::output::RunOutput;
use super::settings::{PluginArgs, RestrictionArgs};
use super::single_runs::{print_runs, run_once};
use super::units;
use super::variables::VariableArgs;
use crate::app::Host;
use crate::app::load::{Loaded, load_text};
use canary_console::Console;
use canary_run::outcome::Run;
use canary_run::report::{self, Screen};
use canary_sandbox::plugin::EMBEDDED;
use canary_suite::{Problem, Problems};
use document::{Document, Origin};
use setting::Setting;

/// Source of problems that no argument is responsible for.
const SOURCE: &str = "command line";
/// Prefix of problems of the check.
const OF_CHECK: &str = "check `probe`: ";
/// Prefix of problems of a plugin that is given as a file.
const OF_PLUGIN: &str = "plugin `plugin`: ";
/// Part of a hint that makes no sense without a suite.
const DECLARE: &str = "declare it under `vars`, or ";

/// A check that is configured by arguments.
#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Built-in plugin (`http`, `tls`, `tcp`, `script`) or path of a plugin file.
    plugin: String,
    /// Target to check, in the plugin's syntax.
    target: String,
    /// Plugin setting as JSON or text, such as `expect.status=[200,204]`; repeatable.
    ///
    /// Quote keys that contain dots (`headers."a.b"=c`), except for a JSONPath: `expect.json.$.a.b=5`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<Setting>,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
    /// Additional destination to allow, as under `allow` in a suite; repeatable.
    #[arg(long, value_name = "DESTINATION")]
    allow: Vec<String>,
    /// Deadline of the run.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    timeout: Duration,
    #[command(flatten)]
    pub(super) output: RunOutput,
    #[command(flatten)]
    pub(super) restrictions: RestrictionArgs,
    #[command(flatten)]
    pub(super) plugins: PluginArgs,
}

/// Two settings that contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("`--set {key}`: another `--set` gives a value where this one needs a mapping")]
pub(super) struct Contradiction {
    key: String,
}

impl ProbeArgs {
    /// Loads the check, or returns the problems of the arguments. A number is retried as text where the plugin wants
    /// a text.
    async fn load(&self, host: &Host) -> anyhow::Result<Loaded> {
        let first_attempt = match self.load_with(&BTreeSet::new(), host).await? {
            Ok(loaded) => return Ok(loaded),
            Err(invalid) => invalid,
        };
        let mut as_text: BTreeSet<usize> = first_attempt
            .settings
            .into_iter()
            .filter(|index| self.settings.get(*index).is_some_and(Setting::may_be_text))
            .collect();
        if as_text.is_empty() {
            return Err(first_attempt.problems.into());
        }
        match self.load_with(&as_text, host).await? {
            Ok(loaded) => return Ok(loaded),
            Err(invalid) => as_text.retain(|index| !invalid.settings.contains(index)),
        }
        match self.load_with(&as_text, host).await? {
            Ok(loaded) => Ok(loaded),
            Err(invalid) => Err(invalid.problems.into()),
        }
    }

    async fn load_with(
        &self,
        as_text: &BTreeSet<usize>,
        host: &Host,
    ) -> Result<Result<Loaded, InvalidArguments>, Contradiction> {
        let document = Document::new(self, as_text)?;
        let loaded = load_text(Path::new(SOURCE), document.text.clone(), host).await;
        Ok(loaded.map_err(|problems| InvalidArguments::new(problems, &document, &self.settings)))
    }
}

/// Problems of the arguments.
struct InvalidArguments {
    problems: Problems,
    /// Indices of the settings that have problems.
    settings: BTreeSet<usize>,
}

impl InvalidArguments {
    fn new(problems: Problems, document: &Document, arguments: &[Setting]) -> Self {
        let origins = problems.iter().map(|problem| origin(problem, document));
        let settings = origins.filter_map(|origin| match origin {
            Origin::Setting(index) => Some(index),
            _ => None,
        });
        Self {
            settings: settings.collect(),
            problems: problems.map(|problem| attribute_to_argument(problem, document, arguments)),
        }
    }
}

fn origin(problem: &Problem, document: &Document) -> Origin {
    problem
        .at()
        .map_or(Origin::Command, |at| document.origin(at.line))
}

/// Attributes a problem to the argument instead of the generated line.
fn attribute_to_argument(problem: Problem, document: &Document, arguments: &[Setting]) -> Problem {
    let origin = origin(&problem, document);
    let argument = match origin {
        Origin::Command => SOURCE.to_owned(),
        Origin::Plugin => "PLUGIN".to_owned(),
        Origin::Target => "TARGET".to_owned(),
        Origin::Timeout => "--timeout".to_owned(),
        Origin::Allow => "--allow".to_owned(),
        Origin::Setting(index) => {
            let key = arguments.get(index).map(|setting| setting.key.as_str());
            format!("--set {}", key.unwrap_or_default())
        }
    };
    let mut problem = problem.moved_to(Path::new(&argument));
    for subject in [OF_CHECK, OF_PLUGIN] {
        if let Some(message) = problem.message.strip_prefix(subject) {
            problem.message = message.to_owned();
        }
    }
    if origin == Origin::Plugin && problem.message.starts_with("cannot read") {
        let names = EMBEDDED.join("`, `");
        problem.hint = Some(format!(
            "built in: `{names}`; anything else is the path of a plugin"
        ));
    }
    if let Some(hint) = problem
        .hint
        .as_deref()
        .and_then(|hint| hint.strip_prefix(DECLARE))
    {
        problem.hint = Some(hint.to_owned());
    }
    problem
}

/// Runs the check once and prints the result.
pub(super) async fn probe(
    args: &ProbeArgs,
    host: &Host,
    console: &Console,
    screen: Screen,
) -> anyhow::Result<u8> {
    let loaded = args.load(host).await?;
    let dispatcher = host.dispatcher(loaded.plugins).with_conversations();
    let runs = run_once(&loaded.suite.checks, &dispatcher, host).await?;
    if args.output.is_human() {
        runs.iter()
            .try_for_each(|run| console.print(&format_in_full(run, screen)))?;
    }
    print_runs(&runs, args.output.with_details(), console, screen)
}

/// The steps of the run, and its conversation with its peers.
fn format_in_full(run: &Run, screen: Screen) -> String {
    let steps = report::steps(run, screen);
    let conversation = report::conversation(run, screen);
    format!("{steps}\n{conversation}\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        probe: ProbeArgs,
    }

    fn arguments(arguments: &[&str]) -> ProbeArgs {
        let arguments = [&["canary"], arguments].concat();
        Arguments::try_parse_from(arguments).unwrap().probe
    }

    fn suite(given: &[&str], as_text: &[usize]) -> Result<Value, Contradiction> {
        let as_text = as_text.iter().copied().collect();
        let document = Document::new(&arguments(given), &as_text)?;
        Ok(serde_json::from_str(&document.text).unwrap())
    }

    #[test]
    fn settings_are_merged_into_one_configuration() {
        let set = [
            "--set",
            "method=HEAD",
            "--set",
            "expect.status=[200,204]",
            "--set",
            r#"expect.latency={"warn": "1 s"}"#,
            "--set",
            "expect.latency.fail=2 s",
            "--set",
            "headers.a=1",
        ];
        let given = [&["http", "https://a.test", "--timeout", "1m"], set.as_slice()].concat();
        let suite = suite(&given, &[4]).unwrap();
        let check = &suite["checks"][0];
        let latency = json!({ "warn": "1 s", "fail": "2 s" });
        let expect = json!({ "status": [200, 204], "latency": latency });
        let config = json!({ "method": "HEAD", "expect": expect, "headers": { "a": "1" } });
        assert_eq!(check["config"], config);
        assert_eq!(
            (&check["plugin"], &check["timeout"]),
            (&json!("http"), &json!("60s"))
        );
        assert_eq!(suite["plugins"], json!({}));
    }

    #[test]
    fn a_plugin_that_is_not_built_in_is_a_file() {
        let suite = suite(&["./redis.wasm", "a:1", "--allow", "tcp://b:2"], &[]).unwrap();
        assert_eq!(suite["plugins"]["plugin"]["path"], "./redis.wasm");
        assert_eq!(suite["checks"][0]["plugin"], "plugin");
        assert_eq!(suite["checks"][0]["allow"], json!(["tcp://b:2"]));
    }

    #[test]
    fn settings_that_cannot_both_hold_are_refused() {
        let contradiction = suite(&["http", "x", "--set", "a=1", "--set", "a.b=2"], &[]).unwrap_err();
        assert!(
            contradiction.to_string().starts_with("`--set a.b`"),
            "{contradiction}"
        );
    }

    #[test]
    fn each_line_knows_its_argument() {
        let given = arguments(&["http", "x", "--set", "a.b=1", "--set", "c=2", "--set", "a.d=3"]);
        let document = Document::new(&given, &BTreeSet::new()).unwrap();
        let lines = document.text.lines().zip(1..);
        let of = |wanted: &str| {
            let (_, number) = lines.clone().find(|(line, _)| line.starts_with(wanted)).unwrap();
            document.origin(number)
        };
        for (line, origin) in [
            ("\"target\"", Origin::Target),
            ("\"plugin\"", Origin::Plugin),
            ("\"timeout\"", Origin::Timeout),
            ("\"allow\"", Origin::Allow),
            ("\"config\"", Origin::Command),
            ("\"a\"", Origin::Setting(0)),
            ("\"b\"", Origin::Setting(0)),
            ("\"d\"", Origin::Setting(2)),
            ("3", Origin::Setting(2)),
            ("\"c\"", Origin::Setting(1)),
        ] {
            assert_eq!(of(line), origin, "{line}");
        }
    }
}

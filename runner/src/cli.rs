//! The command line: the only place that reads arguments and the environment.

mod admin_client;
mod alert;
mod check;
mod client;
mod log;
mod probe;
mod run;
mod settings;
mod units;
mod usage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use url::Url;

use log::LogArgs;
use probe::ProbeArgs;
pub use run::run;
use settings::HostArgs;

use crate::plugin::isolated::{SUBCOMMAND, WorkerLimits};
use crate::report::Detail;
use crate::suite::{VariableOverride, VariableOverrides};

/// The end of `canary --help`.
const EXIT_CODES_AND_EXAMPLES: &str = "\
Exit codes:
  0      success; for `check` and `probe`: every run passed or warned
  1      a check, readiness probe or test alert failed, or any other error
  2      a run was stopped or a plugin faulted, or a limit of the process is too low
  3      the suite is invalid
  64     invalid usage or settings
  124    `run` did not stop within `--grace` and 15 s
  128+N  a second signal, number N, ended the process at once

Examples:
  canary probe http https://example.com/       Run a single check
  canary check suite.yaml                      Run every check of a suite once
  canary run --config canary.yaml suite.yaml   Run a suite on its schedule
  canary status                                Show the health of a running instance";

/// Health checks that can't go silent.
#[derive(Debug, Parser)]
#[command(
    name = "canary",
    version,
    about,
    after_long_help = EXIT_CODES_AND_EXAMPLES,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    log: LogArgs,
}

impl Cli {
    /// Parses the arguments and their environment variables, and records which of the two each value is from.
    ///
    /// # Errors
    /// The arguments are invalid, or ask for the help or the version.
    fn parse_with_sources(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let parsed = Self::from_arg_matches(&matches);
        let mut cli = parsed.map_err(|error| error.format(&mut Self::command()))?;
        cli.host.record_sources(&matches);
        Ok(cli)
    }

    /// Whether the command runs until it is stopped.
    fn is_service(&self) -> bool {
        matches!(
            self.command,
            Command::Local(LocalCommand::Run { .. } | LocalCommand::Demo { once: false, .. })
        )
    }

    /// Overrides of suite variables.
    fn variables(&self) -> VariableOverrides {
        let given = match &self.command {
            Command::Local(
                LocalCommand::Run { variables, .. }
                | LocalCommand::Check { variables, .. }
                | LocalCommand::Validate { variables, .. }
                | LocalCommand::Probe(ProbeArgs { variables, .. }),
            ) => variables.given.as_slice(),
            _ => &[],
        };
        given.iter().cloned().collect()
    }

    /// Whether the command reloads its suite on SIGHUP.
    fn reloads(&self) -> bool {
        matches!(self.command, Command::Local(LocalCommand::Run { .. }))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Local(LocalCommand),
    #[command(flatten)]
    Client(ClientCommand),
    /// Examine a plugin for the parent process.
    #[command(name = SUBCOMMAND, hide = true)]
    PluginWorker(WorkerLimits),
}

/// Commands that run in this process.
#[derive(Debug, Subcommand)]
enum LocalCommand {
    /// Run a suite on its schedule until SIGTERM or SIGINT, printing status changes.
    Run {
        /// Suite files, or folders of them; all together form one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
        /// How long running checks may take to finish after SIGTERM.
        #[arg(long, default_value = "10s", value_parser = units::duration)]
        grace: Duration,
    },
    /// Run every check once and exit.
    Check {
        /// Suite files, or folders of them; all together form one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
        /// Run only checks with this name; may be repeated.
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Report every problem of a suite without running it.
    Validate {
        /// Suite files, or folders of them; all together form one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
    },
    /// Run one check without a suite and show its steps and wire traffic.
    Probe(ProbeArgs),
    /// Run a demo suite against local targets, including a leaking plugin.
    Demo {
        /// Run each check once, print the results and exit.
        #[arg(long)]
        once: bool,
        /// Export telemetry to this collector, such as `http://127.0.0.1:4318`.
        #[arg(long, value_name = "URL")]
        otlp: Option<Url>,
    },
    /// Test alert notifiers.
    #[command(subcommand)]
    Alert(AlertCommand),
    /// List and inspect plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print the JSON Schema of suites, for editors.
    Schema,
}

/// Clients of the admin API of a running instance.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Show the health of a running instance and its checks.
    Status {
        /// Print the JSON response of the admin API.
        #[arg(long)]
        json: bool,
        /// Print liveness or readiness in one line; exits 0 or 1.
        #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["check", "limit"])]
        probe: Option<Probe>,
        /// Show only checks with this name or id.
        #[arg(long, value_name = "NAME")]
        check: Option<String>,
        /// Maximum number of rows, up to 100000 [default: 1000]
        #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: Option<u32>,
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
    /// List open connections and recently reclaimed ones.
    Connections {
        /// Print the JSON response of the admin API.
        #[arg(long)]
        json: bool,
        /// Show only connections of checks with this name or id.
        #[arg(long, value_name = "NAME")]
        check: Option<String>,
        /// Maximum number of rows, up to 100000 [default: 1000]
        #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: Option<u32>,
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
    /// Watch a running instance, worst checks first, until `q` or Ctrl-C.
    Top {
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
    /// Reload the suite and report the result (requires the admin token).
    Reload {
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
}

#[derive(Debug, Args)]
struct AdminClientArgs {
    /// CA certificates (PEM) for the admin server [default: system roots]
    #[arg(long, value_name = "FILE")]
    admin_ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Probe {
    Live,
    Ready,
}

#[derive(Debug, Subcommand)]
enum AlertCommand {
    /// Send a test alert (firing, then resolved) through the configured notifiers.
    Test {
        /// Names of the notifiers to test [default: all]
        #[arg(value_name = "NOTIFIER")]
        notifiers: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// List the built-in plugins.
    List,
    /// Show a plugin's metadata and config schema.
    Inspect {
        /// Built-in plugin (`http`, `tls`, `tcp`) or path of a plugin file.
        plugin: String,
        /// Print only the JSON Schema of its `config`.
        #[arg(long)]
        schema: bool,
    },
}

/// Overrides of suite variables.
#[derive(Debug, Clone, Args)]
struct VariableArgs {
    /// Set a suite variable (`${var:NAME}`), overriding `vars`; may be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    given: Vec<VariableOverride>,
}

/// Output options of `canary check` and `canary probe`.
#[derive(Debug, Clone, Copy, Args)]
struct Output {
    /// Output format; `json` and `junit` have all details of every run.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Print all assertions, measurements and attributes, also of passed runs.
    #[arg(long)]
    verbose: bool,
}

impl Output {
    fn is_human(self) -> bool {
        matches!(self.format, Format::Human)
    }

    /// With every detail.
    fn with_details(self) -> Self {
        Self {
            verbose: true,
            ..self
        }
    }

    fn detail(self) -> Detail {
        if self.verbose {
            Detail::Everything
        } else {
            Detail::Problems
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Human,
    Json,
    Junit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_an_argument_or_command_is_one_short_line() {
        fn lengths(command: &clap::Command, too_long: &mut Vec<String>) {
            let arguments = command.get_arguments().filter_map(clap::Arg::get_help);
            for help in arguments.chain(command.get_about()) {
                let help = help.to_string();
                if help.contains('\n') || help.chars().count() >= 80 {
                    too_long.push(help);
                }
            }
            for subcommand in command.get_subcommands() {
                lengths(subcommand, too_long);
            }
        }
        let mut too_long = Vec::new();
        lengths(&Cli::command(), &mut too_long);
        assert_eq!(too_long, [""; 0]);
    }
}

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

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

use log::LogArgs;
use probe::ProbeArgs;
pub use run::run;
use settings::HostArgs;

use crate::plugin::isolated::{SUBCOMMAND, WorkerLimits};
use crate::report::Detail;
use crate::suite::{VariableOverride, VariableOverrides};

/// Health checks that can't go silent.
#[derive(Debug, Parser)]
#[command(
    name = "canary",
    version,
    about,
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
    /// Examine a plugin for the process that starts this.
    #[command(name = SUBCOMMAND, hide = true)]
    PluginWorker(WorkerLimits),
}

/// They run something themselves.
#[derive(Debug, Subcommand)]
enum LocalCommand {
    /// Run a suite at its cadence until SIGTERM or SIGINT, and print every change of status.
    Run {
        /// Suite files or folders of them; together they are one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
        /// How long runs under way may go on after the signal.
        #[arg(long, default_value = "10s", value_parser = units::duration)]
        grace: Duration,
    },
    /// Run every check once, now.
    Check {
        /// Suite files or folders of them; together they are one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
        /// Only the checks of this name; may be given several times.
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Find every problem of a suite, and run nothing.
    Validate {
        /// Suite files or folders of them; together they are one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
    },
    /// Run one check without a suite, and show what it did and what was said on the wire.
    Probe(ProbeArgs),
    /// Run a bundled suite against bundled targets on loopback, the leaking one included.
    Demo {
        /// Run each check once, print, and exit.
        #[arg(long)]
        once: bool,
        /// Send the demo's telemetry to this collector, such as `http://127.0.0.1:4318`.
        #[arg(long, value_name = "URL")]
        otlp: Option<Url>,
    },
    /// Try what tells people of alerts.
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Look at plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print the JSON Schema of a suite, for editors.
    Schema,
}

/// They ask a runner that is going, at its admin address.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Ask a runner how it is, and how its checks are.
    Status {
        /// Print what the runner answers, as JSON.
        #[arg(long)]
        json: bool,
        /// Only say whether the runner is alive, or all is well with it: one line, and 0 or 1.
        #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["check", "limit"])]
        probe: Option<Probe>,
        /// Only the checks of this name or id.
        #[arg(long, value_name = "NAME")]
        check: Option<String>,
        /// Lines at most, 1 to 100000; 1000 unless told otherwise.
        #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: Option<u32>,
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
    /// Ask a runner who holds which connection, and which ones it had to close.
    Connections {
        /// Print what the runner answers, as JSON.
        #[arg(long)]
        json: bool,
        /// Only those of the checks of this name or id.
        #[arg(long, value_name = "NAME")]
        check: Option<String>,
        /// Lines at most, 1 to 100000; 1000 unless told otherwise.
        #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: Option<u32>,
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
    /// Watch a runner, the worst checks first, until `q` or Ctrl-C.
    Top {
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
    /// Have a runner read its suite again, and wait for what comes of it. Takes the runner's token.
    Reload {
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
}

#[derive(Debug, Args)]
struct AdminClientArgs {
    /// Certificates that the runner's own may end in, in PEM; the system's unless told otherwise.
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
    /// Tell of an alert that begins and is over, through each notifier of the file of `--config`.
    Test {
        /// Only these; all of them when none is named.
        #[arg(value_name = "NOTIFIER")]
        notifiers: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// The plugins that are compiled in.
    List,
    /// What a plugin says of itself: an embedded one by name, another by its file.
    Inspect {
        /// `http`, `tls`, `tcp`, or a path.
        plugin: String,
        /// Only the JSON Schema of its `config:`.
        #[arg(long)]
        schema: bool,
    },
}

/// What a suite is to have instead of what it says.
#[derive(Debug, Clone, Args)]
struct VariableArgs {
    /// Value of a variable of the suite (`${var:NAME}`), over its `vars`; may be given several times.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    given: Vec<VariableOverride>,
}

/// How `canary check` prints.
#[derive(Debug, Clone, Copy, Args)]
struct Output {
    /// What to print; `json` and `junit` have everything that a run found.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Print every assertion, measurement and attribute, also of runs that passed.
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
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

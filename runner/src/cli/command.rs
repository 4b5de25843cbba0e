//! The commands and their options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
#[cfg(feature = "demo")]
use url::Url;

use super::output::{ResponseOutput, RunOutput};
use super::probe::ProbeArgs;
use super::settings::{AdminArgs, ConcurrencyArgs, GivenArgs, PluginArgs, RestrictionArgs, StateArgs};
use super::variables::VariableArgs;
use super::{help, units};
use canary_sandbox::plugin::isolated::{SUBCOMMAND, WorkerLimits};

/// A command with its arguments.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Local(LocalCommand),
    #[command(flatten)]
    Client(ClientCommand),
    /// Examine a plugin for the parent process.
    #[command(name = SUBCOMMAND, hide = true)]
    PluginWorker(WorkerLimits),
}

impl Command {
    /// The groups of options that the command has.
    pub(super) fn given(&self) -> GivenArgs<'_> {
        match self {
            Self::Local(command) => command.given(),
            Self::Client(command) => GivenArgs {
                admin: Some(&command.admin_client().admin),
                ..GivenArgs::default()
            },
            Self::PluginWorker(_) => GivenArgs::default(),
        }
    }
}

/// Commands that run in this process.
#[derive(Debug, Subcommand)]
pub(super) enum LocalCommand {
    /// Run a suite on its schedule until SIGTERM or SIGINT, printing status changes.
    #[command(after_long_help = help::RUN)]
    Run {
        /// Suite files, or folders of them; all together form one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
        /// How long running checks may take to finish after SIGTERM.
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
        grace: Duration,
        #[command(flatten)]
        concurrency: ConcurrencyArgs,
        #[command(flatten)]
        restrictions: RestrictionArgs,
        #[command(flatten)]
        plugins: PluginArgs,
        #[command(flatten)]
        state: StateArgs,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Run every check once and exit.
    #[command(after_long_help = help::CHECK)]
    Check {
        /// Suite files, or folders of them; all together form one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
        /// Run only checks with this name or id; may be repeated.
        #[arg(long = "check", alias = "only", value_name = "NAME")]
        wanted: Vec<String>,
        #[command(flatten)]
        output: RunOutput,
        #[command(flatten)]
        concurrency: ConcurrencyArgs,
        #[command(flatten)]
        restrictions: RestrictionArgs,
        #[command(flatten)]
        plugins: PluginArgs,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Report every problem of a suite without running it.
    #[command(after_long_help = help::VALIDATE)]
    Validate {
        /// Suite files, or folders of them; all together form one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        #[command(flatten)]
        variables: VariableArgs,
        #[command(flatten)]
        concurrency: ConcurrencyArgs,
        #[command(flatten)]
        restrictions: RestrictionArgs,
        #[command(flatten)]
        plugins: PluginArgs,
    },
    /// Run one check without a suite and show its steps and wire traffic.
    #[command(after_long_help = help::PROBE)]
    Probe(ProbeArgs),
    /// Run a demo suite against local targets, including a leaking plugin.
    #[cfg(feature = "demo")]
    #[command(after_long_help = help::DEMO)]
    Demo {
        /// Run each check once, print the results and exit.
        #[arg(long)]
        once: bool,
        /// Export telemetry to this collector, such as `http://127.0.0.1:4318`.
        #[arg(long, value_name = "URL")]
        otlp: Option<Url>,
        #[command(flatten)]
        concurrency: ConcurrencyArgs,
        #[command(flatten)]
        plugins: PluginArgs,
        #[command(flatten)]
        state: StateArgs,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Test alert notifiers.
    #[command(subcommand, after_long_help = help::ALERT)]
    Alert(AlertCommand),
    /// List and inspect plugins.
    #[command(subcommand, after_long_help = help::PLUGIN)]
    Plugin(PluginCommand),
    /// Print the JSON Schema of suites, for editors.
    #[command(after_long_help = help::SCHEMA)]
    Schema {
        #[command(flatten)]
        plugins: PluginArgs,
    },
}

impl LocalCommand {
    /// The groups of options that the command has.
    fn given(&self) -> GivenArgs<'_> {
        match self {
            Self::Run {
                concurrency,
                restrictions,
                plugins,
                state,
                admin,
                ..
            } => GivenArgs {
                concurrency: Some(concurrency),
                restrictions: Some(restrictions),
                plugins: Some(plugins),
                state: Some(state),
                admin: Some(admin),
            },
            Self::Check {
                concurrency,
                restrictions,
                plugins,
                state,
                ..
            } => GivenArgs {
                concurrency: Some(concurrency),
                restrictions: Some(restrictions),
                plugins: Some(plugins),
                state: Some(state),
                admin: None,
            },
            Self::Validate {
                concurrency,
                restrictions,
                plugins,
                ..
            } => GivenArgs {
                concurrency: Some(concurrency),
                restrictions: Some(restrictions),
                plugins: Some(plugins),
                ..GivenArgs::default()
            },
            Self::Probe(ProbeArgs {
                restrictions,
                plugins,
                ..
            }) => GivenArgs {
                restrictions: Some(restrictions),
                plugins: Some(plugins),
                ..GivenArgs::default()
            },
            #[cfg(feature = "demo")]
            Self::Demo {
                concurrency,
                plugins,
                state,
                admin,
                ..
            } => GivenArgs {
                concurrency: Some(concurrency),
                plugins: Some(plugins),
                state: Some(state),
                admin: Some(admin),
                restrictions: None,
            },
            Self::Plugin(PluginCommand::List { plugins } | PluginCommand::Inspect { plugins, .. })
            | Self::Schema { plugins } => GivenArgs {
                plugins: Some(plugins),
                ..GivenArgs::default()
            },
            Self::Alert(AlertCommand::Test { .. }) => GivenArgs::default(),
        }
    }
}

/// Clients of the admin API of a running instance.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Show the health of a running instance and its checks.
    #[command(after_long_help = help::STATUS)]
    Status {
        #[command(flatten)]
        output: ResponseOutput,
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
    #[command(after_long_help = help::CONNECTIONS)]
    Connections {
        #[command(flatten)]
        output: ResponseOutput,
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
    #[command(after_long_help = help::TOP)]
    Top {
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
    /// Reload the suite and report the result (requires the admin token).
    #[command(after_long_help = help::RELOAD)]
    Reload {
        #[command(flatten)]
        admin_client: AdminClientArgs,
    },
}

impl ClientCommand {
    pub(super) fn admin_client(&self) -> &AdminClientArgs {
        let (Self::Status { admin_client, .. }
        | Self::Connections { admin_client, .. }
        | Self::Top { admin_client }
        | Self::Reload { admin_client }) = self;
        admin_client
    }
}

/// How a client connects to the admin API.
#[derive(Debug, Args)]
#[command(next_help_heading = "Admin options")]
pub(super) struct AdminClientArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// CA certificates (PEM) for the admin server [default: system roots]
    #[arg(long, value_name = "FILE")]
    pub(super) admin_ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Probe {
    Live,
    Ready,
}

#[derive(Debug, Subcommand)]
pub(super) enum AlertCommand {
    /// Send a test alert (firing, then resolved) through the configured notifiers.
    #[command(after_long_help = help::ALERT_TEST)]
    Test {
        /// Names of the notifiers to test [default: all]
        #[arg(value_name = "NOTIFIER")]
        notifiers: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// List the built-in plugins.
    #[command(after_long_help = help::PLUGIN_LIST)]
    List {
        #[command(flatten)]
        plugins: PluginArgs,
    },
    /// Show a plugin's metadata and config schema.
    #[command(after_long_help = help::PLUGIN_INSPECT)]
    Inspect {
        /// Built-in plugin (`http`, `tls`, `tcp`, `script`) or path of a plugin file.
        plugin: String,
        /// Print only the JSON Schema of its `config`.
        #[arg(long)]
        schema: bool,
        #[command(flatten)]
        plugins: PluginArgs,
    },
}

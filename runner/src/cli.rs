//! The command line: the only place that reads arguments and the environment.

mod admin_client;
mod alert;
mod check;
mod client;
mod command;
#[cfg(feature = "demo")]
mod demo;
mod help;
mod log;
mod output;
mod preparation;
mod probe;
mod run;
mod settings;
mod single_runs;
mod units;
mod usage;
mod variables;

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
use url::Url;

use command::{Command, LocalCommand};
use log::LogArgs;
use probe::ProbeArgs;
pub use run::run;
use settings::{GlobalArgs, HostArgs};

use canary_suite::VariableOverrides;

/// Health checks that can't go silent.
#[derive(Debug, Parser)]
#[command(
    name = "canary",
    version,
    about,
    after_long_help = help::CANARY,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    log: LogArgs,
    /// The options of the command that configure the host, and the variables of those that it does not have.
    #[arg(skip)]
    host: HostArgs,
}

impl Cli {
    /// Parses the arguments and the environment variables.
    ///
    /// # Errors
    /// The arguments or a variable are invalid, or the arguments ask for the help or the version.
    fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let parsed = Self::from_arg_matches(&matches);
        let mut cli = parsed.map_err(|error| error.format(&mut Self::command()))?;
        cli.host = HostArgs::new(&cli.global, cli.command.given(), innermost(&matches))?;
        Ok(cli)
    }

    /// Whether the command runs until it is stopped.
    fn is_service(&self) -> bool {
        match &self.command {
            Command::Local(LocalCommand::Run { .. }) => true,
            #[cfg(feature = "demo")]
            Command::Local(LocalCommand::Demo { once, .. }) => !once,
            _ => false,
        }
    }

    /// The collector that the demo exports to.
    fn demo_collector(&self) -> Option<&Url> {
        match &self.command {
            #[cfg(feature = "demo")]
            Command::Local(LocalCommand::Demo { otlp, .. }) => otlp.as_ref(),
            _ => None,
        }
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

/// The arguments of the command that runs.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, inner)| innermost(inner))
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

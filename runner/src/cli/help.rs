//! The end of the long help: the exit codes of each command, and examples.

pub(super) const CANARY: &str = "\
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

pub(super) const RUN: &str = "\
Exit codes:
  0      stopped by SIGTERM or SIGINT
  1      an error, such as an admin address that is in use
  2      a limit of the process is too low
  3      the suite is invalid
  64     invalid usage or settings
  124    it did not stop within `--grace` and 15 s
  128+N  a second signal, number N, ended the process at once

Examples:
  canary run suite.yaml
  canary run --config canary.yaml checks/ team.yaml     A folder and a file, with settings
  canary run --admin none --state-dir none suite.yaml   No admin address, no state on disk";

pub(super) const CHECK: &str = "\
Exit codes:
  0   every run passed or warned
  1   a check failed, or any other error
  2   a run was stopped or a plugin faulted, or a limit of the process is too low
  3   the suite is invalid
  64  invalid usage or settings, or `--check` names no check

Examples:
  canary check suite.yaml
  canary check --check website --verbose suite.yaml     One check, with all that it found
  canary check --format junit suite.yaml > report.xml   For a CI system";

pub(super) const VALIDATE: &str = "\
Exit codes:
  0   the suite is valid
  1   an error
  2   a limit of the process is too low
  3   the suite is invalid
  64  invalid usage or settings

Examples:
  canary validate suite.yaml
  canary validate --config canary.yaml suite.yaml   With the names of notifiers";

pub(super) const PROBE: &str = "\
Exit codes:
  0   the run passed or warned
  1   the check failed, or any other error
  2   the run was stopped or the plugin faulted, or a limit of the process is too low
  3   the plugin, the target or a setting is invalid
  64  invalid usage or settings of the runner

Examples:
  canary probe http https://example.com/
  canary probe http https://example.com/ --set 'expect.status=[200,204]'
  canary probe tls example.com --format json";

#[cfg(feature = "demo")]
pub(super) const DEMO: &str = "\
Exit codes:
  0   every check ended as expected
  1   a check did not end as expected, or an error
  2   a limit of the process is too low
  64  invalid usage or settings

Examples:
  canary demo
  canary demo --once
  canary demo --otlp http://127.0.0.1:4318   Export to a collector";

pub(super) const ALERT: &str = "\
Exit codes:
  0   every notification was sent
  1   a notification was not sent, or any other error
  2   a limit of the process is too low
  64  invalid usage or settings

Examples:
  canary alert test --config canary.yaml";

pub(super) const ALERT_TEST: &str = "\
Exit codes:
  0   every notification was sent
  1   a notification was not sent, or any other error
  2   a limit of the process is too low
  64  invalid usage or settings, no notifiers, or an unknown one

Examples:
  canary alert test --config canary.yaml          All notifiers
  canary alert test --config canary.yaml oncall   One of them";

pub(super) const PLUGIN: &str = "\
Exit codes:
  0   success
  1   the plugin cannot be loaded, or any other error
  2   a limit of the process is too low
  64  invalid usage or settings

Examples:
  canary plugin list
  canary plugin inspect http";

pub(super) const PLUGIN_LIST: &str = "\
Exit codes:
  0   success
  1   an error
  2   a limit of the process is too low
  64  invalid usage or settings

Examples:
  canary plugin list";

pub(super) const PLUGIN_INSPECT: &str = "\
Exit codes:
  0   success
  1   the plugin cannot be loaded, or any other error
  2   a limit of the process is too low
  64  invalid usage or settings

Examples:
  canary plugin inspect http
  canary plugin inspect --schema ./redis.wasm   Only the JSON Schema of its `config`";

pub(super) const SCHEMA: &str = "\
Exit codes:
  0   success
  1   an error
  2   a limit of the process is too low
  64  invalid usage or settings

Examples:
  canary schema > suite.schema.json";

pub(super) const STATUS: &str = "\
Exit codes:
  0   success; with `--probe`: live, or ready
  1   canary cannot be reached, `--check` names no check, or the probe failed
  64  invalid usage or settings

Examples:
  canary status
  canary status --check website --format json
  canary status --probe ready   For the health check of a container
  canary status --admin https://canary.example.com:9464 --admin-ca ca.pem";

pub(super) const CONNECTIONS: &str = "\
Exit codes:
  0   success
  1   canary cannot be reached, or any other error
  64  invalid usage or settings

Examples:
  canary connections
  canary connections --check website --format json";

pub(super) const TOP: &str = "\
Exit codes:
  0   success
  1   canary cannot be reached, or any other error
  64  invalid usage or settings

Examples:
  canary top
  canary top --admin 127.0.0.1:9465";

pub(super) const RELOAD: &str = "\
Exit codes:
  0   the suite was reloaded
  1   canary cannot be reached, or any other error
  3   the suite is invalid: the current one stays active
  64  invalid usage or settings

Examples:
  canary reload
  canary reload --admin-token-file /run/secrets/canary";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use crate::cli::Cli;

    /// Every command that is offered, with its path, such as `canary plugin list`.
    fn commands() -> Vec<(String, Command)> {
        fn collect(path: &str, command: &Command, commands: &mut Vec<(String, Command)>) {
            commands.push((path.to_owned(), command.clone()));
            let offered = command.get_subcommands().filter(|inner| !inner.is_hide_set());
            for inner in offered {
                collect(&format!("{path} {}", inner.get_name()), inner, commands);
            }
        }
        let mut root = Cli::command().term_width(100);
        root.build();
        let mut commands = Vec::new();
        collect(root.get_name(), &root, &mut commands);
        commands
    }

    #[test]
    fn the_long_help_of_each_command_ends_with_exit_codes_and_an_example() {
        for (path, command) in commands() {
            let end = command.get_after_long_help().map(ToString::to_string);
            let end = end.unwrap_or_default();
            let example = format!("\n\nExamples:\n  {path}");
            assert!(end.starts_with("Exit codes:\n  0  "), "{path}: {end}");
            assert!(end.contains(&example), "{path}: {end}");
            let is_wide = |line: &str| line.chars().count() > 100;
            assert!(!end.lines().any(is_wide), "{path}: {end}");
        }
    }

    /// A new command needs a snapshot: `INSTA_UPDATE=always` writes it.
    #[cfg(feature = "demo")]
    #[test]
    fn the_long_help_of_each_command_is_as_reviewed() {
        for (path, command) in commands() {
            // The values of variables are those of the machine.
            let mut command = command.mut_args(|argument| argument.hide_env_values(true));
            let help = command.render_long_help().to_string();
            insta::assert_snapshot!(path.replace(' ', "_"), help);
        }
    }
}

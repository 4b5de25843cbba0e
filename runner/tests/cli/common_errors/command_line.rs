//! Mistakes in the arguments.

use insta::assert_snapshot;

use super::{seen, seen_alone, seen_with};

const SUITE: &str = "checks:\n  - name: website\n    plugin: http\n    target: https://example.com/\n";

#[test]
fn no_command() {
    assert_snapshot!(seen_alone(&[]), @r"
    stderr:
    Health checks that can't go silent, run as sandboxed WebAssembly plugins

    Usage: canary [OPTIONS] <COMMAND>

    Commands:
      run          Run a suite on its schedule until SIGTERM or SIGINT, printing status changes
      check        Run every check once and exit
      validate     Report every problem of a suite without running it
      probe        Run one check without a suite and show its steps and wire traffic
      demo         Run a demo suite against local targets, including a leaking plugin
      alert        Test alert notifiers
      plugin       List and inspect plugins
      schema       Print the JSON Schema of suites, for editors
      status       Show the health of a running instance and its checks
      connections  List open connections and recently reclaimed ones
      top          Watch a running instance, worst checks first, until `q` or Ctrl-C
      reload       Reload the suite and report the result (requires the admin token)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --config <FILE>        Settings file of the runner (YAML) [env: CANARY_CONFIG=]
          --log-level <FILTER>   Log level, or levels of modules (`warn,canary::alert=debug`) [default:
                                 info] [env: CANARY_LOG=]
          --log-format <FORMAT>  Log format on standard error [default: text for `run` and `demo`] [env:
                                 CANARY_LOG_FORMAT=] [possible values: text, json]

    exit code: 64
    ");
}

#[test]
fn no_suite() {
    assert_snapshot!(seen_alone(&["check"]), @r"
    stderr:
    error: the following required arguments were not provided:
      <SUITES>...

    Usage: canary check <SUITES>...

    For more information, try '--help'.

    exit code: 64
    ");
}

#[test]
fn a_suite_in_place_of_a_command() {
    assert_snapshot!(seen_alone(&["suite.yaml"]), @r"
    stderr:
    error: unrecognized subcommand 'suite.yaml'

    Usage: canary [OPTIONS] <COMMAND>

    For more information, try '--help'.

      tip: `canary check suite.yaml` runs its checks once, `canary run suite.yaml` runs them on their schedule

    exit code: 64
    ");
}

#[test]
fn a_misspelled_command() {
    assert_snapshot!(seen_alone(&["chekc", "suite.yaml"]), @r"
    stderr:
    error: unrecognized subcommand 'chekc'

      tip: some similar subcommands exist: 'schema', 'check'

    Usage: canary [OPTIONS] <COMMAND>

    For more information, try '--help'.

    exit code: 64
    ");
}

#[test]
fn an_unknown_option() {
    assert_snapshot!(seen_alone(&["check", "suite.yaml", "--chek", "website"]), @r"
    stderr:
    error: unexpected argument '--chek' found

      tip: a similar argument exists: '--check'

    Usage: canary check --check <NAME> <SUITES>...

    For more information, try '--help'.

    exit code: 64
    ");
}

#[test]
fn a_check_that_does_not_exist() {
    assert_snapshot!(seen_with(SUITE, &["check", "suite.yaml", "--check", "wesbite"]), @r"
    stderr:
    error: no check named `wesbite`; did you mean `website`?

    exit code: 64
    ");
}

#[test]
fn a_probe_of_a_target_without_a_scheme() {
    assert_snapshot!(seen(&[], &["probe", "http", "example.com"]), @r"
    stderr:
    error: TARGET: `example.com`: the target does not match the plugin's syntax `http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]`: it is not a URL: write the scheme as well, such as `https://example.com/`

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_probe_with_an_unknown_plugin() {
    assert_snapshot!(seen(&[], &["probe", "ping", "example.com"]), @r"
    stderr:
    error: PLUGIN: cannot read `ping`: No such file or directory (os error 2)
    hint: built in: `http`, `tls`, `tcp`, `script`, `leak`; anything else is the path of a plugin

    1 problem

    exit code: 3
    ");
}

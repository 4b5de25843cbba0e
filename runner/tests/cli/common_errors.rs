//! The errors that newcomers meet in their first hour, each with everything that they see. Read them as a newcomer: a
//! message names what is wrong and the way out, in plain words and once.
//!
//! | when | the mistakes |
//! |---|---|
//! | at the command line | no command or suite, a suite for a command, a misspelled command, option, check or plugin |
//! | in the suite | no file, tabs, indentation, colons, keys, types, lists, patterns, durations, plugins, variables, names |
//! | at the target | a denied redirect, no listener, no such name, silence, certificates, no TLS, a status, a body |
//! | in service | an address in use, the settings, no runner, another server, a state directory, a collector |

mod command_line;
mod service;
mod suites;
mod targets;

use canary_tests::command::{Ending, Program};

use super::{canary, folder};

/// What `canary ARGUMENTS` shows in a folder with these files.
fn seen(files: &[(&str, &str)], arguments: &[&str]) -> String {
    shown(&canary(&folder(files), arguments).run())
}

/// What `canary ARGUMENTS` shows with this suite.
fn seen_with(suite: &str, arguments: &[&str]) -> String {
    seen(&[("suite.yaml", suite)], arguments)
}

/// What `canary ARGUMENTS` shows without any variable in its environment.
fn seen_alone(arguments: &[&str]) -> String {
    shown(&Program::at(env!("CARGO_BIN_EXE_canary")).args(arguments).run())
}

/// All that a program printed, and its exit code.
fn shown(ending: &Ending) -> String {
    let mut text = String::new();
    for (name, printed) in [
        ("stdout", without_padding(&ending.out)),
        ("stderr", steady(&ending.err)),
    ] {
        if !printed.is_empty() {
            text += &format!("{name}:\n{}\n\n", printed.trim_end());
        }
    }
    text + &format!("exit code: {}", ending.code)
}

/// A table without padding: the widths of its columns depend on ports and times.
fn without_padding(table: &str) -> String {
    let lines = table.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().map(without_duration).collect();
        // A note about a run is indented.
        let indent = if line.starts_with(' ') { "    " } else { "" };
        indent.to_owned() + &words.join(" ")
    });
    steady(&lines.collect::<Vec<_>>().join("\n"))
}

/// `text` without what differs between runs: ports and dates.
fn steady(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut steady = parts.next().unwrap().to_owned();
    for part in parts {
        steady += "127.0.0.1:PORT";
        steady += part.trim_start_matches(|char: char| char.is_ascii_digit());
    }
    let lines = steady.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').map(without_date).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn without_date(word: &str) -> &str {
    let is_date = word.starts_with("20") && word.contains('T') && word.ends_with('Z');
    if is_date { "DATE" } else { word }
}

fn without_duration(word: &str) -> &str {
    let number = word.strip_suffix('s').unwrap_or_default();
    let number = number.strip_suffix(['m', 'µ', 'n']).unwrap_or(number);
    if number.parse::<f64>().is_ok() {
        "TIME"
    } else {
        word
    }
}

//! The command line: the only place that reads arguments and the environment.

mod run;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::app::Settings;
use crate::console;
use crate::grant::Networks;
use crate::plugin::Cache;
use crate::quota::Quota;
use crate::trace::propagation::Propagation;

pub use run::run;

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
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a suite at its cadence until SIGTERM or SIGINT, and print every change of status.
    Run {
        /// Suite files or folders of them; together they are one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        /// How long runs under way may go on after the signal.
        #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
        grace: Duration,
    },
    /// Run every check once, now.
    Check {
        /// Suite files or folders of them; together they are one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
        /// Only the checks of this name; may be given several times.
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
        /// What to print.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Find every problem of a suite, and run nothing.
    Validate {
        /// Suite files or folders of them; together they are one suite.
        #[arg(required = true)]
        suites: Vec<PathBuf>,
    },
    /// Run a bundled suite against bundled targets on loopback, the leaking one included.
    Demo {
        /// Run each check once, print, and exit.
        #[arg(long)]
        once: bool,
    },
    /// Look at plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print the JSON Schema of a suite, for editors.
    Schema,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Human,
    Json,
    Junit,
}

/// What an operator decides for all suites.
#[derive(Debug, Args)]
struct HostArgs {
    /// Runs at once.
    #[arg(long, global = true, env = "CANARY_CONCURRENCY", default_value_t = 1_000, value_name = "RUNS",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    concurrency: u32,
    /// Networks that no check may reach: `private`, `link-local`, `metadata`, `loopback` or a CIDR.
    #[arg(
        long,
        global = true,
        env = "CANARY_BLOCK_NETWORKS",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    block_networks: Vec<String>,
    /// Where compiled plugins are kept between starts.
    #[arg(long, global = true, env = "CANARY_CACHE_DIR", value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// Keep no compiled plugins.
    #[arg(long, global = true, conflicts_with = "cache_dir")]
    no_cache: bool,
    #[arg(long, env = "NO_COLOR", hide = true, global = true, num_args = 0..=1, default_missing_value = "1")]
    no_color: Option<String>,
    #[arg(long, env = "XDG_CACHE_HOME", hide = true, global = true)]
    xdg_cache_home: Option<PathBuf>,
    #[arg(long, env = "HOME", hide = true, global = true)]
    home: Option<PathBuf>,
}

impl HostArgs {
    fn settings(&self) -> anyhow::Result<Settings> {
        Ok(Settings {
            concurrency: self.concurrency,
            cache: self.cache()?.noticing(console::compiling),
            blocked: Networks::parse(self.block_networks.iter().map(String::as_str))?,
            ceiling: Quota::ceiling(),
            resolver: None,
            propagation: Propagation::default(),
        })
    }

    /// As asked for, or where the XDG base directory specification has it. Without a place that was not asked for
    /// the runner does its work all the same.
    fn cache(&self) -> anyhow::Result<Cache> {
        if self.no_cache {
            return Ok(Cache::none());
        }
        if let Some(folder) = &self.cache_dir {
            let failed = || format!("cannot keep compiled plugins in `{}`", folder.display());
            return Cache::at(folder).with_context(failed);
        }
        let own = |folder: &PathBuf| folder.join("canary");
        let home = || self.home.as_ref().map(|home| home.join(".cache").join("canary"));
        let usual = self.xdg_cache_home.as_ref().map(own).or_else(home);
        Ok(usual
            .and_then(|folder| Cache::at(&folder).ok())
            .unwrap_or_else(Cache::none))
    }

    /// <https://no-color.org>: set and not empty.
    fn no_color(&self) -> bool {
        self.no_color.as_ref().is_some_and(|value| !value.is_empty())
    }
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

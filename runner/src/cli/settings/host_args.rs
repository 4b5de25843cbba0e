//! The options that configure the host. They are in groups, and each command has those that it uses.

use std::ffi::OsString;
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser as _};
use clap::{ArgMatches, Args, Command, ValueEnum};

use super::admin::AdminArgs;
use super::references::ReferenceArgs;
use crate::cli::units;
use canary_settings::Folder;

/// The options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(in crate::cli) struct GlobalArgs {
    /// Settings file of the runner (YAML).
    #[arg(long, global = true, env = "CANARY_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[arg(long, env = "NO_COLOR", hide = true, global = true, num_args = 0..=1, default_missing_value = "1")]
    pub(super) no_color: Option<String>,
    #[arg(long, env = "XDG_CACHE_HOME", hide = true, global = true)]
    pub(super) xdg_cache_home: Option<PathBuf>,
    #[arg(long, env = "XDG_STATE_HOME", hide = true, global = true)]
    pub(super) xdg_state_home: Option<PathBuf>,
    /// Of systemd.
    #[arg(long, env = "STATE_DIRECTORY", hide = true, global = true)]
    pub(super) state_directory: Option<PathBuf>,
    #[arg(long, env = "HOME", hide = true, global = true)]
    pub(super) home: Option<PathBuf>,
}

/// How many checks run at once.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Runner options")]
pub(in crate::cli) struct ConcurrencyArgs {
    /// Maximum concurrent runs [default: 1000]
    #[arg(long, env = "CANARY_CONCURRENCY", value_name = "RUNS",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) concurrency: Option<u32>,
}

/// What checks may connect to, and what suites may refer to.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Runner options")]
pub(in crate::cli) struct RestrictionArgs {
    /// Networks that no check may reach, such as `private` or a CIDR, or `none`.
    ///
    /// Networks with a name: `private`, `link-local`, `metadata`, `loopback`.
    #[arg(
        long,
        env = "CANARY_BLOCK_NETWORKS",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    pub(super) block_networks: Vec<String>,
    #[command(flatten)]
    pub(super) references: ReferenceArgs,
}

/// How plugins are loaded.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Runner options")]
pub(in crate::cli) struct PluginArgs {
    /// Directory for compiled plugins, or `none`.
    #[arg(long, env = "CANARY_CACHE_DIR", value_name = "FOLDER",
          value_parser = PathBufValueParser::new().map(Folder::from))]
    cache_dir: Option<Folder>,
    /// What `--cache-dir none` was called before.
    #[arg(long, hide = true)]
    no_cache: bool,
    /// Time limit for examining one plugin [default: 30s]
    #[arg(long, env = "CANARY_PLUGIN_LOAD_TIMEOUT", value_name = "TIME", value_parser = units::duration)]
    pub(super) plugin_load_timeout: Option<Duration>,
    /// Memory limit for examining one plugin [default: 1GiB]
    #[arg(long, env = "CANARY_PLUGIN_LOAD_MEMORY", value_name = "SIZE", value_parser = units::size)]
    pub(super) plugin_load_memory: Option<u64>,
}

impl PluginArgs {
    /// The directory for compiled plugins, if one was set or turned off.
    pub(super) fn cache_dir(&self) -> Option<&Folder> {
        if self.no_cache {
            Some(&Folder::None)
        } else {
            self.cache_dir.as_ref()
        }
    }
}

/// Where state is persisted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Runner options")]
pub(in crate::cli) struct StateArgs {
    /// Directory for persistent state, or `none` to keep it in memory only.
    #[arg(long, env = "CANARY_STATE_DIR", value_name = "FOLDER",
          value_parser = PathBufValueParser::new().map(Folder::from))]
    state_dir: Option<Folder>,
    /// What `--state-dir none` was called before: `--state none`.
    #[arg(long, env = "CANARY_STATE", hide = true, value_enum)]
    state: Option<StateMode>,
}

/// The values of `--state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateMode {
    Disk,
    None,
}

impl StateArgs {
    /// The directory for persistent state, if one was set or turned off.
    pub(super) fn state_dir(&self) -> Option<&Folder> {
        if self.state == Some(StateMode::None) {
            Some(&Folder::None)
        } else {
            self.state_dir.as_ref()
        }
    }
}

/// The groups of options that a command has.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct GivenArgs<'a> {
    pub(in crate::cli) concurrency: Option<&'a ConcurrencyArgs>,
    pub(in crate::cli) restrictions: Option<&'a RestrictionArgs>,
    pub(in crate::cli) plugins: Option<&'a PluginArgs>,
    pub(in crate::cli) state: Option<&'a StateArgs>,
    pub(in crate::cli) admin: Option<&'a AdminArgs>,
}

/// The options of the host for one command.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct HostArgs {
    pub(super) global: GlobalArgs,
    pub(super) concurrency: ConcurrencyArgs,
    pub(super) restrictions: RestrictionArgs,
    pub(super) plugins: PluginArgs,
    pub(super) state: StateArgs,
    pub(super) admin: AdminArgs,
    /// The folders that options and variables name, also where `none` is used in their place: another runner may use
    /// them, and suites must not read them.
    pub(super) named_folders: Vec<PathBuf>,
}

impl HostArgs {
    /// The options that a command has, of which `matches` are the arguments. The others are read from their variables:
    /// these mean the same for every command, so that none lets a suite read the runner's token or state.
    ///
    /// # Errors
    /// The value of a variable is invalid.
    pub(in crate::cli) fn new(
        global: &GlobalArgs,
        given: GivenArgs<'_>,
        matches: &ArgMatches,
    ) -> Result<Self, clap::Error> {
        let admin = match given.admin {
            Some(admin) => admin.clone().with_sources(matches),
            None => {
                let (admin, variables) = from_variables::<AdminArgs>()?;
                admin.with_sources(&variables)
            }
        };
        let (plugins, _) = from_variables::<PluginArgs>()?;
        let (state, _) = from_variables::<StateArgs>()?;
        let caches = [given.plugins, Some(&plugins)].into_iter().flatten();
        let states = [given.state, Some(&state)].into_iter().flatten();
        let folders = caches
            .filter_map(|plugins| plugins.cache_dir.as_ref())
            .chain(states.filter_map(|state| state.state_dir.as_ref()));
        Ok(Self {
            global: global.clone(),
            concurrency: given_or_variables(given.concurrency)?,
            restrictions: given_or_variables(given.restrictions)?,
            named_folders: folders.filter_map(Folder::path).map(Into::into).collect(),
            plugins: given.plugins.cloned().unwrap_or(plugins),
            state: given.state.cloned().unwrap_or(state),
            admin,
        })
    }
}

fn given_or_variables<T: Args + Clone>(given: Option<&T>) -> Result<T, clap::Error> {
    match given {
        Some(given) => Ok(given.clone()),
        None => from_variables().map(|(group, _)| group),
    }
}

/// A group of options without any argument.
fn from_variables<T: Args>() -> Result<(T, ArgMatches), clap::Error> {
    let command = T::augment_args(Command::default()).no_binary_name(true);
    let matches = command.try_get_matches_from(iter::empty::<OsString>())?;
    Ok((T::from_arg_matches(&matches)?, matches))
}

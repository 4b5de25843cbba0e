//! Merges the settings: flags and environment variables override the file, and the file overrides the defaults.

mod admin;
mod references;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgMatches, Args, ValueEnum};
use url::Url;

pub(super) use self::admin::{AdminAddressError, AdminTarget, SecretArgument};
use self::admin::{AdminArgs, refuse_credentials};
use self::references::{RecordingEnvironment, ReferenceArgs};
use super::units;
use crate::admin::{AdminListener, ListenError};
use crate::alert::settings as alert;
use crate::app;
use crate::console::{self, Streams};
use crate::grant::{GrantError, Networks};
use crate::liveness::Registry;
use crate::plugin::Cache;
use crate::plugin::isolated::Limits;
use crate::quota::Quota;
use crate::regular_file::{Owner, Session};
use crate::settings::{Access, Admin, File, Token};
use crate::suite::{Environment, ProcessEnvironment, SecretRegistry, Secrets, VariableOverrides};
use crate::telemetry::settings as telemetry;
use crate::watch::heartbeat;

/// Default maximum of concurrent runs.
const DEFAULT_CONCURRENCY: u32 = 1_000;
/// The port of OTLP/gRPC.
const OTLP_GRPC_PORT: u16 = 4_317;

/// The settings of the operator, which apply to all suites.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct HostArgs {
    /// Settings file of the runner (YAML).
    #[arg(long, global = true, env = "CANARY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Maximum concurrent runs [default: 1000]
    #[arg(long, global = true, env = "CANARY_CONCURRENCY", value_name = "RUNS",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    concurrency: Option<u32>,
    /// Blocked networks: `private`, `link-local`, `metadata`, `loopback` or a CIDR.
    #[arg(
        long,
        global = true,
        env = "CANARY_BLOCK_NETWORKS",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    block_networks: Vec<String>,
    /// Directory for compiled plugins.
    #[arg(long, global = true, env = "CANARY_CACHE_DIR", value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// Do not cache compiled plugins.
    #[arg(long, global = true, conflicts_with = "cache_dir")]
    no_cache: bool,
    /// Time limit for examining one plugin, such as `30s`.
    #[arg(long, global = true, env = "CANARY_PLUGIN_LOAD_TIMEOUT", value_name = "TIME", default_value = "30s",
          value_parser = units::duration)]
    plugin_load_timeout: Duration,
    /// Memory limit for examining one plugin, such as `1GiB`.
    #[arg(long, global = true, env = "CANARY_PLUGIN_LOAD_MEMORY", value_name = "SIZE", default_value = "1GiB",
          value_parser = units::size)]
    plugin_load_memory: u64,
    /// Directory for persistent state.
    #[arg(long, global = true, env = "CANARY_STATE_DIR", value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// Where `run` persists check state; `disk` uses the state directory.
    #[arg(long, global = true, env = "CANARY_STATE", value_name = "WHERE", value_enum, default_value_t = StateMode::Disk)]
    state: StateMode,
    #[command(flatten)]
    references: ReferenceArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[arg(long, env = "NO_COLOR", hide = true, global = true, num_args = 0..=1, default_missing_value = "1")]
    no_color: Option<String>,
    #[arg(long, env = "XDG_CACHE_HOME", hide = true, global = true)]
    xdg_cache_home: Option<PathBuf>,
    #[arg(long, env = "XDG_STATE_HOME", hide = true, global = true)]
    xdg_state_home: Option<PathBuf>,
    /// Of systemd.
    #[arg(long, env = "STATE_DIRECTORY", hide = true, global = true)]
    state_directory: Option<PathBuf>,
    #[arg(long, env = "HOME", hide = true, global = true)]
    home: Option<PathBuf>,
}

/// The process environment with the OTLP endpoint overridden.
struct OtlpOverride<'a> {
    otlp: Option<&'a Url>,
    session: Session,
}

impl Environment for OtlpOverride<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let Some(url) = self.otlp else {
            return ProcessEnvironment.variable(name);
        };
        match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.to_string()),
            "OTEL_EXPORTER_OTLP_PROTOCOL" if url.port() == Some(OTLP_GRPC_PORT) => Some("grpc".to_owned()),
            _ if name.ends_with("_ENDPOINT")
                || name.ends_with("_EXPORTER")
                || name == "OTEL_SDK_DISABLED" =>
            {
                None
            }
            _ => ProcessEnvironment.variable(name),
        }
    }

    fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        ProcessEnvironment::file_within(&self.session, path)
    }
}

/// Where the state of checks is persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateMode {
    Disk,
    None,
}

/// The effective settings.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) host: app::Settings,
    pub(super) telemetry: telemetry::Settings,
    /// Alert settings.
    pub(super) alert: alert::Settings,
    /// Heartbeat settings; `None` disables it.
    pub(super) heartbeat: Option<heartbeat::Settings>,
    pub(super) admin: Admin,
    /// Who may read and change something at the admin address.
    pub(super) access: Access,
    /// State directory; `None` disables persistence.
    pub(super) state: Option<PathBuf>,
    /// Keeps the secrets of the settings registered.
    _secrets: Secrets,
}

impl Settings {
    /// Binds the admin address, so that an address in use fails at startup.
    pub(super) fn open_admin(&self) -> Result<Option<AdminListener>, ListenError> {
        match &self.admin {
            Admin::None => Ok(None),
            Admin::Listen(listen) => AdminListener::open(listen, &self.access).map(Some),
        }
    }
}

/// Registers the secrets: the `named` ones, those that are sent to collectors, and the values of references.
fn register_secrets<'a>(
    known: &SecretRegistry,
    named: impl Iterator<Item = &'a str>,
    sent: impl Iterator<Item = Cow<'a, str>>,
    referred: &RecordingEnvironment<'_>,
) -> Secrets {
    let referred = referred.values().into_iter().map(Cow::Owned);
    let all: Vec<Cow<'_, str>> = named.map(Cow::Borrowed).chain(sent).chain(referred).collect();
    known.register(all.iter().map(|value| &**value))
}

impl HostArgs {
    /// Records whether values are from flags or from their variables, so that errors name what the user has set.
    pub(super) fn record_sources(&mut self, matches: &ArgMatches) {
        self.admin.record_sources(matches);
    }

    /// Reads and merges the settings. `otlp` overrides all other telemetry endpoints. From now on, every text that is
    /// redacted with `known` hides the secrets of the settings.
    pub(super) fn settings(&self, otlp: Option<&Url>, known: &SecretRegistry) -> anyhow::Result<Settings> {
        let session = Session::new(Owner::Settings);
        let environment = &OtlpOverride { otlp, session };
        let recording = RecordingEnvironment::new(environment);
        let file = self.file(&recording);
        let mut report = file.report;
        let (admin, access) = self
            .admin
            .settings(file.admin, file.access, environment, &mut report)?;
        let state_dir = self.state_dir(file.state_dir.as_deref());
        let mut alert = alert::read(file.alerts, environment, &mut report);
        let heartbeat = heartbeat::read(file.heartbeat, &mut report);
        let telemetry = telemetry::read_into(file.telemetry, environment, state_dir.as_deref(), &mut report);
        let cache = self.cache_dir(file.cache_dir.as_deref());
        alert.share_secrets(known);
        let pinged = heartbeat.iter().flat_map(heartbeat::Settings::secrets);
        let named = access.token.iter().map(Token::expose).chain(pinged);
        let secrets = register_secrets(known, named, telemetry.secrets(), &recording);
        let mut references = self.references.policy(file.suites, recording);
        let own_paths = report.own_paths().iter().chain(self.own_paths());
        let own_paths = own_paths.chain(&state_dir).chain(&cache);
        references.own_paths.extend(own_paths.cloned());
        report.finish(())?;
        Ok(Settings {
            host: app::Settings {
                concurrency: self
                    .concurrency
                    .or(file.concurrency)
                    .unwrap_or(DEFAULT_CONCURRENCY),
                cache: self.cache(file.cache_dir.as_deref())?,
                plugin_limits: Some(self.plugin_limits()),
                on_compile: Some(console::log_compiling),
                blocked_networks: self.blocked(file.block_networks)?,
                references,
                variables: VariableOverrides::default(),
                ceiling: Quota::ceiling(),
                resolver: None,
                // Without a file the notifiers of the runner that will run the suite are unknown.
                notifiers: self.config.is_some().then(|| alert.names()),
                propagation: telemetry.propagation.clone(),
                sampler: telemetry.sampler,
                streams: Streams::default(),
                liveness: Registry::default(),
                secrets: known.clone(),
            },
            telemetry,
            alert,
            heartbeat,
            state: state_dir.filter(|_| self.state == StateMode::Disk),
            admin,
            access,
            _secrets: secrets,
        })
    }

    fn file(&self, environment: &dyn Environment) -> File {
        let read = |path: &PathBuf| File::read(path, environment);
        self.config.as_ref().map(read).unwrap_or_default()
    }

    fn plugin_limits(&self) -> Limits {
        Limits {
            time: self.plugin_load_timeout,
            memory: self.plugin_load_memory,
        }
    }

    /// From the flags, or else the file.
    fn blocked(&self, file: Option<Networks>) -> Result<Networks, GrantError> {
        match self.block_networks.as_slice() {
            [] => Ok(file.unwrap_or_default()),
            named => Networks::parse(named.iter().map(String::as_str)),
        }
    }

    /// Every file and folder of the runner that is named by a flag or its variable.
    fn own_paths(&self) -> impl Iterator<Item = &PathBuf> {
        let files = self.config.iter().chain(self.admin.token_file());
        files.chain(&self.cache_dir).chain(&self.state_dir)
    }

    /// The admin API to connect to: from the flags, or from the runner's file.
    pub(super) fn admin_target(&self) -> anyhow::Result<AdminTarget> {
        let file = self.file(&ProcessEnvironment);
        let mut report = file.report;
        let target = self
            .admin
            .target(file.admin, file.access, &ProcessEnvironment, &mut report);
        report.finish(())?;
        Ok(target?)
    }

    /// The one that was asked for, or else that of systemd or the XDG base directory specification; `None` without a
    /// home directory.
    fn state_dir(&self, file: Option<&Path>) -> Option<PathBuf> {
        let own = |folder: &PathBuf| folder.join("canary");
        let home = || Some(self.home.as_ref()?.join(".local").join("state").join("canary"));
        let requested = self.state_dir.clone().or_else(|| file.map(Path::to_owned));
        let default = || {
            self.state_directory
                .clone()
                .or_else(|| self.xdg_state_home.as_ref().map(own))
        };
        requested.or_else(default).or_else(home)
    }

    /// The one that was asked for, or else that of the XDG base directory specification; `None` without a home
    /// directory.
    fn cache_dir(&self, file: Option<&Path>) -> Option<PathBuf> {
        let own = |folder: &PathBuf| folder.join("canary");
        let home = || self.home.as_ref().map(|home| home.join(".cache").join("canary"));
        let default = || self.xdg_cache_home.as_ref().map(own).or_else(home);
        let requested = self.cache_dir.as_deref().or(file).map(Path::to_owned);
        requested.or_else(default).filter(|_| !self.no_cache)
    }

    /// A default folder that cannot be used is not an error.
    fn cache(&self, file: Option<&Path>) -> anyhow::Result<Cache> {
        let Some(folder) = self.cache_dir(file) else {
            return Ok(Cache::disabled());
        };
        let cache = Cache::open(&folder);
        if self.cache_dir.is_some() || file.is_some() {
            return Ok(cache?);
        }
        Ok(cache.unwrap_or_else(|error| {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                "compiled plugins are not cached: {error:#}; set another directory with `--cache-dir`, or use \
                 `--no-cache`"
            );
            Cache::disabled()
        }))
    }

    /// Refuses secrets in the arguments, including `otlp`, since every user can list them with `ps`.
    pub(super) fn refuse_secrets(&self, otlp: Option<&Url>) -> Result<(), SecretArgument> {
        self.admin.refuse_secrets()?;
        otlp.map_or(Ok(()), |url| {
            refuse_credentials(url, "the password in `--otlp`", "set OTEL_EXPORTER_OTLP_HEADERS")
        })
    }

    /// <https://no-color.org>: set and not empty.
    pub(super) fn no_color(&self) -> bool {
        self.no_color.as_ref().is_some_and(|value| !value.is_empty())
    }
}

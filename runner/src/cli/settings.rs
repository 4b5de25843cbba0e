//! What an operator decides: flags and variables over the file, the file over the defaults.

mod admin;
mod references;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use url::Url;

use self::admin::{AdminArgs, refuse_credentials};
pub(super) use self::admin::{Asking, SecretArgument, WrongAddress};
use self::references::{Recording, ReferenceArgs};
use super::units;
use crate::admin::{Door, DoorError};
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
use crate::suite::{Environment, KnownSecrets, ProcessEnvironment, Secrets, VariableOverrides};
use crate::telemetry::settings as telemetry;
use crate::watch::heartbeat;

/// Runs at once, unless told otherwise.
const CONCURRENCY: u32 = 1_000;
/// The port of OTLP/gRPC.
const GRPC: u16 = 4_317;

/// What an operator decides for all suites.
#[derive(Debug, Args)]
pub(super) struct HostArgs {
    /// The runner's own settings, in YAML.
    #[arg(long, global = true, env = "CANARY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Runs at once; 1000 unless told otherwise.
    #[arg(long, global = true, env = "CANARY_CONCURRENCY", value_name = "RUNS",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    concurrency: Option<u32>,
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
    /// Time that examining one plugin may take, such as `30s`.
    #[arg(long, global = true, env = "CANARY_PLUGIN_LOAD_TIMEOUT", value_name = "TIME", default_value = "30s",
          value_parser = units::duration)]
    plugin_load_timeout: Duration,
    /// Memory that examining one plugin may take, such as `1GiB`.
    #[arg(long, global = true, env = "CANARY_PLUGIN_LOAD_MEMORY", value_name = "SIZE", default_value = "1GiB",
          value_parser = units::size)]
    plugin_load_memory: u64,
    /// Where everything lies that survives a restart.
    #[arg(long, global = true, env = "CANARY_STATE_DIR", value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// What `run` keeps of checks through restarts: `disk`, in the state folder, or `none`.
    #[arg(long, global = true, env = "CANARY_STATE", value_name = "WHERE", value_enum, default_value_t = Keep::Disk)]
    state: Keep,
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

/// The process's environment, with a collector of its own choice.
struct Surroundings<'a> {
    otlp: Option<&'a Url>,
    session: Session,
}

impl Environment for Surroundings<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let Some(url) = self.otlp else {
            return ProcessEnvironment.variable(name);
        };
        match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.to_string()),
            "OTEL_EXPORTER_OTLP_PROTOCOL" if url.port() == Some(GRPC) => Some("grpc".to_owned()),
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

/// Where checks are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Keep {
    Disk,
    None,
}

/// Everything that an operator decided.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) host: app::Settings,
    pub(super) telemetry: telemetry::Settings,
    /// Who is told that a check is not well.
    pub(super) alert: alert::Settings,
    /// Absent: nobody waits for a sign of life.
    pub(super) heartbeat: Option<heartbeat::Settings>,
    pub(super) admin: Admin,
    /// Who may look at it there, and who may change something.
    pub(super) access: Access,
    /// Where what survives a restart is kept.
    pub(super) state: Option<PathBuf>,
    /// Keeps what the settings hold known as long as they are there.
    _secrets: Secrets,
}

impl Settings {
    /// Takes the admin address, so that one that is in use is told at start.
    pub(super) fn door(&self) -> Result<Option<Door>, DoorError> {
        match &self.admin {
            Admin::None => Ok(None),
            Admin::Listen(listen) => Door::open(listen, &self.access).map(Some),
        }
    }
}

/// What nobody may see: what is `named`, what collectors are sent, and what references stand for.
fn hold<'a>(
    known: &KnownSecrets,
    named: impl Iterator<Item = &'a str>,
    sent: impl Iterator<Item = Cow<'a, str>>,
    referred: &Recording<'_>,
) -> Secrets {
    let referred = referred.values().into_iter().map(Cow::Owned);
    let all: Vec<Cow<'_, str>> = named.map(Cow::Borrowed).chain(sent).chain(referred).collect();
    known.hold(all.iter().map(|value| &**value))
}

impl HostArgs {
    /// Puts together what was said. `otlp` is where all telemetry goes, whatever else was said of that. From now on no
    /// text that looks into `known` shows a secret of the settings.
    pub(super) fn settings(&self, otlp: Option<&Url>, known: &KnownSecrets) -> anyhow::Result<Settings> {
        let session = Session::new(Owner::Settings);
        let environment = &Surroundings { otlp, session };
        let recording = Recording::new(environment);
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
        let secrets = hold(known, named, telemetry.secrets(), &recording);
        let mut references = self.references.policy(file.suites, recording);
        let own_paths = report.own_paths().iter().chain(self.own_paths());
        let own_paths = own_paths.chain(&state_dir).chain(&cache);
        references.own_paths.extend(own_paths.cloned());
        report.finish(())?;
        Ok(Settings {
            host: app::Settings {
                concurrency: self.concurrency.or(file.concurrency).unwrap_or(CONCURRENCY),
                cache: self.cache(file.cache_dir.as_deref())?,
                plugin_limits: Some(self.plugin_limits()),
                compiling: Some(console::compiling),
                blocked: self.blocked(file.block_networks)?,
                references,
                variables: VariableOverrides::default(),
                ceiling: Quota::ceiling(),
                resolver: None,
                // Without a file nobody knows what the runner of a suite will have.
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
            state: state_dir.filter(|_| self.state == Keep::Disk),
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

    /// As the flags say, or else the file.
    fn blocked(&self, file: Option<Networks>) -> Result<Networks, GrantError> {
        match self.block_networks.as_slice() {
            [] => Ok(file.unwrap_or_default()),
            named => Networks::parse(named.iter().map(String::as_str)),
        }
    }

    /// Every file and folder of the runner that a flag or its variable names.
    fn own_paths(&self) -> impl Iterator<Item = &PathBuf> {
        let files = self.config.iter().chain(self.admin.token_file());
        files.chain(&self.cache_dir).chain(&self.state_dir)
    }

    /// Where a runner is to be asked: as the flags say, or as its own file does.
    pub(super) fn asking(&self) -> anyhow::Result<Asking> {
        let file = self.file(&ProcessEnvironment);
        let mut report = file.report;
        let asking = self
            .admin
            .asking(file.admin, file.access, &ProcessEnvironment, &mut report);
        report.finish(())?;
        Ok(asking?)
    }

    /// As asked for, or where systemd or the XDG base directory specification has it; nowhere without a home.
    fn state_dir(&self, file: Option<&Path>) -> Option<PathBuf> {
        let own = |folder: &PathBuf| folder.join("canary");
        let home = || Some(self.home.as_ref()?.join(".local").join("state").join("canary"));
        let asked = self.state_dir.clone().or_else(|| file.map(Path::to_owned));
        let usual = || {
            self.state_directory
                .clone()
                .or_else(|| self.xdg_state_home.as_ref().map(own))
        };
        asked.or_else(usual).or_else(home)
    }

    /// As asked for, or where the XDG base directory specification has it; nowhere without a home.
    fn cache_dir(&self, file: Option<&Path>) -> Option<PathBuf> {
        let own = |folder: &PathBuf| folder.join("canary");
        let home = || self.home.as_ref().map(|home| home.join(".cache").join("canary"));
        let usual = || self.xdg_cache_home.as_ref().map(own).or_else(home);
        let asked = self.cache_dir.as_deref().or(file).map(Path::to_owned);
        asked.or_else(usual).filter(|_| !self.no_cache)
    }

    /// Without a place that was not asked for the runner does its work all the same.
    fn cache(&self, file: Option<&Path>) -> anyhow::Result<Cache> {
        let Some(folder) = self.cache_dir(file) else {
            return Ok(Cache::none());
        };
        let kept = Cache::at(&folder);
        if self.cache_dir.is_some() || file.is_some() {
            return Ok(kept?);
        }
        Ok(kept.unwrap_or_else(|error| {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                "plugins are compiled at each start: {error:#}; name another folder with `--cache-dir`, or none with \
                 `--no-cache`"
            );
            Cache::none()
        }))
    }

    /// Refuses secrets among the arguments, `otlp` included, since whoever lists processes reads them.
    pub(super) fn refuse_secrets(&self, otlp: Option<&Url>) -> Result<(), SecretArgument> {
        self.admin.refuse_secrets()?;
        otlp.map_or(Ok(()), |url| {
            refuse_credentials(url, "a password after `--otlp`", "set OTEL_EXPORTER_OTLP_HEADERS")
        })
    }

    /// <https://no-color.org>: set and not empty.
    pub(super) fn no_color(&self) -> bool {
        self.no_color.as_ref().is_some_and(|value| !value.is_empty())
    }
}

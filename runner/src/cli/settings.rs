//! Merges the settings: flags and environment variables override the file, and the file overrides the defaults.

mod admin;
mod host_args;
mod references;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use url::Url;

use self::admin::refuse_credentials;
pub(super) use self::admin::{AdminAddressError, AdminArgs, AdminTarget, SecretArgument};
pub(super) use self::host_args::{
    ConcurrencyArgs, GivenArgs, GlobalArgs, HostArgs, PluginArgs, RestrictionArgs, StateArgs,
};
use self::references::RecordingEnvironment;
use crate::app;
use canary_admin::{AdminListener, ListenError};
use canary_alert::settings as alert;
use canary_console::Streams;
use canary_record::quota::Quota;
use canary_sandbox::plugin::Cache;
use canary_sandbox::plugin::isolated::Limits;
use canary_settings::{Access, Admin, File, Folder, NONE, Token};
use canary_suite::grant::{GrantError, Networks};
use canary_suite::{Environment, ProcessEnvironment, SecretRegistry, Secrets, VariableOverrides};
use canary_system::liveness::Registry;
use canary_system::regular_file::{Owner, Session};
use canary_telemetry::settings as telemetry;
use canary_watch::heartbeat;

/// Default maximum of concurrent runs.
const DEFAULT_CONCURRENCY: u32 = 1_000;
/// The name of the runner's own folder in one that programs share.
const OWN_FOLDER: &str = "canary";
/// The port of OTLP/gRPC.
const OTLP_GRPC_PORT: u16 = 4_317;

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
        let state_dir = self.state_dir(file.state_dir.as_ref());
        let mut alert = alert::read(file.alerts, environment, &mut report);
        let heartbeat = heartbeat::read(file.heartbeat, &mut report);
        let telemetry = telemetry::read_into(file.telemetry, environment, state_dir.as_deref(), &mut report);
        alert.share_secrets(known);
        let pinged = heartbeat.iter().flat_map(heartbeat::Settings::secrets);
        let named = access.token.iter().map(Token::expose).chain(pinged);
        let secrets = register_secrets(known, named, telemetry.secrets(), &recording);
        let mut references = self.restrictions.references.policy(file.suites, recording);
        let cache_dir = self.cache_dir(file.cache_dir.as_ref());
        let own_paths = self.own_paths(state_dir.clone(), cache_dir);
        references.own_paths.extend(report.own_paths().iter().cloned());
        references.own_paths.extend(own_paths);
        report.finish(())?;
        Ok(Settings {
            host: app::Settings {
                concurrency: self
                    .concurrency
                    .concurrency
                    .or(file.concurrency)
                    .unwrap_or(DEFAULT_CONCURRENCY),
                cache: self.cache(file.cache_dir.as_ref())?,
                plugin_limits: Some(self.plugin_limits()),
                on_compile: Some(canary_console::log_compiling),
                blocked_networks: self.blocked(file.block_networks)?,
                references,
                variables: VariableOverrides::default(),
                ceiling: Quota::ceiling(),
                resolver: None,
                // Without a file the notifiers of the runner that will run the suite are unknown.
                notifiers: self.global.config.is_some().then(|| alert.names()),
                propagation: telemetry.propagation.clone(),
                sampler: telemetry.sampler,
                streams: Streams::default(),
                liveness: Registry::default(),
                secrets: known.clone(),
            },
            telemetry,
            alert,
            heartbeat,
            state: state_dir,
            admin,
            access,
            _secrets: secrets,
        })
    }

    fn file(&self, environment: &dyn Environment) -> File {
        let read = |path: &PathBuf| File::read(path, environment);
        self.global.config.as_ref().map(read).unwrap_or_default()
    }

    fn plugin_limits(&self) -> Limits {
        let default = Limits::default();
        Limits {
            time: self.plugins.plugin_load_timeout.unwrap_or(default.time),
            memory: self.plugins.plugin_load_memory.unwrap_or(default.memory),
        }
    }

    /// From the flags, or else the file.
    fn blocked(&self, file: Option<Networks>) -> Result<Networks, GrantError> {
        match self.restrictions.block_networks.as_slice() {
            [] => Ok(file.unwrap_or_default()),
            [none] if none == NONE => Ok(Networks::default()),
            named => Networks::parse(named.iter().map(String::as_str)),
        }
    }

    /// The runner's own files and folders beyond those that its file names. A folder is its own also where `none` is
    /// used in its place.
    fn own_paths(
        &self,
        state_dir: Option<PathBuf>,
        cache_dir: Option<PathBuf>,
    ) -> impl Iterator<Item = PathBuf> {
        let used = [
            self.global.config.clone(),
            self.admin.token_file().cloned(),
            state_dir.or_else(|| self.default_state_dir()),
            cache_dir.or_else(|| self.default_cache_dir()),
        ];
        used.into_iter()
            .flatten()
            .chain(self.named_folders.iter().cloned())
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

    /// The one that was asked for, or else the default; `None` if it is turned off, or without a home directory.
    fn state_dir(&self, file: Option<&Folder>) -> Option<PathBuf> {
        match self.state.state_dir().or(file) {
            Some(folder) => folder.path().map(Path::to_owned),
            None => self.default_state_dir(),
        }
    }

    /// That of systemd or the XDG base directory specification.
    fn default_state_dir(&self) -> Option<PathBuf> {
        let xdg = self.global.xdg_state_home.as_ref();
        let home = self.global.home.as_ref();
        let own = xdg.map(|folder| folder.join(OWN_FOLDER));
        let own = own.or_else(|| Some(home?.join(".local").join("state").join(OWN_FOLDER)));
        self.global.state_directory.clone().or(own)
    }

    /// The one that was asked for, or else the default; `None` if it is turned off, or without a home directory.
    fn cache_dir(&self, file: Option<&Folder>) -> Option<PathBuf> {
        match self.plugins.cache_dir().or(file) {
            Some(folder) => folder.path().map(Path::to_owned),
            None => self.default_cache_dir(),
        }
    }

    /// That of the XDG base directory specification.
    fn default_cache_dir(&self) -> Option<PathBuf> {
        let xdg = self.global.xdg_cache_home.as_ref();
        let home = self.global.home.as_ref();
        let own = xdg.map(|folder| folder.join(OWN_FOLDER));
        own.or_else(|| Some(home?.join(".cache").join(OWN_FOLDER)))
    }

    /// A default folder that cannot be used is not an error.
    fn cache(&self, file: Option<&Folder>) -> anyhow::Result<Cache> {
        let Some(folder) = self.cache_dir(file) else {
            return Ok(Cache::disabled());
        };
        let cache = Cache::open(&folder);
        if self.plugins.cache_dir().is_some() || file.is_some() {
            return Ok(cache?);
        }
        Ok(cache.unwrap_or_else(|error| {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                "compiled plugins are not cached: {error:#}; set another directory with `--cache-dir`, or use \
                 `--cache-dir none`"
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
        self.global
            .no_color
            .as_ref()
            .is_some_and(|value| !value.is_empty())
    }
}

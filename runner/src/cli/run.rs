//! Implementation of the commands: load, execute, print, exit code.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::alert::{self, AlertError};
use super::command::{AlertCommand, Command, LocalCommand, PluginCommand};
#[cfg(feature = "demo")]
use super::demo;
use super::preparation::{listen, load_and_warn, log_admin_address};
use super::settings::{AdminAddressError, SecretArgument, Settings};
use super::{Cli, check, client, probe, single_runs, usage};
use crate::app::limits::{self, ProcessKind, ResourceShortage};
use crate::app::load::{Loaded, load};
use crate::app::{Host, bootstrap};
use canary_admin::AdminListener;
use canary_console::Console;
use canary_console::logging::Format;
use canary_run::report::{self, Screen};
use canary_sandbox::Description;
use canary_sandbox::plugin::isolated::worker;
use canary_sandbox::plugin::{EMBEDDED, Plugin};
use canary_suite::grant::GrantError;
use canary_suite::problem::Subject;
use canary_suite::{PluginFacts, PluginSource, Problems, schema};
use canary_system::liveness::{self, Registry};
use canary_system::regular_file::{Owner, Session};
use canary_system::signal::{self, Hangup, HeldHangup};
use canary_telemetry::Signal;
use canary_telemetry::settings::Exporter;

/// Exit code when a limit of the process or the machine is too low for the runner.
const EXIT_LIMITS: u8 = 2;
/// Exit code for an invalid suite.
const EXIT_INVALID_SUITE: u8 = 3;
/// `EX_USAGE` of `sysexits.h`.
const EXIT_USAGE: u8 = 64;
/// How long tasks that do not end may delay the exit.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a service that cannot start waits for a reader of its error.
const FAILURE_LOG_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses the arguments and runs the command. The exit codes are a contract with scripts.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before anything that takes time, and before any thread.
    let hangup = HeldHangup::hold().and_then(|held| signal::unblock_all().map(|()| held));
    let cli = match Cli::from_arguments(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            return usage::print_refusal(&error, EXIT_USAGE);
        }
    };
    let held = hangup.and_then(|held| held.release_unless(cli.reloads()));
    if let Err(error) = held.and_then(|()| signal::survive_file_size_limit()) {
        return usage::exit_code(Err(error));
    }
    if let Command::PluginWorker(limits) = cli.command {
        return usage::exit_code(worker::run(limits));
    }
    let format = cli.log.format(cli.is_service());
    let result = check_limits(&cli).and_then(|()| {
        // A signal needs a thread that is not blocked by a disk.
        Ok(liveness::run_off_main_thread(move || run_command(&cli, format))??)
    });
    result.unwrap_or_else(|shortage| {
        Console::log_failure_to_stderr(format, &shortage.to_string());
        ExitCode::from(EXIT_LIMITS)
    })
}

/// Checks the process limits first, because a command would fail badly without them.
fn check_limits(cli: &Cli) -> Result<(), ResourceShortage> {
    match cli.command {
        // They need no engine.
        Command::Client(_) | Command::PluginWorker(_) => Ok(()),
        Command::Local(_) => limits::check(process_kind(cli)),
    }
}

fn process_kind(cli: &Cli) -> ProcessKind {
    if cli.is_service() {
        ProcessKind::Service
    } else {
        ProcessKind::Command
    }
}

fn run_command(cli: &Cli, format: Format) -> io::Result<ExitCode> {
    let liveness = Registry::default();
    let console = Console::start(&liveness, format, &cli.log.filter())?;
    let code = match start(cli, &console, &liveness) {
        Ok(code) => code,
        Err(error) => {
            let (error, code) = match ResourceShortage::find_in(&error, process_kind(cli)) {
                Some(shortage) => (anyhow::Error::msg(shortage), EXIT_LIMITS),
                None => {
                    let code = exit_code(&error);
                    (error, code)
                }
            };
            // A command may wait for its reader until the end; a service that fails must not.
            console.log_failure(&error, cli.is_service().then_some(FAILURE_LOG_TIMEOUT));
            code
        }
    };
    if !cli.is_service() {
        console.flush();
    }
    Ok(ExitCode::from(code))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        return match problems.subject() {
            Subject::Suite => EXIT_INVALID_SUITE,
            Subject::Settings => EXIT_USAGE,
        };
    }
    let is_usage = error.is::<GrantError>()
        || error.is::<check::SelectionError>()
        || error.is::<probe::Contradiction>()
        || error.is::<AlertError>()
        || error.is::<SecretArgument>()
        || error.is::<AdminAddressError>();
    if is_usage { EXIT_USAGE } else { 1 }
}

fn start(cli: &Cli, console: &Console, liveness: &Registry) -> anyhow::Result<u8> {
    let screen = canary_console::screen(cli.host.no_color());
    let otlp = cli.demo_collector();
    cli.host.refuse_secrets(otlp)?;
    let command = match &cli.command {
        // They need no engine.
        Command::Client(command) => return client::run(command, &cli.host.admin_target()?, console, screen),
        // Handled before there was a console.
        Command::PluginWorker(_) => return Ok(0),
        Command::Local(command) => command,
    };
    let settings = cli.host.settings(otlp, console.secrets())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let code = runtime.block_on(async {
        let mut settings = settings;
        settings.host.streams = console.streams().clone();
        settings.host.variables = cli.variables();
        settings.host.liveness = liveness.clone();
        let host = Arc::new(Host::start(settings.host.clone())?);
        run_local(command, &host, &settings, (console, screen)).await
    });
    // What still computes or waits for a disk does not delay the exit.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

async fn run_local(
    command: &LocalCommand,
    host: &Arc<Host>,
    settings: &Settings,
    (console, screen): (&Console, Screen),
) -> anyhow::Result<u8> {
    match command {
        LocalCommand::Run { suites, grace, .. } => run_service(suites, *grace, host, settings, screen).await,
        LocalCommand::Check {
            suites,
            wanted,
            output,
            ..
        } => {
            let runs = check::runs(suites, wanted, host, settings).await?;
            single_runs::print_runs(&runs, *output, console, screen)
        }
        LocalCommand::Validate { suites, .. } => validate(suites, host, console).await,
        LocalCommand::Probe(arguments) => probe::probe(arguments, host, console, screen).await,
        #[cfg(feature = "demo")]
        LocalCommand::Demo { once, otlp, .. } => {
            let telemetry = otlp.is_some().then_some(&settings.telemetry);
            demo::run(*once, telemetry, host, settings, (console, screen)).await
        }
        LocalCommand::Alert(AlertCommand::Test { notifiers }) => {
            let all_well = alert::test(&settings.alert, notifiers, &host.internal_fds, console).await?;
            Ok(u8::from(!all_well))
        }
        LocalCommand::Plugin(PluginCommand::List { .. }) => plugin_list(host, console).await,
        LocalCommand::Plugin(PluginCommand::Inspect { plugin, schema, .. }) => {
            inspect(plugin, *schema, host, console).await
        }
        LocalCommand::Schema { .. } => suite_schema(host, console).await,
    }
}

async fn run_service(
    suites: &[PathBuf],
    grace: Duration,
    host: &Arc<Host>,
    settings: &Settings,
    screen: Screen,
) -> anyhow::Result<u8> {
    let mut shutdown = listen(host, grace)?;
    let hangup = Hangup::listen().context("cannot listen for signals")?;
    let listener = settings.open_admin()?;
    let loaded = tokio::select! {
        loaded = load(suites, host) => loaded?,
        () = shutdown.requested() => return Ok(0),
    };
    tracing::info!("running {}", count_of(loaded.suite.checks.len(), "check"));
    log_endpoints(listener.as_ref(), &settings.telemetry)?;
    let settings = bootstrap::Settings {
        grace,
        state: settings.state.clone(),
        alert: settings.alert.clone(),
        telemetry: settings.telemetry.clone(),
        heartbeat: settings.heartbeat.clone(),
        admin_listener: listener,
        hangup,
        screen,
    };
    let (host, paths) = (Arc::clone(host), suites.to_vec());
    let account = bootstrap::run(host, paths, loaded, settings, shutdown.requested()).await?;
    tracing::info!("{}", report::shutdown_summary(&account));
    Ok(0)
}

/// Logs where the metrics are, and warns if telemetry is not exported or not persisted.
fn log_endpoints(
    listener: Option<&AdminListener>,
    telemetry: &canary_telemetry::settings::Settings,
) -> io::Result<()> {
    listener.map_or(Ok(()), log_admin_address)?;
    if telemetry.is_unconfigured {
        tracing::warn!(
            "telemetry export is off; set OTEL_EXPORTER_OTLP_ENDPOINT, or `telemetry.endpoint` in the file of `--config`",
        );
    }
    let is_sent = |signal: &Signal| matches!(telemetry.exporter(*signal), Exporter::Otlp(_));
    if telemetry.spool.is_none() && Signal::ALL.iter().any(is_sent) {
        tracing::warn!(
            "no spool: unsent telemetry is buffered in memory only, for a short time (set `--state-dir`)",
        );
    }
    Ok(())
}

async fn validate(suites: &[PathBuf], host: &Host, console: &Console) -> anyhow::Result<u8> {
    let Loaded { suite, .. } = load_and_warn(suites, host).await?;
    console.print(&format!("ok: {}", count_of(suite.checks.len(), "check")))?;
    for variable in &suite.variables {
        let location = variable.location.as_ref();
        let location = location.map_or_else(|| "`--var`".to_owned(), ToString::to_string);
        console.print(&format!(
            "{}={} ({})",
            variable.name,
            report::sanitize(variable.listed_value()),
            report::sanitize(&location)
        ))?;
    }
    Ok(0)
}

fn count_of(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

async fn plugin(name: &str, source: &PluginSource, host: &Host) -> anyhow::Result<Arc<Plugin>> {
    let session = Session::new(Owner::Plugins);
    Plugin::load(name, source, &host.loader, &host.sandbox, &session)
        .await
        .with_context(|| format!("plugin `{name}`"))
}

async fn embedded(host: &Host) -> anyhow::Result<Vec<Arc<Plugin>>> {
    let mut plugins = Vec::new();
    for name in EMBEDDED {
        plugins.push(plugin(name, &PluginSource::Embedded, host).await?);
    }
    Ok(plugins)
}

async fn plugin_list(host: &Host, console: &Console) -> anyhow::Result<u8> {
    let mut text = String::new();
    for plugin in embedded(host).await? {
        let described = plugin.description();
        let digest = plugin.digest().get(..12).unwrap_or_default();
        text += &format!(
            "{:<6} {:<8} sha256:{digest}  {}\n",
            plugin.name, described.version, described.summary
        );
    }
    console.print(&text)?;
    Ok(0)
}

async fn inspect(name: &str, only_schema: bool, host: &Host, console: &Console) -> anyhow::Result<u8> {
    let source = if EMBEDDED.contains(&name) {
        PluginSource::Embedded
    } else {
        PluginSource::File {
            path: Path::new(name).to_owned(),
            digest: None,
        }
    };
    let plugin = plugin(name, &source, host).await?;
    let schema = serde_json::to_string_pretty(plugin.config_schema())?;
    let described = plugin.description();
    let text = if only_schema {
        schema
    } else {
        format!(
            "name      {}\nversion   {}\nsummary   {}\ntarget    {}\ndigest    sha256:{}\ncontract  canary:check {}\n{}\nconfig schema:\n{schema}",
            report::sanitize(&described.name),
            report::sanitize(&described.version),
            report::sanitize(&described.summary),
            report::sanitize(&described.target_syntax),
            plugin.digest(),
            plugin.program().contract(),
            declarations(described),
        )
    };
    console.print(&text)?;
    Ok(0)
}

/// What a plugin declares in addition, one line each.
fn declarations(described: &Description) -> String {
    let measured = described.measurements.iter().map(|metric| {
        let (name, unit, text) = (&metric.name, &metric.unit, &metric.text);
        format!("measures  {name} {unit}: {text}")
    });
    let secret = described
        .secrets
        .iter()
        .map(|location| format!("secret    config{location}"));
    let lines = measured.chain(secret).map(|line| report::sanitize(&line) + "\n");
    lines.collect()
}

async fn suite_schema(host: &Host, console: &Console) -> anyhow::Result<u8> {
    let plugins = embedded(host).await?;
    let facts: Vec<(String, PluginFacts)> = plugins
        .iter()
        .map(|plugin| (plugin.name.clone(), plugin.facts()))
        .collect();
    let facts: Vec<(&str, &PluginFacts)> = facts.iter().map(|(name, facts)| (name.as_str(), facts)).collect();
    console.print(&serde_json::to_string_pretty(&schema(&facts))?)?;
    Ok(0)
}

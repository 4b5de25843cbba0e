//! One function a command: load, do, print, exit code.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;

use super::alert::{self, AlertError};
use super::check;
use super::inside;
use super::probe;
use super::settings::{SecretArgument, Settings, WrongAddress};
use super::usage;
use super::{AlertCommand, Cli, Command, HostedCommand, PluginCommand};
use crate::admin::Door;
use crate::app::limits::{self, Need, Scarcity};
use crate::app::load::{Loaded, load};
use crate::app::{Host, service};
use crate::console::logging::Format;
use crate::console::{self, Console};
use crate::demo;
use crate::grant::GrantError;
use crate::liveness::{self, Registry};
use crate::plugin::isolated::worker;
use crate::plugin::{EMBEDDED, Plugin};
use crate::regular_file::{Owner, Session};
use crate::report::{self, Screen};
use crate::sandbox::Description;
use crate::settings;
use crate::signal::{self, Hangup, HeldHangup, Shutdown};
use crate::suite::{PluginFacts, PluginSource, Problems, Variable, schema};
use crate::telemetry;
use crate::telemetry::settings::{Exporter, Signal};

/// A limit of the process, or of the machine, leaves no room for the runner itself.
const CANNOT_WORK: u8 = 2;
/// A suite that does not load.
const BAD_SUITE: u8 = 3;
/// `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;
/// How long tasks that do not end may hold up the end.
const LAST_TASKS: Duration = Duration::from_secs(1);
/// How long a service that cannot start waits for somebody to read why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Parses the arguments and runs the command. The exit code is the command's contract with scripts.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before anything that takes time.
    let hangup = HeldHangup::hold();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            return usage::refused(&error, USAGE);
        }
    };
    let held = hangup.and_then(|held| held.release_unless(cli.reloads()));
    if let Err(error) = held.and_then(|()| signal::survive_file_size_limit()) {
        return usage::worked(Err(error));
    }
    if let Command::PluginWorker(limits) = cli.command {
        return usage::worked(worker::run(limits));
    }
    let format = cli.log.format(cli.is_service());
    let carried_out = enough(&cli).and_then(|()| {
        // A signal has to find a thread that does not wait for a disk.
        Ok(liveness::apart_from_main(move || carry_out(&cli, format))??)
    });
    carried_out.unwrap_or_else(|scarcity| {
        Console::fail_without(format, &scarcity.to_string());
        ExitCode::from(CANNOT_WORK)
    })
}

/// Whether the process may have what it takes; before anything that ends badly without it.
fn enough(cli: &Cli) -> Result<(), Scarcity> {
    match cli.command {
        // Those need no engine.
        Command::Inside(_) | Command::PluginWorker(_) => Ok(()),
        Command::Hosted(_) => limits::suffice(need(cli)),
    }
}

fn need(cli: &Cli) -> Need {
    match cli.is_service() {
        true => Need::Service,
        false => Need::Command,
    }
}

fn carry_out(cli: &Cli, format: Format) -> io::Result<ExitCode> {
    let liveness = Registry::default();
    let console = Console::start(&liveness, format, &cli.log.filter())?;
    let code = match start(cli, &console, &liveness) {
        Ok(code) => code,
        Err(error) => {
            let (error, code) = match Scarcity::behind(&error, need(cli)) {
                Some(scarcity) => (anyhow::Error::msg(scarcity), CANNOT_WORK),
                None => {
                    let code = code_of(&error);
                    (error, code)
                }
            };
            // Whoever waits for a command reads it to the end; a service that fails must not wait for that.
            console.fail(&error, cli.is_service().then_some(LAST_WORDS));
            code
        }
    };
    if !cli.is_service() {
        console.flush();
    }
    Ok(ExitCode::from(code))
}

fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<Problems>() {
        return BAD_SUITE;
    }
    let is_usage = error.is::<GrantError>()
        || error.is::<check::NoSuchCheck>()
        || error.is::<probe::Contradiction>()
        || error.is::<AlertError>()
        || error.is::<settings::Problems>()
        || error.is::<SecretArgument>()
        || error.is::<WrongAddress>();
    match is_usage {
        true => USAGE,
        false => 1,
    }
}

fn start(cli: &Cli, console: &Console, liveness: &Registry) -> anyhow::Result<u8> {
    let screen = console::screen(cli.host.no_color());
    let otlp = match &cli.command {
        Command::Hosted(HostedCommand::Demo { otlp, .. }) => otlp.as_ref(),
        _ => None,
    };
    cli.host.refuse_secrets(otlp)?;
    let command = match &cli.command {
        // Those need no engine.
        Command::Inside(inside) => return inside::run(inside, &cli.host.asking()?, console, screen),
        // It was done before there was a console.
        Command::PluginWorker(_) => return Ok(0),
        Command::Hosted(command) => command,
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
        hosted(command, &host, &settings, (console, screen)).await
    });
    // What still computes or waits for a disk does not hold up the end.
    runtime.shutdown_timeout(LAST_TASKS);
    code
}

async fn hosted(
    command: &HostedCommand,
    host: &Arc<Host>,
    settings: &Settings,
    (console, screen): (&Console, Screen),
) -> anyhow::Result<u8> {
    match command {
        HostedCommand::Run { suites, grace, .. } => service(suites, *grace, host, settings, screen).await,
        HostedCommand::Check {
            suites, only, output, ..
        } => {
            let runs = check::runs(suites, only, host, settings).await?;
            check::show(&runs, *output, console, screen)
        }
        HostedCommand::Validate { suites, .. } => validate(suites, host, console).await,
        HostedCommand::Probe(arguments) => probe::probe(arguments, host, console, screen).await,
        HostedCommand::Demo { once, otlp } => {
            let telemetry = otlp.is_some().then_some(&settings.telemetry);
            let as_told = match once {
                true => demo::once(host, telemetry, console, screen).await?,
                false => {
                    let unsent = settings.telemetry.unsent();
                    let telemetry = telemetry.unwrap_or(&unsent);
                    demo::live(host, telemetry, || demo_door(settings), (console, screen)).await?
                }
            };
            Ok(u8::from(!as_told))
        }
        HostedCommand::Alert(AlertCommand::Test { notifiers }) => {
            let all_well = alert::test(&settings.alert, notifiers, &host.reserve, console).await?;
            Ok(u8::from(!all_well))
        }
        HostedCommand::Plugin(PluginCommand::List) => plugin_list(host, console).await,
        HostedCommand::Plugin(PluginCommand::Inspect { plugin, schema }) => {
            inspect(plugin, *schema, host, console).await
        }
        HostedCommand::Schema => suite_schema(host, console).await,
    }
}

/// Loads a suite; warns of what it can't have here.
pub(super) async fn ready(suites: &[PathBuf], host: &Host) -> anyhow::Result<Loaded> {
    let loaded = load(suites, host).await?;
    for shortage in host.shortage(&loaded.suite) {
        tracing::warn!("{shortage}");
    }
    Ok(loaded)
}

async fn service(
    suites: &[PathBuf],
    grace: Duration,
    host: &Arc<Host>,
    settings: &Settings,
    screen: Screen,
) -> anyhow::Result<u8> {
    let mut shutdown = listen(host, grace)?;
    let hangup = Hangup::listen().context("cannot listen for signals")?;
    let door = settings.door()?;
    let loaded = tokio::select! {
        loaded = load(suites, host) => loaded?,
        () = shutdown.requested() => return Ok(0),
    };
    tracing::info!("running {}", counted(loaded.suite.checks.len(), "check"));
    tell_where(door.as_ref(), &settings.telemetry)?;
    let settings = service::Settings {
        grace,
        state: settings.state.clone(),
        alert: settings.alert.clone(),
        telemetry: settings.telemetry.clone(),
        heartbeat: settings.heartbeat.clone(),
        door,
        hangup,
        screen,
    };
    let (host, paths) = (Arc::clone(host), suites.to_vec());
    let account = service::run(host, paths, loaded, settings, shutdown.requested()).await?;
    tracing::info!("{}", report::closing(&account));
    Ok(0)
}

/// Takes over SIGTERM and SIGINT; from the first of them on, the process ends within `grace` and a little more.
pub(super) fn listen(host: &Host, grace: Duration) -> anyhow::Result<Shutdown> {
    let failed = "cannot listen for signals";
    signal::guard(&host.settings().liveness, grace).context(failed)?;
    Shutdown::listen().context(failed)
}

/// The demo can be looked into as well. A runner that has the address already is no reason not to show it.
fn demo_door(settings: &Settings) -> Option<Door> {
    let opened = settings.door().map_err(anyhow::Error::new).and_then(|door| {
        if let Some(door) = &door {
            say_where(door)?;
        }
        Ok(door)
    });
    opened.unwrap_or_else(|error| {
        tracing::warn!("{error:#}");
        None
    })
}

fn say_where(door: &Door) -> io::Result<()> {
    tracing::info!("metrics on {}/metrics", door.origin()?);
    Ok(())
}

/// Says where the metrics are, or that nothing is exported.
fn tell_where(door: Option<&Door>, telemetry: &telemetry::settings::Settings) -> io::Result<()> {
    door.map_or(Ok(()), say_where)?;
    if telemetry.nothing_to_export_to {
        tracing::warn!(
            "nothing is exported: set OTEL_EXPORTER_OTLP_ENDPOINT, or `telemetry.endpoint` in the file of `--config`",
        );
    }
    let is_sent = |signal: &Signal| matches!(telemetry.exporter(*signal), Exporter::Otlp(_));
    if telemetry.spool.is_none() && Signal::ALL.iter().any(is_sent) {
        tracing::warn!(
            "what cannot be sent waits in memory only, and not for long: name a folder with `--state-dir`",
        );
    }
    Ok(())
}

async fn validate(suites: &[PathBuf], host: &Host, console: &Console) -> anyhow::Result<u8> {
    let Loaded { suite, .. } = ready(suites, host).await?;
    console.print(&format!("ok: {}", counted(suite.checks.len(), "check")))?;
    for Variable {
        name,
        value,
        location,
    } in &suite.variables
    {
        let place = location
            .as_ref()
            .map_or_else(|| "`--var`".to_owned(), ToString::to_string);
        console.print(&format!(
            "{name}={} ({})",
            report::plain(value),
            report::plain(&place)
        ))?;
    }
    Ok(0)
}

fn counted(number: usize, what: &str) -> String {
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
    for (name, _) in EMBEDDED {
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
    let source = match EMBEDDED.iter().any(|(known, _)| *known == name) {
        true => PluginSource::Embedded,
        false => PluginSource::File {
            path: Path::new(name).to_owned(),
            digest: None,
        },
    };
    let plugin = plugin(name, &source, host).await?;
    let schema = serde_json::to_string_pretty(plugin.config_schema())?;
    let described = plugin.description();
    let text = match only_schema {
        true => schema,
        false => format!(
            "name      {}\nversion   {}\nsummary   {}\ntarget    {}\ndigest    sha256:{}\ncontract  canary:check {}\n{}\nconfig schema:\n{schema}",
            report::plain(&described.name),
            report::plain(&described.version),
            report::plain(&described.summary),
            report::plain(&described.target_syntax),
            plugin.digest(),
            plugin.program().contract(),
            declared(described),
        ),
    };
    console.print(&text)?;
    Ok(0)
}

/// What a plugin declares beside that, a line each.
fn declared(described: &Description) -> String {
    let measured = described.measurements.iter().map(|metric| {
        let (name, unit, text) = (&metric.name, &metric.unit, &metric.text);
        format!("measures  {name} {unit}: {text}")
    });
    let secret = described
        .secrets
        .iter()
        .map(|place| format!("secret    config{place}"));
    let lines = measured.chain(secret).map(|line| report::plain(&line) + "\n");
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

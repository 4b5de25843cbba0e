//! `canary status`, `connections`, `top` and `reload`: clients of a running instance's admin API. They start no
//! engine.

use std::time::SystemTime;

use http::{Method, StatusCode};
use serde::Deserialize;

use super::admin_client::{AdminClient, RELOAD_TIMEOUT, REQUEST_TIMEOUT};
use super::command::{ClientCommand, Probe};
use super::output::ResponseFormat;
use super::settings::AdminTarget;
use canary_console::Console;
use canary_console::terminal::Terminal;
use canary_run::report::admin_api::{self, Connections, HealthStatus, ReloadFailed, Reloaded, RunnerStatus};
use canary_run::report::{Screen, escape, sanitize};
use canary_settings::Token;

/// Exit code for an invalid suite.
const EXIT_INVALID_SUITE: u8 = 3;
/// Maximum number of checks on a screen of `top`.
const MAX_LINES: usize = 500;
const STATUS: &str = "/api/v1/status";

/// Sends the request, prints the response, and returns the exit code.
pub(super) fn run(
    command: &ClientCommand,
    target: &AdminTarget,
    console: &Console,
    screen: Screen,
) -> anyhow::Result<u8> {
    let token = target.token.iter().map(Token::expose);
    let _registered = console.secrets().register(token);
    let client = AdminClient::new(target, command.admin_client().admin_ca.as_deref())?;
    match command {
        ClientCommand::Status {
            output,
            probe: Some(what),
            ..
        } => probe(&client, *what, output.format(), console),
        ClientCommand::Status {
            output, check, limit, ..
        } => status(
            &client,
            check.as_deref(),
            *limit,
            (console, Layout::new(output.format(), screen)),
        ),
        ClientCommand::Connections {
            output, check, limit, ..
        } => connections(
            &client,
            check.as_deref(),
            *limit,
            (console, Layout::new(output.format(), screen)),
        ),
        ClientCommand::Top { .. } => top(&client, console, screen),
        ClientCommand::Reload { .. } => reload(&client, console),
    }
}

/// How a response is printed.
#[derive(Clone, Copy)]
enum Layout {
    Json,
    Table(Screen),
}

impl Layout {
    fn new(format: ResponseFormat, screen: Screen) -> Self {
        match format {
            ResponseFormat::Human => Self::Table(screen),
            ResponseFormat::Json => Self::Json,
        }
    }
}

fn parameters(check: Option<&str>, limit: Option<u32>) -> Vec<(&'static str, String)> {
    let check = check.map(|name| ("check", name.to_owned()));
    let limit = limit.map(|limit| ("limit", limit.to_string()));
    check.into_iter().chain(limit).collect()
}

fn status(
    client: &AdminClient<'_>,
    check: Option<&str>,
    limit: Option<u32>,
    (console, layout): (&Console, Layout),
) -> anyhow::Result<u8> {
    let response = client.get::<RunnerStatus>(STATUS, &parameters(check, limit))?;
    if let (Some(name), 0) = (check, response.value.matched) {
        return Err(NoSuchCheck(name.to_owned()).into());
    }
    console.print(&match layout {
        Layout::Json => escape(&response.text),
        Layout::Table(screen) => admin_api::status(&response.value, SystemTime::now(), screen),
    })?;
    Ok(0)
}

fn connections(
    client: &AdminClient<'_>,
    check: Option<&str>,
    limit: Option<u32>,
    (console, layout): (&Console, Layout),
) -> anyhow::Result<u8> {
    let response = client.get::<Connections>("/api/v1/connections", &parameters(check, limit))?;
    console.print(&match layout {
        Layout::Json => escape(&response.text),
        Layout::Table(screen) => admin_api::connections(&response.value, SystemTime::now(), screen),
    })?;
    Ok(0)
}

/// Prints one line, for container probes.
fn probe(
    client: &AdminClient<'_>,
    what: Probe,
    format: ResponseFormat,
    console: &Console,
) -> anyhow::Result<u8> {
    let (word, path) = match what {
        Probe::Live => ("live", "/livez"),
        Probe::Ready => ("ready", "/readyz"),
    };
    let accepted = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
    let (code, response) = client.request::<HealthStatus>(Method::GET, path, &accepted, REQUEST_TIMEOUT)?;
    let line = match format {
        ResponseFormat::Human => format!("{word}: {}", admin_api::health(&response.value)),
        ResponseFormat::Json => escape(&response.text),
    };
    console.print(&line)?;
    Ok(u8::from(code != StatusCode::OK))
}

fn reload(client: &AdminClient<'_>, console: &Console) -> anyhow::Result<u8> {
    let path = "/api/v1/reload";
    let accepted = [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY];
    let (_, response) = client.request::<ReloadAnswer>(Method::POST, path, &accepted, RELOAD_TIMEOUT)?;
    match response.value {
        ReloadAnswer::Done(Reloaded { checks }) => {
            console.print(&format!("reloaded: {checks} checks"))?;
            Ok(0)
        }
        ReloadAnswer::Refused(ReloadFailed { problems }) => {
            let problems: Vec<String> = problems.lines().map(sanitize).collect();
            let refused = anyhow::anyhow!(
                "{}\nreload failed, keeping the current suite",
                problems.join("\n")
            );
            console.log_failure(&refused, None);
            Ok(EXIT_INVALID_SUITE)
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ReloadAnswer {
    Done(Reloaded),
    Refused(ReloadFailed),
}

/// Redraws the status each second until a key or a signal ends it; prints it once without a terminal.
fn top(client: &AdminClient<'_>, console: &Console, screen: Screen) -> anyhow::Result<u8> {
    let parameters = [("order", "worst".to_owned()), ("limit", MAX_LINES.to_string())];
    let fetch = || client.get::<RunnerStatus>(STATUS, &parameters);
    // Before the terminal is taken over: an unreachable runner is an error, not a screen.
    let mut status = fetch();
    // A signal that came without a handler would leave the terminal in raw mode.
    let mut shutdown = client.listen_for_shutdown()?;
    let take = || Terminal::take(&console.streams().stdout);
    let Some(terminal) = status.is_ok().then(take).transpose()?.flatten() else {
        console.print(&admin_api::status(&status?.value, SystemTime::now(), screen))?;
        return Ok(0);
    };
    loop {
        let (width, height) = terminal.size();
        let screen = Screen { width, ..screen };
        let text = match &status {
            Ok(response) => admin_api::top(&response.value, SystemTime::now(), screen, height),
            Err(error) => format!("{error}\n\npress q to quit"),
        };
        terminal.draw(&text);
        if terminal.is_quit_requested()? || client.is_shutdown_requested(&mut shutdown) {
            return Ok(0);
        }
        status = fetch();
    }
}

/// `--check` matches no check of the runner.
#[derive(Debug, thiserror::Error)]
#[error("the runner has no check named `{0}`")]
struct NoSuchCheck(String);

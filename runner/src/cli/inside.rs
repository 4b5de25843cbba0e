//! `canary status`, `connections`, `top` and `reload`: they ask a runner that is going. No engine is started.

use std::time::SystemTime;

use http::{Method, StatusCode};
use serde::Deserialize;

use super::ask::{Asker, LONG_PATIENCE, PATIENCE};
use super::settings::Asking;
use super::{InsideCommand, Probe};
use crate::console::Console;
use crate::console::terminal::Terminal;
use crate::report::inside::{self, Condition, Connections, NotReloaded, Reloaded, Status};
use crate::report::{Screen, escape, plain};
use crate::settings::Token;

/// A suite that does not load.
const BAD_SUITE: u8 = 3;
/// Checks that a picture of `top` can have.
const MOST_LINES: usize = 500;
const STATUS: &str = "/api/v1/status";

/// Asks, prints, and says how to exit.
pub(super) fn run(
    command: &InsideCommand,
    asking: &Asking,
    console: &Console,
    screen: Screen,
) -> anyhow::Result<u8> {
    let (InsideCommand::Status { ask, .. }
    | InsideCommand::Connections { ask, .. }
    | InsideCommand::Top { ask }
    | InsideCommand::Reload { ask }) = command;
    let token = asking.token.iter().map(Token::expose);
    let _known = console.secrets().hold(token);
    let asker = Asker::new(asking, ask.admin_ca.as_deref())?;
    match command {
        InsideCommand::Status {
            json,
            probe: Some(what),
            ..
        } => probe(&asker, *what, *json, console),
        InsideCommand::Status {
            json, check, limit, ..
        } => status(
            &asker,
            check.as_deref(),
            *limit,
            (console, Printed::of(*json, screen)),
        ),
        InsideCommand::Connections {
            json, check, limit, ..
        } => connections(
            &asker,
            check.as_deref(),
            *limit,
            (console, Printed::of(*json, screen)),
        ),
        InsideCommand::Top { .. } => top(&asker, console, screen),
        InsideCommand::Reload { .. } => reload(&asker, console),
    }
}

/// What an answer becomes.
#[derive(Clone, Copy)]
enum Printed {
    Json,
    Table(Screen),
}

impl Printed {
    fn of(json: bool, screen: Screen) -> Self {
        if json { Self::Json } else { Self::Table(screen) }
    }
}

fn parameters(check: Option<&str>, limit: Option<u32>) -> Vec<(&'static str, String)> {
    let check = check.map(|name| ("check", name.to_owned()));
    let limit = limit.map(|limit| ("limit", limit.to_string()));
    check.into_iter().chain(limit).collect()
}

fn status(
    asker: &Asker<'_>,
    check: Option<&str>,
    limit: Option<u32>,
    (console, printed): (&Console, Printed),
) -> anyhow::Result<u8> {
    let answer = asker.get::<Status>(STATUS, &parameters(check, limit))?;
    if let (Some(name), 0) = (check, answer.value.matched) {
        return Err(NoSuchCheck(name.to_owned()).into());
    }
    console.print(&match printed {
        Printed::Json => escape(&answer.text),
        Printed::Table(screen) => inside::status(&answer.value, SystemTime::now(), screen),
    })?;
    Ok(0)
}

fn connections(
    asker: &Asker<'_>,
    check: Option<&str>,
    limit: Option<u32>,
    (console, printed): (&Console, Printed),
) -> anyhow::Result<u8> {
    let answer = asker.get::<Connections>("/api/v1/connections", &parameters(check, limit))?;
    console.print(&match printed {
        Printed::Json => escape(&answer.text),
        Printed::Table(screen) => inside::connections(&answer.value, SystemTime::now(), screen),
    })?;
    Ok(0)
}

/// One line, for whoever restarts containers.
fn probe(asker: &Asker<'_>, what: Probe, json: bool, console: &Console) -> anyhow::Result<u8> {
    let (word, path) = match what {
        Probe::Live => ("live", "/livez"),
        Probe::Ready => ("ready", "/readyz"),
    };
    let fits = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
    let (code, answer) = asker.any::<Condition>(Method::GET, path, &fits, PATIENCE)?;
    let line = match json {
        true => escape(&answer.text),
        false => format!("{word}: {}", inside::condition(&answer.value)),
    };
    console.print(&line)?;
    Ok(u8::from(code != StatusCode::OK))
}

fn reload(asker: &Asker<'_>, console: &Console) -> anyhow::Result<u8> {
    let path = "/api/v1/reload";
    let fits = [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY];
    let (_, answer) = asker.any::<ReloadAnswer>(Method::POST, path, &fits, LONG_PATIENCE)?;
    match answer.value {
        ReloadAnswer::Done(Reloaded { checks }) => {
            console.print(&format!("reloaded: {checks} checks"))?;
            Ok(0)
        }
        ReloadAnswer::Refused(NotReloaded { problems }) => {
            let problems: Vec<String> = problems.lines().map(plain).collect();
            let refused = anyhow::anyhow!("{}\nthe old suite goes on", problems.join("\n"));
            console.fail(&refused, None);
            Ok(BAD_SUITE)
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ReloadAnswer {
    Done(Reloaded),
    Refused(NotReloaded),
}

/// Draws the runner each second, until somebody has seen enough; once where there is no terminal.
fn top(asker: &Asker<'_>, console: &Console, screen: Screen) -> anyhow::Result<u8> {
    let parameters = [("order", "worst".to_owned()), ("limit", MOST_LINES.to_string())];
    let look = || asker.get::<Status>(STATUS, &parameters);
    // Before the terminal is taken: nobody there is no picture.
    let mut seen = look();
    // And a signal that came while nobody listens would leave the terminal as it is then.
    let mut shutdown = asker.listen()?;
    let take = || Terminal::take(&console.streams().stdout);
    let Some(terminal) = seen.is_ok().then(take).transpose()?.flatten() else {
        console.print(&inside::status(&seen?.value, SystemTime::now(), screen))?;
        return Ok(0);
    };
    loop {
        let (width, height) = terminal.size();
        let screen = Screen { width, ..screen };
        let picture = match &seen {
            Ok(answer) => inside::top(&answer.value, SystemTime::now(), screen, height),
            Err(error) => format!("{error}\n\nq ends"),
        };
        terminal.draw(&picture);
        if terminal.is_over()? || asker.was_told(&mut shutdown) {
            return Ok(0);
        }
        seen = look();
    }
}

/// `--check` names none of the runner's.
#[derive(Debug, thiserror::Error)]
#[error("the runner has no check named `{0}`")]
struct NoSuchCheck(String);

//! `canary top` on a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canary_tests::command::Running;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::terminal::Terminal;
use rustix::process::Signal;
use rustix::termios::Termios;

use super::service_process::Service;
use super::{http_check, site};

/// The character that the keyboard sends.
const CTRL_C: &str = "\x03";
/// The sequences that enter and leave the alternate screen and hide and show the cursor.
const TAKEN: &str = "\x1b[?1049h\x1b[?25l";
const GIVEN_BACK: &str = "\x1b[?25h\x1b[?1049l";

/// A service, and `canary top` on a terminal.
struct Watched {
    service: Service,
    top: Running,
    terminal: Terminal,
    before: Termios,
}

impl Watched {
    /// Starts checks of `site`, each every second.
    fn start(site: &Site, checks: &[String], (columns, lines): (u16, u16)) -> Self {
        let checks: String = checks.iter().map(|name| http_check(name, site, "/")).collect();
        let suite = format!(
            "defaults: {{ interval: 1s, timeout: 1s, retries: 0, failure_threshold: 1 }}\nchecks:\n{checks}"
        );
        let service = Service::start(&suite, "", |program| program);
        let terminal = Terminal::open(columns, lines);
        let before = terminal.attributes();
        let top = service
            .client_command(&["top"])
            .env("NO_COLOR", "1")
            .on(&terminal);
        Self {
            top: top.start(),
            service,
            terminal,
            before,
        }
    }

    /// Waits until the lines of the last frame satisfy `is_so`, and returns them.
    fn until(&mut self, is_so: impl Fn(&[&str]) -> bool) -> Vec<String> {
        let written = self.terminal.until(|written| is_so(&picture(written)));
        picture(&written).into_iter().map(str::to_owned).collect()
    }

    /// Asserts that `top` exits successfully and restores the terminal.
    fn ends(mut self) -> Service {
        let ending = self.top.end();
        assert_eq!((ending.code, ending.err.as_str()), (0, ""), "{ending:?}");
        let written = self.terminal.until(|written| written.ends_with(GIVEN_BACK));
        assert!(written.starts_with(TAKEN), "{written:?}");
        let after = self.terminal.attributes();
        assert_eq!(modes(&after), modes(&self.before));
        self.service
    }
}

/// The lines of the last complete frame.
fn picture(written: &str) -> Vec<&str> {
    let whole = written.rsplit_once("\x1b[J").map_or("", |(whole, _)| whole);
    let lines = whole
        .rsplit_once("\x1b[H")
        .map_or("", |(_, last)| last)
        .split("\r\n");
    lines.map(|line| line.trim_end_matches("\x1b[K")).collect()
}

fn modes(attributes: &Termios) -> String {
    let Termios {
        input_modes,
        output_modes,
        control_modes,
        local_modes,
        special_codes,
        ..
    } = attributes;
    format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?} {special_codes:?}")
}

fn pages(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("page {number:02}")).collect()
}

/// The line of a check.
fn line<'a>(picture: &[&'a str], check: &str) -> &'a str {
    let own = picture.iter().find(|line| line.starts_with(check));
    own.copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn top_shows_the_checks_and_each_change_of_a_status_until_q() {
    let is_bad = Arc::new(AtomicBool::new(false));
    let answers_bad = Arc::clone(&is_bad);
    let site = Site::start(move |_| {
        if answers_bad.load(Ordering::Relaxed) {
            Reply::status(503)
        } else {
            Reply::text("fine")
        }
    });
    let mut watched = Watched::start(&site, &pages(2), (120, 30));
    let up = watched.until(|picture| {
        ["page 00", "page 01"]
            .iter()
            .all(|name| line(picture, name).contains(" up "))
    });
    assert!(up[0].starts_with("canary "), "{up:#?}");
    assert_eq!(up.last().unwrap(), "press q to quit");
    is_bad.store(true, Ordering::Relaxed);
    watched.until(|picture| {
        line(picture, "page 00").contains(" down ") && picture.iter().any(|line| line.contains("503"))
    });
    is_bad.store(false, Ordering::Relaxed);
    watched.until(|picture| line(picture, "page 00").contains(" up "));
    // No other key quits.
    watched.terminal.press("x");
    watched.terminal.press("q");
    watched.ends().end();
}

#[tokio::test(flavor = "multi_thread")]
async fn top_fits_its_picture_to_the_window() {
    let site = site();
    let mut watched = Watched::start(&site, &pages(30), (120, 12));
    let fits = |picture: &[&str], columns: usize, lines: usize| {
        picture.len() <= lines && picture.iter().all(|line| line.chars().count() <= columns)
    };
    let small = watched.until(|picture| line(picture, "page 00").contains(" up "));
    let lines: Vec<&str> = small.iter().map(String::as_str).collect();
    assert!(fits(&lines, 120, 12), "{small:#?}");
    let left_out = |picture: &[&str]| {
        picture
            .last()
            .is_some_and(|line| line.contains(" more; press q to quit"))
    };
    assert!(left_out(&lines), "{small:#?}");
    // Higher: every check has its line.
    watched.terminal.resize(120, 50);
    let high = watched.until(|picture| picture.contains(&"press q to quit"));
    assert!(high.iter().any(|line| line.starts_with("page 29")), "{high:#?}");
    // Narrower, and fewer lines again.
    watched.terminal.resize(60, 20);
    watched.until(|picture| left_out(picture) && fits(picture, 60, 20) && picture.len() > 12);
    watched.terminal.press("q");
    watched.ends().end();
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_and_signals_end_top_and_leave_the_terminal_as_it_was() {
    let site = site();
    let mut watched = Watched::start(&site, &pages(1), (80, 24));
    watched.until(|picture| picture.contains(&"press q to quit"));
    watched.terminal.press(CTRL_C);
    watched.ends().end();
    for signal in [Signal::TERM, Signal::INT] {
        let mut watched = Watched::start(&site, &pages(1), (80, 24));
        watched.until(|picture| picture.contains(&"press q to quit"));
        watched.top.signal(signal);
        watched.ends().end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn top_says_that_its_runner_is_gone_and_still_ends() {
    let site = site();
    let mut watched = Watched::start(&site, &pages(1), (120, 24));
    watched.until(|picture| line(picture, "page 00").contains(" up "));
    watched.service.process.signal(Signal::KILL);
    let said = format!("cannot reach canary at {}: ", watched.service.origin);
    let gone = watched.until(|picture| picture.first().is_some_and(|line| line.starts_with(&said)));
    assert!(gone.iter().all(|line| !line.contains("page 00")), "{gone:#?}");
    assert_eq!(gone.last().unwrap(), "press q to quit");
    watched.terminal.press("q");
    drop(watched.ends());
}

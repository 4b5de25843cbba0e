//! A plugin that does what no plugin should: it opens connections, leaks them, and then misbehaves as configured.
//!
//! Each of its requests to the host becomes one assertion of its verdict, so that a test sees the host's result.

mod behave;
mod config;
mod deadlines;
mod extremes;
mod notes;
mod stream;

use canary_sdk::http::Request;
use canary_sdk::{Check, Endpoint, Error, NetError, Pointer, Probe, Problem, TargetForm, Verdict, tcp, tls};

pub use config::{Behaviour, Config, Fetch, OnEach, Stream};
use notes::Notes;

/// A plugin that opens connections, leaks them, and misbehaves.
#[derive(Debug)]
pub struct Hostile;

impl Probe for Hostile {
    type Config = Config;
    const NAME: &'static str = "hostile";
    const SUMMARY: &'static str = "Keeps every connection and misbehaves";
    const TARGETS: &'static [TargetForm] = &[TargetForm::HostPort];

    fn check_target(target: &str, _: &Config) -> Vec<Problem> {
        let endpoint: Result<Endpoint, _> = target.parse();
        endpoint.err().map(Problem::target).into_iter().collect()
    }

    fn check_config(config: &Config) -> Vec<Problem> {
        let Some(judge) = &config.judge else {
            return Vec::new();
        };
        let at = Pointer::root().key("judge");
        let mut notes = Notes::default();
        let judged = behave::behave(judge, &Endpoint::new("127.0.0.1", 1), &mut notes);
        let mut problems = notes.into_problems(&at);
        problems.extend(judged.err().map(|error| Problem::config(&at, error)));
        problems
    }

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let endpoint = check.endpoint()?;
        let mut notes = Notes::default();
        for _ in 0..check.config.hold {
            notes.record("hold", hold(&endpoint, check.config.on_each));
        }
        behave::behave(&check.config.then, &endpoint, &mut notes)?;
        Ok(notes.into_verdict())
    }
}

canary_sdk::export_probe!(Hostile);

/// Opens a connection that the plugin never closes.
fn hold(endpoint: &Endpoint, on_each: OnEach) -> Result<String, NetError> {
    if let OnEach::Exchange = on_each {
        std::mem::forget(Request::get(format!("http://{endpoint}/")).open()?);
        return Ok("held".into());
    }
    let connection = tcp::connect(endpoint)?;
    let done = match on_each {
        OnEach::Nothing | OnEach::Exchange => Ok(()),
        OnEach::Request => connection.write(b"GET / HTTP/1.1\r\nhost: held\r\n\r\n"),
        OnEach::Tls => connection
            .start_tls(&tls::Options::new().require_valid(false))
            .map(drop),
    };
    std::mem::forget(connection);
    done.map(|()| "held".into())
}

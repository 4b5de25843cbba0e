//! A plugin that does what no plugin should: it opens connections, keeps them, and then misbehaves as it is told.
//!
//! Whatever it asks of the host is one assertion of its verdict, so that a test sees the host's answer.

mod behave;
mod config;
mod extremes;
mod notes;

use canary_sdk::{Check, Endpoint, Error, NetError, Probe, Verdict, tcp, tls};

pub use config::{Behaviour, Config, Fetch, OnEach};
use notes::Notes;

/// Opens connections, keeps them, and misbehaves.
#[derive(Debug)]
pub struct Hostile;

impl Probe for Hostile {
    type Config = Config;
    const NAME: &'static str = "hostile";
    const SUMMARY: &'static str = "Keeps every connection and misbehaves";
    const TARGET_SYNTAX: &'static str = "HOST:PORT";

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let place = check.endpoint()?;
        let mut notes = Notes::default();
        for _ in 0..check.config.hold {
            notes.take("hold", hold(&place, check.config.on_each));
        }
        behave::behave(&check.config.then, &place, &mut notes)?;
        Ok(notes.into_verdict())
    }
}

canary_sdk::export_probe!(Hostile);

/// Opens a connection that nothing will ever close.
fn hold(place: &Endpoint, on_each: OnEach) -> Result<String, NetError> {
    let connection = tcp::connect(place)?;
    let done = match on_each {
        OnEach::Nothing => Ok(()),
        OnEach::Request => connection.write(b"GET / HTTP/1.1\r\nhost: held\r\n\r\n"),
        OnEach::Tls => connection
            .start_tls(&tls::Options::new().require_valid(false))
            .map(drop),
    };
    std::mem::forget(connection);
    done.map(|()| "held".into())
}

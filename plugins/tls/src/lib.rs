//! Shakes hands, shows what the server presented, and judges it.
//!
//! Fetching and judging are apart: an expired, self-signed or otherwise untrusted chain ends no handshake, so that
//! it is reported in full, with the reason why it is not trusted.

pub mod config;
mod judge;
mod report;
mod starttls;

use canary_sdk::tcp::{ConnectOptions, Connection};
use canary_sdk::{Check, Error, NetError, Probe, Verdict};

pub use config::Config;
pub use starttls::Protocol;

/// The `tls` plugin.
#[derive(Debug)]
pub struct Tls;

impl Probe for Tls {
    type Config = Config;
    const NAME: &'static str = "tls";
    const SUMMARY: &'static str = "Examines the certificate chain and the handshake of a TLS server";
    const TARGET_SYNTAX: &'static str = "HOST or HOST:PORT";

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let config = &check.config;
        let endpoint = check.endpoint_or(config.default_port())?;
        let options = config.options()?;
        let connection = ConnectOptions::default()
            .ip_family(config.ip_family)
            .connect(&endpoint)?;
        if let Some(protocol) = config.starttls {
            let domain = config.server_name.as_deref().unwrap_or(&endpoint.host);
            if let Err(error) = starttls::upgrade(&connection, protocol, domain) {
                return refused(&connection, protocol, error);
            }
        }
        let session = connection.start_tls(&options)?;
        let mut verdict = Verdict::pass(report::summary(&session, check.now));
        judge::judge(&mut verdict, &session, config, check.now);
        report::report(&mut verdict, &session, &connection.info(), check.now);
        Ok(verdict)
    }
}

canary_sdk::export_probe!(Tls);

/// The server did not come as far as TLS.
fn refused(connection: &Connection, protocol: Protocol, error: starttls::Error) -> Result<Verdict, Error> {
    let mut verdict = Verdict::fail(format!("starttls {protocol}: {error}"));
    match &error {
        starttls::Error::Net(error @ NetError::Invalid(_)) => return Err(error.clone().into()),
        starttls::Error::Net(error) => verdict.assert_net("starttls", error),
        starttls::Error::Refused { .. } => verdict.assert("starttls", false, error.to_string()),
    };
    let info = connection.info();
    verdict
        .set_attribute("network.peer", info.peer)
        .measure_time("connect.duration", info.timings.connect);
    Ok(verdict)
}

#[cfg(test)]
mod tests;

//! Shakes hands, reports what the server presented, and evaluates it.
//!
//! Fetching and evaluating are separate: an expired, self-signed or otherwise untrusted chain does not end the
//! handshake, so that it is reported in full, with the reason why it is not trusted.

pub mod config;
mod evaluation;
mod presented_chain;
mod report;
mod starttls;

use canary_sdk::tcp::{ConnectOptions, Connection};
use canary_sdk::tls::Options;
use canary_sdk::{
    Check, Endpoint, Error, ErrorCode, Metric, NetError, Pointer, Probe, Problem, Problems, TargetForm,
    Verdict,
};

pub use config::Config;
pub use starttls::Protocol;

use presented_chain::PresentedChain;

/// The `tls` plugin.
#[derive(Debug)]
pub struct Tls;

impl Probe for Tls {
    type Config = Config;
    const NAME: &'static str = "tls";
    const SUMMARY: &'static str = "Examines the certificate chain and the handshake of a TLS server";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Host];

    const MEASUREMENTS: &'static [Metric] = report::MEASUREMENTS;
    const SECRETS: &'static [&'static str] = &["/client_key"];

    fn check_config(config: &Config) -> Vec<Problem> {
        let mut problems = Problems::default();
        config.check(&mut problems);
        problems.into_vec()
    }

    fn check_target(target: &str, config: &Config) -> Vec<Problem> {
        check_target(target, config).into_iter().collect()
    }

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let config = &check.config;
        let endpoint = check.endpoint_or(config.default_port())?;
        let options = config.options()?;
        let place = || Ok(endpoint.clone());
        config.addresses.judge(check, config.ip_family, place, |scope| {
            let connect_options = ConnectOptions::default().ip_family(config.ip_family);
            let connection = scope.connect(connect_options, &endpoint)?;
            examine(check, &connection, &endpoint, &options)
        })
    }
}

canary_sdk::export_probe!(Tls);

fn examine(
    check: &Check<Config>,
    connection: &Connection,
    endpoint: &Endpoint,
    options: &Options,
) -> Result<Verdict, Error> {
    let config = &check.config;
    if let Some(protocol) = config.starttls
        && let Err(error) = starttls::upgrade(connection, protocol, config.greeting(&endpoint.host))
    {
        return starttls_failed(connection, protocol, error);
    }
    let session = match connection.start_tls(options) {
        Ok(session) => session,
        Err(error) => return handshake_failed(connection, check, error),
    };
    let mut verdict = Verdict::pass(report::summary(&session, check.now));
    if let Some(networks) = &config.peer_address {
        verdict.extend([networks.judge(&connection.info().peer)]);
    }
    evaluation::evaluate(&mut verdict, &session, config, check.now);
    report::report(&mut verdict, &session, check.now);
    report::report_connection(&mut verdict, &connection.info());
    Ok(verdict)
}

/// The verdict on a failed handshake. A server with an older version of TLS still presents its certificate, which is
/// evaluated like any other.
fn handshake_failed(
    connection: &Connection,
    check: &Check<Config>,
    error: NetError,
) -> Result<Verdict, Error> {
    let Some(examination) = connection.examination() else {
        return Err(error.into());
    };
    let mut verdict = Verdict::fail(error.explain());
    verdict
        .assert_net("handshake", &error)
        .set_attribute("tls.version", &examination.version)
        .set_attribute("tls.cipher_suite", &examination.cipher_suite);
    let shown = PresentedChain::from(&examination);
    evaluation::evaluate_certificates(&mut verdict, shown, &check.config, check.now);
    report::report_certificates(&mut verdict, shown, check.now);
    report::report_connection(&mut verdict, &connection.info());
    Ok(verdict)
}

fn check_target(target: &str, config: &Config) -> Option<Problem> {
    match Endpoint::parse_or(target, config.default_port()) {
        Ok(endpoint) => {
            if let Some(reason) = config.ip_family.refuses(&endpoint.host) {
                return Some(Problem::target(reason));
            }
            let networks = config.peer_address.as_ref();
            if let Some(reason) = networks.and_then(|networks| networks.refuses(&endpoint.host)) {
                let place = Pointer::root().key("peer_address");
                return Some(Problem::config(&place, reason));
            }
            let invalid = ConnectOptions::default().check(&endpoint).into_iter();
            let mut invalid = invalid.filter(|invalid| invalid.field == "host");
            invalid.next().map(|invalid| Problem::target(invalid.message))
        }
        Err(error) => Some(Problem::target(error)),
    }
}

/// The verdict on a server that did not get as far as TLS.
fn starttls_failed(
    connection: &Connection,
    protocol: Protocol,
    error: starttls::Error,
) -> Result<Verdict, Error> {
    let mut verdict = Verdict::fail(format!("starttls {protocol}: {error}"));
    match error.net() {
        Some(error) if error.code == ErrorCode::Invalid => return Err(error.clone().into()),
        Some(error) => verdict.assert_net("starttls", error),
        None => verdict.assert("starttls", false, error.to_string()),
    };
    let info = connection.info();
    verdict
        .set_attribute("network.peer", info.peer)
        .measure_time("connect.duration", info.timings.connect);
    Ok(verdict)
}

#[cfg(test)]
mod checks;
#[cfg(test)]
mod tests;

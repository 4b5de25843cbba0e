//! Validation of a configuration, before anything is connected to.

use canary_sdk::tcp::{self, ConnectOptions};
use canary_sdk::{Endpoint, Pointer, Problem, Problems};

use crate::config::{Config, Latency, Step};
use crate::connect_options;
use crate::plan::Plan;

/// Reports everything in a configuration that would end a run early, or that no peer could meet.
pub(crate) fn check(config: &Config, problems: &mut Problems) {
    // The plan reports an incomplete identity.
    let _plan = Plan::new(config, problems);
    let nowhere = Endpoint::new("host.invalid", 1);
    for invalid in connect_options(config).check(&nowhere) {
        match invalid.field.as_str() {
            "source-address" => problems.at("source_address", |problems| problems.report(&invalid.message)),
            _ => problems.report(&invalid.message),
        }
    }
    if let Some(networks) = &config.peer_address {
        problems.at("peer_address", |problems| {
            networks.check(config.ip_family, problems)
        });
    }
    if let Some(limits) = &config.latency {
        problems.at("latency", |problems| check_latency(limits, problems));
    }
    if let Some(tls) = &config.tls {
        problems.at("tls", |problems| tls.report_invalid(problems));
    }
    problems.at("dialogue", |problems| {
        for (index, step) in config.dialogue.iter().enumerate() {
            if let Step::StartTls(settings) = step {
                problems.at_index(index, |problems| {
                    problems.at("start_tls", |problems| {
                        settings.report_invalid(problems);
                    });
                });
            }
        }
    });
}

/// What the host would refuse of a target.
pub(crate) fn check_endpoint(endpoint: &Endpoint, config: &Config) -> Option<Problem> {
    if let Some(reason) = config.ip_family.refuses(&endpoint.host) {
        return Some(Problem::target(reason));
    }
    if let Some(problem) = check_address(&endpoint.host, config) {
        return Some(problem);
    }
    let invalid = ConnectOptions::default().check(endpoint).into_iter();
    let mut invalid = invalid.filter(|invalid| invalid.field == "host");
    invalid.next().map(|invalid| Problem::target(invalid.message))
}

/// Reports a target that is an address and that other keys rule out.
fn check_address(host: &str, config: &Config) -> Option<Problem> {
    let source = config.source_address.as_deref();
    if let Some(reason) = source.and_then(|source| tcp::source_refuses(source, host)) {
        return Some(Problem::target(reason));
    }
    let reason = config.peer_address.as_ref()?.refuses(host)?;
    Some(Problem::config(&Pointer::root().key("peer_address"), reason))
}

fn check_latency(limits: &Latency, problems: &mut Problems) {
    for (key, limit) in [("warn", limits.warn), ("fail", limits.fail)] {
        if limit.is_some_and(|limit| limit.get().is_zero()) {
            problems.at(key, |problems| problems.report("must be more than 0"));
        }
    }
    if let (Some(warn), Some(fail)) = (limits.warn, limits.fail)
        && warn > fail
    {
        let message = format!("{warn} is more than `fail` ({fail}): it would never warn");
        problems.at("warn", |problems| problems.report(message));
    }
}

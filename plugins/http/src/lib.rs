//! The built-in plugin `http`: sends one request, follows its redirects, and evaluates the response.

mod auth;
mod body;
mod config;
mod effort;
mod exchange;
mod expect;
mod memory;
mod mismatch;
mod one_or_many;
mod report;
mod request;
mod text;
mod timing;

pub use config::Config;

use canary_sdk::http::{Request, Response};
use canary_sdk::{Addresses, Check, Error, Metric, NetError, Probe, Problem, Problems, TargetForm, Verdict};

use effort::Effort;
use expect::EvaluationContext;
use memory::MemoryBudget;

/// Sends one HTTP request and evaluates the response.
#[derive(Debug)]
pub struct Http;

impl Probe for Http {
    type Config = Config;
    const NAME: &'static str = "http";
    const SUMMARY: &'static str =
        "Sends an HTTP request and checks status, headers, body, JSON, latency and certificate";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Url(&["http", "https"])];

    const MEASUREMENTS: &'static [Metric] = report::MEASUREMENTS;
    const SECRETS: &'static [&'static str] = &[
        "/auth/basic/password",
        "/auth/bearer",
        "/auth/digest/password",
        "/auth/oauth2/client_secret",
        // Not all of them: `resource` is often the target itself, and nothing could name it any more.
        "/auth/oauth2/params/actor_token",
        "/auth/oauth2/params/assertion",
        "/auth/oauth2/params/client_assertion",
        "/auth/oauth2/params/code",
        "/auth/oauth2/params/code_verifier",
        "/auth/oauth2/params/device_code",
        "/auth/oauth2/params/password",
        "/auth/oauth2/params/refresh_token",
        "/auth/oauth2/params/subject_token",
        "/basic_auth/password",
        "/bearer_token",
        "/tls/client_key",
        "/proxy_tls/client_key",
    ];

    fn check_config(config: &Config) -> Vec<Problem> {
        let mut problems = Problems::default();
        request::check(config, &mut problems);
        problems.at("expect", |problems| {
            config.expect.check(&config.method, problems);
            config.expect.check_addresses(config.ip_family, problems);
            config.expect.check_versions(config.version.as_slice(), problems);
        });
        problems.into_vec()
    }

    fn check_target(target: &str, config: &Config) -> Vec<Problem> {
        if let Some(problem) = request::check_target(target, config) {
            return vec![problem];
        }
        let mut problems = Problems::default();
        if request::max_redirects(config) == 0 {
            problems.at("expect", |problems| {
                let spoken = config.version.as_slice();
                config.expect.check_without_redirects(target, spoken, problems);
                if request::is_direct(config) {
                    config.expect.check_address(text::host(target), problems);
                }
            });
        }
        problems.into_vec()
    }

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let mut request = request::build(&check.target, &check.config);
        let at_once = at_once(check, &request);
        let limits = Limits {
            effort: Effort::for_cpu_quota(check.quotas.cpu),
            memory: memory(check, &request, at_once)?,
        };
        let prepare = |request: &Request| {
            exchange::prepare(request, limits.memory, &limits.effort).map_err(report::describe_not_sent)
        };
        let token = match auth::oauth2(&check.config) {
            None => None,
            Some(oauth2) => match auth::fetch(oauth2, &check.config, check.remaining(), prepare)? {
                Ok(token) => Some(token),
                Err(verdict) => return Ok(verdict),
            },
        };
        if let Some(token) = &token {
            request = match token.add_to(request) {
                Ok(request) => request,
                Err(verdict) => return Ok(verdict),
            };
        }
        let addresses = check.config.addresses;
        let judged = addresses.judge_answers(check, request, at_once, prepare, |answer| {
            evaluate(check, answer, &limits)
        });
        let mut verdict = match judged {
            Err(Error::Net(error)) => Verdict::from(&error),
            judged => judged?,
        };
        verdict.measure_time("http.auth.duration", token.map(|token| token.took));
        Ok(verdict)
    }
}

/// The fraction of a run's memory for bodies that wait for those before them to be evaluated.
const WAITING: u64 = 8;

/// Maximum number of concurrent requests, with memory for what they send and receive.
fn at_once(check: &Check<Config>, request: &Request) -> usize {
    let body = u64::from(request.options.max_body).max(u64::try_from(request.body.len()).unwrap_or(u64::MAX));
    let bodies = (check.quotas.memory / WAITING) / body.max(1);
    usize::try_from(bodies).unwrap_or(usize::MAX).max(1)
}

/// The memory that is left for one response, besides the bodies that were received with it.
fn memory(check: &Check<Config>, request: &Request, at_once: usize) -> Result<MemoryBudget, Error> {
    let memory = check
        .config
        .expect
        .compile(MemoryBudget::for_quota(check.quotas.memory))?;
    let sockets = usize::try_from(check.quotas.sockets).unwrap_or(usize::MAX);
    let others = match check.config.addresses {
        Addresses::One => 0,
        Addresses::All => at_once.min(sockets).saturating_sub(1),
    };
    let body = usize::try_from(request.options.max_body).unwrap_or(usize::MAX);
    Ok(memory.without(others.saturating_mul(body)))
}

/// The limits for the responses of all addresses.
struct Limits {
    /// Shared by all responses.
    effort: Effort,
    /// For each response.
    memory: MemoryBudget,
}

fn evaluate(
    check: &Check<Config>,
    answer: Result<Response, NetError>,
    limits: &Limits,
) -> Result<Verdict, Error> {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) if error.quota.is_some() => return Ok(report::describe_failure(&error)),
        Err(other) => return Err(other.into()),
    };
    let came = response.body_length;
    let verdict = evaluate_answer(check, &mut response, limits);
    exchange::charge_body(came, &limits.effort);
    verdict
}

fn evaluate_answer(
    check: &Check<Config>,
    response: &mut Response,
    limits: &Limits,
) -> Result<Verdict, Error> {
    let Limits { effort, memory } = limits;
    let mut verdict = report::describe(&check.target, response, check.now);
    let is_decompressed = !check.config.accept_encoding.as_slice().is_empty();
    // If no expectation looks into the body, what was not retained is not missing.
    let is_wanted = check.config.expect.retained_body() > 0 || !response.truncated;
    let unreadable = if is_decompressed && is_wanted {
        body::decompress(response, request::max_body(&check.config), *memory, effort).err()
    } else {
        None
    };
    let context = EvaluationContext {
        is_decompressed,
        unreadable,
        forwarder: request::forwarder(&check.config, &response.url),
        authentication_error: response.authentication_error.take(),
        effort,
        memory: *memory,
    };
    expect::evaluate(&check.config.expect, response, &context, check.now, &mut verdict)?;
    Ok(verdict)
}

canary_sdk::export_probe!(Http);

#[cfg(test)]
mod checks;
#[cfg(test)]
mod tests;

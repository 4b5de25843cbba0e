//! The built-in plugin `http`: sends one request, follows its redirects, and judges the answer.

mod body;
mod config;
mod expect;
mod report;
mod request;
mod text;

pub use config::Config;

use canary_sdk::{Check, Error, NetError, Probe, Verdict};

/// Sends one HTTP request and judges the answer.
#[derive(Debug)]
pub struct Http;

impl Probe for Http {
    type Config = Config;
    const NAME: &'static str = "http";
    const SUMMARY: &'static str =
        "Sends an HTTP request and judges status, headers, body, JSON, latency and certificate";
    const TARGET_SYNTAX: &'static str = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]";

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let request = request::build(&check.target, &check.config)?;
        let mut response = match request.send() {
            Ok(response) => response,
            Err(error @ NetError::Quota { .. }) => return Ok(report::describe_failure(&error)),
            Err(other) => return Err(other.into()),
        };
        let mut verdict = report::describe(&check.target, &response, check.now);
        let is_decompressed = !check.config.accept_encoding.as_slice().is_empty();
        if is_decompressed
            && let Err(reason) = body::decompress(&mut response, request::max_body(&check.config))
        {
            verdict.assert("body", false, reason);
            return Ok(verdict);
        }
        expect::judge(
            &check.config.expect,
            &response,
            is_decompressed,
            check.now,
            &mut verdict,
        )?;
        Ok(verdict)
    }
}

canary_sdk::export_probe!(Http);

#[cfg(test)]
mod tests;

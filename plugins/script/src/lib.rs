//! Runs a script of the suite: a check in JavaScript, with clients for HTTP, TCP, TLS and DNS.

pub mod config;
mod cookies;
mod engine;
mod globals;
mod json;
mod location;
mod nesting;
mod occurrence;
mod options;
mod request;
mod response;
mod run;
mod source;
mod syntax;
mod timings;
mod tls_session;
mod uncaught;
mod value;

use canary_sdk::{Check, Error, Pointer, Probe, Problem, TargetForm, Verdict};

pub use config::Config;

/// The `script` plugin.
#[derive(Debug)]
pub struct Script;

impl Probe for Script {
    type Config = Config;
    const NAME: &'static str = "script";
    const SUMMARY: &'static str = "Runs a check in JavaScript that the suite contains";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Text];

    fn check_config(config: &Config) -> Vec<Problem> {
        let problem = syntax::check(&config.script).err();
        let problem = problem.map(|error| Problem::config(&Pointer::root().key("script"), error));
        problem.into_iter().collect()
    }

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        syntax::check(&check.config.script).map_err(Error::plugin)?;
        engine::run(check)
    }
}

canary_sdk::export_probe!(Script);

#[cfg(test)]
mod tests;

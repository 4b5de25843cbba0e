//! A plugin that passes at once, to measure the cost of a run without any request.

use canary_sdk::{Check, Error, NoConfig, Probe, TargetForm, Verdict};

/// A plugin that passes.
#[derive(Debug)]
pub struct Empty;

impl Probe for Empty {
    type Config = NoConfig;
    const NAME: &'static str = "empty";
    const SUMMARY: &'static str = "Passes at once";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Text];

    fn run(_check: &Check<NoConfig>) -> Result<Verdict, Error> {
        Ok(Verdict::pass("nothing to do"))
    }
}

canary_sdk::export_probe!(Empty);

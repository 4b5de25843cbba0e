//! The component itself.

use std::hint::black_box;

use canary_sdk::contract;
use contract::exports::canary::check::probe::{
    Description, Guest, Problem, Request, Status, TargetForm, Verdict,
};

/// Bytes of a script, its marker included.
const SIZE: usize = 2 << 20;
/// The start of the script, by which a test finds it in the file.
const MARK: &[u8; 14] = b"canary-script:";

static SCRIPT: [u8; SIZE] = {
    let mut script = [b' '; SIZE];
    if let Some(start) = script.first_chunk_mut() {
        *start = *MARK;
    }
    script
};

struct Scripted;

impl Guest for Scripted {
    fn describe() -> Description {
        Description {
            name: "scripted".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Does what it is told".to_owned(),
            config_schema: schema(),
            targets: vec![TargetForm::Text],
            measurements: Vec::new(),
            secrets: Vec::new(),
            extra: Vec::new(),
        }
    }

    fn check_config(_target: Option<String>, _config: String) -> Vec<Problem> {
        Vec::new()
    }

    fn run(_request: Request) -> Result<Verdict, String> {
        Ok(Verdict {
            status: Status::Pass,
            summary: "nothing to do".to_owned(),
            assertions: Vec::new(),
            measurements: Vec::new(),
            attributes: Vec::new(),
            extra: Vec::new(),
        })
    }
}

fn schema() -> String {
    let script = black_box(&SCRIPT).get(MARK.len()..).unwrap_or_default();
    let script = String::from_utf8_lossy(script);
    let (word, rest) = script.trim().split_once(' ').unwrap_or((script.trim(), ""));
    match word {
        "schema" => rest.to_owned(),
        "large" => " ".repeat(rest.parse().unwrap_or_default()),
        "loop" => loop {
            black_box(());
        },
        _ => std::process::abort(),
    }
}

contract::export!(Scripted with_types_in contract);

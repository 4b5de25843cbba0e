//! Calls that are made without a network when a suite is loaded: a plugin's description and the check of a
//! configuration.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use super::bindings::v0_2::probe;
use super::description::Description;
use super::guest::Guest;
use super::program::Program;
use super::state::State;
use super::{Bounds, Engine, Sandbox};
use canary_net::NetServices;
use canary_net::ledger::{Budget, Ledger, PageOwner};
use canary_net::resolve::{Resolver, ResolverSettings};
use canary_net::tls::TrustStore;
use canary_record::quota::Quota;
use canary_record::trace::TraceContext;
use canary_record::{Recorder, Section};
use canary_run::outcome::{Outcome, StopCause};
use canary_suite::grant::{Grants, Networks};
use canary_suite::{ProblemAt, Secrets};

/// Maximum number of problems reported for one configuration.
pub(super) const MAX_PROBLEMS: usize = 64;
/// Maximum bytes of each text of a problem.
pub(super) const MAX_TEXT: usize = 1 << 10;
/// How long such a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A configuration for its plugin to validate.
#[derive(Debug, Clone, Copy)]
pub struct ConfigRequest<'a> {
    /// The check's target, if it is known.
    pub target: Option<&'a str>,
    /// JSON that fits the plugin's schema.
    pub config: &'a str,
    /// The suite's secrets, which no problem may show.
    pub secrets: &'a Secrets,
}

/// A problem that a plugin found in a configuration. Its texts contain no secret, have 1 KiB at most, and are one
/// line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where in the check.
    pub at: ProblemAt,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Sandbox {
    /// A sandbox that can only describe plugins and check configurations: no descriptors, and no name servers.
    #[must_use]
    pub(super) fn without_network(engine: Engine) -> Self {
        let ledger = Ledger::new(Budget::new(0));
        let services = NetServices {
            resolver: Resolver::new(ResolverSettings::servers(Vec::new()), &ledger),
            blocked: Networks::default(),
            trust: TrustStore::default(),
            propagation: Default::default(),
            proxies: Default::default(),
        };
        Self::new(engine, ledger, Arc::new(services))
    }

    /// Calls the plugin's `describe` without a network.
    ///
    /// Cancellation: the call is dropped.
    ///
    /// # Errors
    /// How the call ended if it did not return.
    pub async fn describe(&self, program: &Program) -> Result<Description, Outcome> {
        let call = async |guest: &Guest, store: &mut Store<State>| guest.describe(store).await;
        self.offline(program, &Secrets::default(), call, |described, _| described)
            .await
    }

    /// Has a plugin validate a configuration that fits its schema, without a network, and returns the first 64
    /// problems. A plugin of contract 0.1 reports none. A call may take 2 s of CPU time, 64 MiB and 10 s.
    ///
    /// Cancellation: the call is dropped.
    ///
    /// # Errors
    /// How the call ended if it did not return.
    pub async fn check_config(
        &self,
        program: &Program,
        request: ConfigRequest<'_>,
    ) -> Result<Vec<ConfigProblem>, Outcome> {
        if !program.contract().has_check_config() {
            return Ok(Vec::new());
        }
        let ConfigRequest {
            target,
            config,
            secrets,
        } = request;
        let call =
            async |guest: &Guest, store: &mut Store<State>| guest.check_config(store, target, config).await;
        self.offline(program, secrets, call, problems).await
    }

    /// Calls a guest with quotas that allow no descriptor and no network traffic.
    pub(super) async fn offline<T, U>(
        &self,
        program: &Program,
        secrets: &Secrets,
        call: impl AsyncFnOnce(&Guest, &mut Store<State>) -> wasmtime::Result<T>,
        conclude: impl FnOnce(T, &Recorder) -> U,
    ) -> Result<U, Outcome> {
        let slots = self
            .engine
            .instance_pool()
            .acquire_for_describe(program.weight())
            .await;
        let _slots = slots.map_err(|_| StopCause::Instances)?;
        let bounds = Bounds::offline(secrets);
        let recorder = Arc::clone(&bounds.recorder);
        let (ended, _) = self
            .call(
                program,
                bounds,
                &CancellationToken::new(),
                call,
                async |returned, _, _| conclude(returned, &recorder),
            )
            .await;
        ended
    }
}

impl Bounds {
    fn offline(secrets: &Secrets) -> Self {
        let quota = Quota {
            sockets: 0,
            fds: 0,
            connections: 0,
            lookups: 0,
            bytes_in: 0,
            bytes_out: 0,
            log_lines: 0,
            cpu: Duration::from_secs(2),
            memory: 64 << 20,
            ..Quota::default()
        };
        Self {
            quota,
            timeout: TIMEOUT,
            grants: Grants::default(),
            trace: TraceContext {
                trace_id: [0; 16],
                span_id: [0; 8],
                sampled: false,
            },
            owner: PageOwner::service("describe"),
            recorder: Recorder::new(secrets.clone(), quota.record),
        }
    }
}

fn problems(returned: Vec<probe::Problem>, recorder: &Recorder) -> Vec<ConfigProblem> {
    let shown = returned.into_iter().take(MAX_PROBLEMS);
    let problem = |problem: probe::Problem| ConfigProblem {
        at: masked(parse_pointer(&problem.pointer), recorder),
        message: mask_line(problem.message, recorder),
        hint: problem.hint.map(|hint| mask_line(hint, recorder)),
    };
    shown.map(problem).collect()
}

fn masked(at: ProblemAt, recorder: &Recorder) -> ProblemAt {
    match at {
        ProblemAt::Config(keys) => {
            ProblemAt::Config(keys.into_iter().map(|key| mask_line(key, recorder)).collect())
        }
        other => other,
    }
}

/// Bounds a text, masks secrets, and makes it one line.
fn mask_line(text: String, recorder: &Recorder) -> String {
    let text = recorder.entry(Section::Conclusion, MAX_TEXT).text(text);
    text.replace(char::is_control, "\u{fffd}")
}

/// Parses a JSON pointer of a plugin into a location in the check. A longer pointer is cut at [`MAX_TEXT`] bytes; its
/// last key is then the beginning of the real one.
pub(super) fn parse_pointer(pointer: &str) -> ProblemAt {
    let pointer = match pointer.get(..pointer.floor_char_boundary(MAX_TEXT)) {
        Some(cut) if cut.len() < pointer.len() => cut.trim_end_matches(['~', '/']),
        _ => pointer,
    };
    let mut tokens = pointer.split('/').map(unescape);
    match (tokens.next().as_deref(), tokens.next().as_deref()) {
        (Some(""), Some("target")) => ProblemAt::Target,
        (Some(""), Some("config")) => ProblemAt::Config(tokens.collect()),
        _ => ProblemAt::Check,
    }
}

/// Unescapes a reference token of a JSON pointer.
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(problem: probe::Problem, secrets: Secrets) -> ConfigProblem {
        let recorder = Recorder::new(secrets, Quota::default().record);
        problems(vec![problem], &recorder).remove(0)
    }

    fn problem(pointer: &str) -> probe::Problem {
        probe::Problem {
            pointer: pointer.to_owned(),
            message: "it is wrong".to_owned(),
            hint: None,
            extra: Vec::new(),
        }
    }

    #[test]
    fn a_pointer_leads_into_the_check() {
        let config = |path: &[&str]| ProblemAt::Config(path.iter().map(ToString::to_string).collect());
        let long = format!("/config/{}/b", "a".repeat(MAX_TEXT));
        let begun = "a".repeat(MAX_TEXT - "/config/".len());
        for (pointer, at) in [
            ("", ProblemAt::Check),
            ("/target", ProblemAt::Target),
            ("/config", config(&[])),
            ("/config/expect/0", config(&["expect", "0"])),
            ("/config/a~1b~0c~01//", config(&["a/b~c~1", "", ""])),
            ("/interval", ProblemAt::Check),
            ("config/a", ProblemAt::Check),
            ("/", ProblemAt::Check),
            (&long, config(&[&begun])),
        ] {
            assert_eq!(found(problem(pointer), Secrets::default()).at, at, "{pointer}");
        }
    }

    #[test]
    fn problems_are_bounded_in_number_and_length_and_are_one_line_each() {
        let long = probe::Problem {
            pointer: "/config/a".to_owned(),
            message: format!("a\n\u{1b}[31m{}", "ä".repeat(MAX_TEXT)),
            hint: Some("b".repeat(16 << 10)),
            extra: Vec::new(),
        };
        let recorder = Recorder::new(Secrets::default(), Quota::default().record);
        let problems = problems(vec![long; 1_000], &recorder);
        assert_eq!(problems.len(), MAX_PROBLEMS);
        for problem in problems {
            assert_eq!(problem.at, ProblemAt::Config(vec!["a".to_owned()]));
            assert!(problem.message.starts_with("a\u{fffd}\u{fffd}[31mä"));
            assert!(
                (1_000..MAX_TEXT + 8).contains(&problem.message.len()),
                "{}",
                problem.message.len()
            );
            let hint = problem.hint.unwrap();
            assert!((1_000..MAX_TEXT + 8).contains(&hint.len()), "{}", hint.len());
        }
    }

    #[test]
    fn no_problem_shows_a_secret() {
        let leaked = probe::Problem {
            pointer: "/config/correct-horse-battery".to_owned(),
            message: "`correct-horse-battery` is not a token".to_owned(),
            hint: Some("change correct-horse-battery".to_owned()),
            extra: Vec::new(),
        };
        let shown = found(leaked, Secrets::new(["correct-horse-battery"]));
        assert!(!format!("{shown:?}").contains("horse"), "{shown:?}");
    }
}

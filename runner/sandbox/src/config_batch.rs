//! Batch validation of configurations by a plugin, when a suite is loaded.

use wasmtime::Store;

use super::Sandbox;
use super::bindings::v0_2::probe;
use super::describe::{MAX_PROBLEMS, MAX_TEXT, parse_pointer};
use super::guest::Guest;
use super::program::Program;
use super::state::State;
use canary_run::outcome::{Outcome, StopCause};
use canary_suite::{
    ConfigAborted, ConfigProblem, ConfigRequest, ConfigResponse, ConfigUse, MAX_CONFIG_PROBLEMS, ProblemAt,
    Secrets,
};

/// A configuration with one of its targets, or alone.
#[derive(Clone, Copy)]
struct Pair<'a> {
    config: (usize, &'a ConfigUse),
    target: (usize, Option<&'a str>),
}

impl Sandbox {
    /// Has a plugin validate configurations that fit its schema, without a network; a plugin of contract 0.1 has no
    /// problems. One instance handles as many as it can within the limits of
    /// [`check_config`](Sandbox::check_config), then a fresh one continues. The batch ends when an instance ends
    /// before its first answer, which is the plugin's fault, or at the thousandth problem.
    ///
    /// The plugin's texts are not masked.
    ///
    /// Cancellation: the call is dropped.
    pub async fn check_configs(&self, program: &Program, request: &ConfigRequest) -> ConfigResponse {
        let mut answer = ConfigResponse::default();
        let pairs: Vec<Pair<'_>> = pairs(request).collect();
        let mut answered = 0;
        while let Some(next) = pairs.get(answered)
            && program.exports_check_config()
            && answer.problems.len() < MAX_CONFIG_PROBLEMS
        {
            let before = answered;
            let call = async |guest: &Guest, store: &mut Store<State>| {
                for pair in pairs.iter().skip(before) {
                    let problems = guest.check_config(store, pair.target.1, pair.text()).await?;
                    pair.add_problems(problems, &mut answer.problems);
                    answered += 1;
                    if answer.problems.len() >= MAX_CONFIG_PROBLEMS {
                        break;
                    }
                }
                Ok(())
            };
            let ended = self.offline(program, &Secrets::default(), call, |(), _| ()).await;
            match ended {
                Err(outcome) if answered == before => {
                    answer.aborted = Some(ConfigAborted {
                        config: next.config.0,
                        reason: outcome.summary(),
                        is_transient: is_shortage(&outcome),
                    });
                    break;
                }
                // After others in the same instance it may have had too little time: it is the first one of the next
                // instance.
                Err(_) | Ok(()) => {}
            }
        }
        answer
    }
}

/// Whether the host is the reason why a call ended.
fn is_shortage(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Stopped(cause) => !matches!(
            cause,
            StopCause::Quota { .. } | StopCause::Deadline { .. } | StopCause::Shutdown
        ),
        Outcome::Completed(_) | Outcome::Faulted(_) => false,
    }
}

fn pairs(request: &ConfigRequest) -> impl Iterator<Item = Pair<'_>> {
    let configs = request.configs.iter().enumerate();
    configs.flat_map(|config| {
        let alone = config.1.targets.is_empty().then_some((0, None));
        let targets = config.1.targets.iter().enumerate();
        let targets = targets.map(|(index, target)| (index, Some(target.as_str())));
        alone
            .into_iter()
            .chain(targets)
            .map(move |target| Pair { config, target })
    })
}

impl Pair<'_> {
    fn text(&self) -> &str {
        self.config.1.for_target(self.target.0)
    }

    /// Adds a plugin's problems. Those of the configuration itself are reported with the first target
    /// and repeat with the others.
    fn add_problems(self, problems: Vec<probe::Problem>, reported: &mut Vec<ConfigProblem>) {
        for problem in problems.into_iter().take(MAX_PROBLEMS) {
            let at = parse_pointer(&problem.pointer);
            if self.config.1.is_shortened(self.target.0) && at != ProblemAt::Target {
                continue;
            }
            let is_general = self.target.0 == 0 && at != ProblemAt::Target;
            let reported_problem = ConfigProblem {
                config: self.config.0,
                target: (!is_general).then_some(self.target.0),
                at,
                message: bounded(problem.message),
                hint: problem.hint.map(bounded),
            };
            let is_known = |known: &ConfigProblem| {
                known.config == reported_problem.config
                    && known.target.is_none()
                    && known.at == reported_problem.at
                    && known.message == reported_problem.message
            };
            if !reported.iter().any(is_known) {
                reported.push(reported_problem);
            }
        }
    }
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

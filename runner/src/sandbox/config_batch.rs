//! A plugin judges many configurations, when a suite is loaded.

use wasmtime::Store;

use super::Sandbox;
use super::bindings::v0_2::probe;
use super::describe::{MAX_PROBLEMS, MAX_TEXT, at};
use super::guest::Guest;
use super::program::Program;
use super::state::State;
use crate::outcome::{Outcome, StopCause};
use crate::suite::{
    ConfigAnswer, ConfigRequest, ConfigUse, Ended, MAX_OBJECTIONS, Objection, ProblemAt, Secrets,
};

/// A configuration with one of its targets, or by itself.
#[derive(Clone, Copy)]
struct Pair<'a> {
    config: (usize, &'a ConfigUse),
    target: (usize, Option<&'a str>),
}

impl Sandbox {
    /// Asks a plugin what it has against configurations that its schema allows, without a network; one of contract 0.1 has
    /// nothing. An instance answers as many of them as it can within the limits of
    /// [`check_config`](Sandbox::check_config), and a fresh one goes on. One that ends before it has answered at all ends
    /// it: the plugin is to blame then. So does the thousandth objection.
    ///
    /// Nothing is masked in what the plugin says.
    ///
    /// Cancellation: the call is dropped.
    pub async fn check_configs(&self, program: &Program, request: &ConfigRequest) -> ConfigAnswer {
        let mut answer = ConfigAnswer::default();
        let pairs: Vec<Pair<'_>> = pairs(request).collect();
        let mut answered = 0;
        while let Some(next) = pairs.get(answered)
            && program.judges_configs()
            && answer.objections.len() < MAX_OBJECTIONS
        {
            let before = answered;
            let call = async |guest: &Guest, store: &mut Store<State>| {
                for pair in pairs.iter().skip(before) {
                    let problems = guest.check_config(store, pair.target.1, pair.text()).await?;
                    pair.object(problems, &mut answer.objections);
                    answered += 1;
                    if answer.objections.len() >= MAX_OBJECTIONS {
                        break;
                    }
                }
                Ok(())
            };
            let ended = self.offline(program, &Secrets::default(), call, |(), _| ()).await;
            match ended {
                Err(outcome) if answered == before => {
                    answer.ended = Some(Ended {
                        config: next.config.0,
                        reason: outcome.summary(),
                        is_transient: is_shortage(&outcome),
                    });
                    break;
                }
                // With others before it, it may have had too little time: it is the first of the next instance.
                Err(_) | Ok(()) => {}
            }
        }
        answer
    }
}

/// Whether the host is to blame for how a call ended.
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

    /// Adds what a plugin has against it. What it has against the configuration is said with the first target, and
    /// repeated with the others.
    fn object(self, problems: Vec<probe::Problem>, objections: &mut Vec<Objection>) {
        for problem in problems.into_iter().take(MAX_PROBLEMS) {
            let at = at(&problem.pointer);
            if self.config.1.is_shortened(self.target.0) && at != ProblemAt::Target {
                continue;
            }
            let is_general = self.target.0 == 0 && at != ProblemAt::Target;
            let objection = Objection {
                config: self.config.0,
                target: (!is_general).then_some(self.target.0),
                at,
                message: bounded(problem.message),
                hint: problem.hint.map(bounded),
            };
            let is_known = |known: &Objection| {
                known.config == objection.config
                    && known.target.is_none()
                    && known.at == objection.at
                    && known.message == objection.message
            };
            if !objections.iter().any(is_known) {
                objections.push(objection);
            }
        }
    }
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

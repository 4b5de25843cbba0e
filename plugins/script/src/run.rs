//! What one run of a script records, and what it holds on the host.

use std::cell::RefCell;
use std::rc::Rc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult};
use canary_sdk::http::Response;
use canary_sdk::tcp::Connection;
use canary_sdk::{Assertion, Check, Measurement, Status, Verdict};

use crate::config::Config;
use crate::request::Session;
use crate::value::error;

/// The state of a run, which the functions of the script share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) check: Check<Config>,
    pub(crate) findings: RefCell<Findings>,
    /// `None` once the script has closed it.
    pub(crate) connections: RefCell<Vec<Option<Rc<Connection>>>>,
    pub(crate) responses: RefCell<Vec<Rc<Response>>>,
    pub(crate) sessions: RefCell<Vec<Session>>,
    /// The class `NetworkError`, which the script cannot replace here.
    pub(crate) network_error: RefCell<Option<JsObject>>,
}

/// What the script has found out.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The status that the script set itself, and why.
    pub(crate) decided: Option<(Status, String)>,
    pub(crate) summary: Option<String>,
    pub(crate) assertions: Vec<Assertion>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Findings {
    /// Sets a status; a worse one replaces it.
    pub(crate) fn decide(&mut self, status: Status, reason: String) {
        if self.decided.as_ref().is_none_or(|(known, _)| *known < status) {
            self.decided = Some((status, reason));
        }
    }

    fn default_summary(&self) -> String {
        match self.assertions.len() {
            0 => "the script ran to its end".into(),
            1 => "1 expectation met".into(),
            more => format!("{more} expectations met"),
        }
    }

    /// The verdict of a script that ran to its end.
    pub(crate) fn into_verdict(self) -> Verdict {
        let mut verdict = match &self.decided {
            Some((Status::Fail, reason)) => Verdict::fail(reason),
            Some((_, reason)) => Verdict::warn(reason),
            None => Verdict::pass(self.summary.clone().unwrap_or_else(|| self.default_summary())),
        };
        self.add_to(&mut verdict);
        verdict
    }

    /// Adds everything but the status and the summary.
    pub(crate) fn add_to(self, verdict: &mut Verdict) {
        verdict.extend(self.assertions);
        for measurement in self.measurements {
            verdict.push_measurement(measurement);
        }
        for (key, value) in self.attributes {
            verdict.set_attribute(key, value);
        }
    }
}

impl Run {
    pub(crate) fn new(check: Check<Config>) -> Self {
        Self {
            check,
            findings: RefCell::default(),
            connections: RefCell::default(),
            responses: RefCell::default(),
            sessions: RefCell::default(),
            network_error: RefCell::default(),
        }
    }

    /// The run that a function of the script is called in.
    pub(crate) fn of(context: &Context) -> JsResult<Rc<Self>> {
        let run = context.get_data::<Rc<Self>>().cloned();
        run.ok_or_else(|| error("the run is over"))
    }
}

/// Adds a value to a table of the run, and returns its index.
pub(crate) fn add<T>(table: &RefCell<Vec<T>>, value: T) -> usize {
    let mut table = table.borrow_mut();
    table.push(value);
    table.len() - 1
}

//! The JavaScript engine, set up for one run of one script.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use boa_engine::builtins::promise::{OperationType, Promise, PromiseState};
use boa_engine::context::HostHooks;
use boa_engine::object::JsObject;
use boa_engine::realm::Realm;
use boa_engine::{Context, JsError, JsResult, JsString, JsValue, Script, Source};
use canary_sdk::{Check, Error, Verdict};

use crate::config::Config;
use crate::globals;
use crate::run::Run;
use crate::source::{PATH, wrapped};
use crate::uncaught::{self, Uncaught};
use crate::value::{error, show};

/// Maximum depth of calls, of functions of the script and of the engine.
const MAX_CALLS: usize = 400;
/// Maximum size of one `ArrayBuffer` in bytes.
const MAX_BUFFER: u64 = 16 << 20;

/// Runs the script of a check.
///
/// # Errors
/// The script broke.
pub(crate) fn run(check: &Check<Config>) -> Result<Verdict, Error> {
    let run = Rc::new(Run::new(check.clone()));
    let hooks = Rc::new(Hooks::default());
    let mut context = Context::builder()
        .host_hooks(Rc::clone(&hooks))
        .build()
        .map_err(|error| Error::plugin(format_args!("cannot start the JavaScript engine: {error}")))?;
    context.strict(true);
    context.runtime_limits_mut().set_recursion_limit(MAX_CALLS);
    context.insert_data(Rc::clone(&run));
    let ended =
        globals::install(&run, &mut context).and_then(|()| evaluate(&check.config.script, &mut context));
    let ended = ended.and_then(|value| match hooks.unhandled() {
        Some(reason) => Err(JsError::from_opaque(reason)),
        None => Ok(value),
    });
    match ended {
        Ok(value) => finish(&run, &value),
        Err(error) => match uncaught::classify(error, &mut context) {
            Uncaught::Network(error) => {
                let mut verdict = Verdict::fail(error.explain());
                run.findings.take().add_to(&mut verdict);
                verdict.assert_net("network", &error);
                Ok(verdict)
            }
            Uncaught::Own(message) => Err(Error::Plugin(message)),
        },
    }
}

/// Runs a script to its end, and returns what it returned.
fn evaluate(script: &str, context: &mut Context) -> JsResult<JsValue> {
    let source = wrapped(script);
    let source = Source::from_bytes(&source).with_path(Path::new(PATH));
    let value = Script::parse(source, None, context)?.evaluate(context)?;
    context.run_jobs()?;
    let Some(promise) = value.as_promise() else {
        return Ok(value);
    };
    match promise.state() {
        PromiseState::Fulfilled(value) => Ok(value),
        PromiseState::Rejected(reason) => Err(JsError::from_opaque(reason)),
        PromiseState::Pending => Err(error("the script waits for a promise that nothing settles")),
    }
}

/// The verdict of a script that returned a value.
fn finish(run: &Run, value: &JsValue) -> Result<Verdict, Error> {
    let mut findings = run.findings.take();
    if let Some(text) = value.as_string() {
        findings.summary = Some(text.to_std_string_lossy());
    } else if !value.is_undefined() && !value.is_null() {
        return Err(Error::plugin(format_args!(
            "the script returned {}: return a text, the summary, or nothing; `expect` and `fail` decide",
            show(value)
        )));
    }
    Ok(findings.into_verdict())
}

/// What the engine asks its host.
#[derive(Debug, Default)]
struct Hooks {
    /// Rejected promises that nothing handles so far.
    rejected: RefCell<Vec<JsObject<Promise>>>,
}

impl Hooks {
    /// Why the first promise was rejected that nothing handled.
    fn unhandled(&self) -> Option<JsValue> {
        let rejected = self.rejected.borrow();
        let promise = rejected.first()?.clone().upcast();
        match JsValue::from(promise).as_promise()?.state() {
            PromiseState::Rejected(reason) => Some(reason),
            PromiseState::Fulfilled(_) | PromiseState::Pending => None,
        }
    }
}

impl HostHooks for Hooks {
    fn promise_rejection_tracker(
        &self,
        promise: &JsObject<Promise>,
        operation: OperationType,
        _: &mut Context,
    ) {
        let mut rejected = self.rejected.borrow_mut();
        match operation {
            OperationType::Reject => rejected.push(promise.clone()),
            OperationType::Handle => rejected.retain(|known| !JsObject::equals(known, promise)),
        }
    }

    /// A text that becomes code may come from a peer, and nobody has checked how deep it is.
    fn ensure_can_compile_strings(
        &self,
        _: Realm,
        _: &[JsString],
        _: &JsString,
        _: bool,
        _: &mut Context,
    ) -> JsResult<()> {
        Err(error("code from texts, as in `eval`, is not supported"))
    }

    fn local_timezone_offset_seconds(&self, _: i64) -> i32 {
        0
    }

    fn max_buffer_size(&self, _: &mut Context) -> u64 {
        MAX_BUFFER
    }
}

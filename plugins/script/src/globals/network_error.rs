//! `NetworkError`, which the functions of `http`, `tcp`, `tls` and `dns` throw.

use boa_engine::object::JsObject;
use boa_engine::{Context, JsError, JsResult, JsString, JsValue, Source};
use canary_sdk::{ErrorCode, NetError};

use super::constant;
use crate::run::Run;
use crate::value::{error, string, type_error};

const CLASS: &str = "(class NetworkError extends Error {
    constructor(message, code, phase) {
        super(message)
        Object.defineProperties(this, { code: { value: code }, phase: { value: phase } })
    }
    get name() { return 'NetworkError' }
})";

pub(super) fn install(run: &Run, context: &mut Context) -> JsResult<()> {
    let class = context.eval(Source::from_bytes(CLASS))?;
    let object = class
        .as_object()
        .ok_or_else(|| error("there is no `NetworkError`"))?;
    run.network_error.replace(Some(object));
    constant("NetworkError", class, context)
}

/// An error of the host as an exception. An invalid request is a mistake of the script.
pub(crate) fn thrown(of: &str, failure: &NetError, context: &mut Context) -> JsError {
    if failure.code == ErrorCode::Invalid {
        return type_error(format_args!("{of}: {failure}"));
    }
    match construct(failure, context) {
        Ok(object) => JsError::from_opaque(object.into()),
        Err(broken) => broken,
    }
}

fn construct(failure: &NetError, context: &mut Context) -> JsResult<JsObject> {
    let run = Run::of(context)?;
    let class = run.network_error.borrow().clone();
    let class = class.ok_or_else(|| error("there is no `NetworkError`"))?;
    let phase = failure
        .phase
        .map_or(JsValue::undefined(), |phase| string(phase.as_str()));
    let arguments = [string(&failure.message), string(failure.reason()), phase];
    class.construct(&arguments, None, context)
}

/// Whether an object is a `NetworkError`.
pub(crate) fn is_one(object: &JsObject, context: &mut Context) -> bool {
    let Ok(run) = Run::of(context) else {
        return false;
    };
    let class = run.network_error.borrow().clone();
    let prototype = class.and_then(|class| class.get(JsString::from("prototype"), context).ok());
    let prototype = prototype.and_then(|prototype| prototype.as_object());
    match (object.prototype(), prototype) {
        (Some(own), Some(expected)) => JsObject::equals(&own, &expected),
        _ => false,
    }
}

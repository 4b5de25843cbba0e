//! What an exception means that a script does not catch.

use boa_engine::builtins::error::Error as ErrorData;
use boa_engine::object::JsObject;
use boa_engine::{Context, JsError, JsValue, js_string};
use canary_sdk::{ErrorCode, NetError, Phase};

use crate::globals::network_error;
use crate::occurrence::{self, Place};
use crate::run::Run;
use crate::source::{PATH, SHIFT};
use crate::value::show;

const PHASES: [Phase; 6] = [
    Phase::Resolve,
    Phase::Connect,
    Phase::Handshake,
    Phase::Send,
    Phase::Wait,
    Phase::Receive,
];

/// Why a script ended early.
#[derive(Debug)]
pub(crate) enum Uncaught {
    /// The target did not answer as it should.
    Network(NetError),
    /// The script broke, for this reason.
    Own(String),
}

pub(crate) fn classify(error: JsError, context: &mut Context) -> Uncaught {
    // Of an error of the engine itself, such as a limit of it, an object is missing.
    let trace = error.to_string();
    let script = Run::of(context)
        .map(|run| run.check.config.script.clone())
        .unwrap_or_default();
    let Ok(thrown) = error.into_opaque(context) else {
        let trace = trace.replace("EnginePanic", "the JavaScript engine failed");
        return Uncaught::Own(located(&trace, &trace, &script));
    };
    let Some(object) = thrown.as_object() else {
        return Uncaught::Own(format!("uncaught {}", show(&thrown)));
    };
    if network_error::is_one(&object, context) {
        return Uncaught::Network(as_net_error(&object, context));
    }
    if !object.is::<ErrorData>() {
        return Uncaught::Own(format!("uncaught {}", show(&thrown)));
    }
    let name = text(&object, "name", context).unwrap_or_else(|| "Error".into());
    let message = text(&object, "message", context).unwrap_or_default();
    let message = if message.is_empty() {
        name
    } else {
        format!("{name}: {message}")
    };
    Uncaught::Own(located(&message, &trace, &script))
}

fn as_net_error(object: &JsObject, context: &mut Context) -> NetError {
    let code = text(object, "code", context).unwrap_or_default();
    let phase = text(object, "phase", context).unwrap_or_default();
    let message = text(object, "message", context).unwrap_or_default();
    let mut error = NetError::new(ErrorCode::of(&code), message);
    error.phase = PHASES.into_iter().find(|known| known.as_str() == phase);
    error
}

fn text(object: &JsObject, key: &str, context: &mut Context) -> Option<String> {
    let value: JsValue = object.get(js_string!(key), context).ok()?;
    Some(value.as_string()?.to_std_string_lossy())
}

/// The message, with the place in the script where the exception was thrown.
fn located(message: &str, trace: &str, script: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let traced = place(trace);
    let undefined = message
        .strip_prefix("ReferenceError: ")
        .and_then(|rest| rest.strip_suffix(" is not defined"));
    let found = undefined.and_then(|name| occurrence::find(script, name, traced));
    match found.or(traced) {
        Some((line, column)) => format!("{message} ({PATH}:{line}:{column})"),
        None => message.to_owned(),
    }
}

/// The innermost place in the script that a stack trace contains.
fn place(trace: &str) -> Option<Place> {
    let opening = format!("({PATH}:");
    let frames = trace.lines().filter(|line| line.starts_with("    at "));
    frames
        .filter_map(|frame| frame.split_once(&opening))
        .find_map(|(_, place)| {
            let (line, column) = place.strip_suffix(')')?.split_once(':')?;
            let (line, column): Place = (line.parse().ok()?, column.parse().ok()?);
            let shift = if line == 1 { SHIFT } else { 0 };
            // The beginning of the function around the script stands for a place that is not known.
            column
                .checked_sub(shift)
                .filter(|column| *column > 0)
                .map(|column| (line, column))
        })
}

//! `log` and `console`: lines in the record of the run.

use boa_engine::object::{JsObject, ObjectInitializer};
use boa_engine::{Context, JsResult, JsString, JsValue, NativeFunction};
use canary_sdk::log::{self, Level};

use super::constant;
use crate::value::show_contents;

const LEVELS: [(&str, Level); 6] = [
    ("trace", Level::Trace),
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("log", Level::Info),
    ("warn", Level::Warn),
    ("error", Level::Error),
];

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let log = object(context);
    constant("log", log, context)?;
    let console = object(context);
    constant("console", console, context)
}

fn object(context: &mut Context) -> JsObject {
    let mut object = ObjectInitializer::new(context);
    for (name, level) in LEVELS {
        let write = NativeFunction::from_copy_closure(move |_, args, context| {
            let words: JsResult<Vec<_>> = args.iter().map(|value| word(value, context)).collect();
            log::log(level, &words?.join(" "), &[]);
            Ok(JsValue::undefined())
        });
        object.function(write, JsString::from(name), 1);
    }
    object.build()
}

/// A text as it is, and anything else as in a message.
fn word(value: &JsValue, context: &mut Context) -> JsResult<String> {
    match value.as_string() {
        Some(text) => Ok(text.to_std_string_lossy()),
        None => show_contents(value, context),
    }
}

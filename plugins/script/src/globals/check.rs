//! `target`, `vars` and `check`: what the suite says, and how far the run is.

use boa_engine::object::{FunctionObjectBuilder, ObjectInitializer};
use boa_engine::property::Attribute;
use boa_engine::{Context, JsResult, JsString, JsValue, NativeFunction};
use serde_json::Value;

use super::constant;
use crate::run::Run;
use crate::value::milliseconds;

pub(super) fn install(run: &Run, context: &mut Context) -> JsResult<()> {
    constant("target", JsString::from(run.check.target.as_str()), context)?;
    let vars = Value::Object(run.check.config.vars.clone());
    let vars = JsValue::from_json(&vars, context)?;
    constant("vars", vars, context)?;
    let time_left = NativeFunction::from_fn_ptr(|_, _, context| {
        let run = Run::of(context)?;
        Ok(milliseconds(run.check.remaining()))
    });
    let time_left = FunctionObjectBuilder::new(context.realm(), time_left)
        .name(JsString::from("timeLeft"))
        .build();
    let check = ObjectInitializer::new(context)
        .property(
            JsString::from("name"),
            JsString::from(run.check.name.as_str()),
            Attribute::ENUMERABLE,
        )
        .property(
            JsString::from("attempt"),
            run.check.attempt,
            Attribute::ENUMERABLE,
        )
        .property(
            JsString::from("expectFailure"),
            run.check.expect_failure,
            Attribute::ENUMERABLE,
        )
        .property(JsString::from("timeLeft"), time_left, Attribute::empty())
        .build();
    constant("check", check, context)
}

//! `measure`, `attribute`, `summary`, `warn` and `fail`: parts of the verdict besides expectations.

use boa_engine::{Context, JsArgs as _, JsResult, JsValue};
use canary_sdk::{Measurement, Status};

use super::function;
use crate::request::members;
use crate::run::Run;
use crate::value::{expect_text, show, text, type_error};

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    function("measure", measure, 2, context)?;
    function("attribute", attribute, 2, context)?;
    function("summary", summary, 1, context)?;
    function(
        "warn",
        |_, args, context| decide("warn", Status::Warn, args, context),
        1,
        context,
    )?;
    function(
        "fail",
        |_, args, context| decide("fail", Status::Fail, args, context),
        1,
        context,
    )
}

fn measure(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name_of("measure", args)?;
    let value = args.get_or_undefined(1);
    let Some(number) = value.as_number().filter(|number| number.is_finite()) else {
        return Err(type_error(format_args!(
            "measure: `{name}` must be a number, and is {}",
            show(value)
        )));
    };
    let unit = match args.get_or_undefined(2) {
        unit if unit.is_undefined() => "1".to_owned(),
        unit => expect_text(unit, "measure: the unit")?,
    };
    let mut attributes = Vec::new();
    let given = args.get_or_undefined(3);
    if !given.is_undefined() {
        for (key, value) in members("measure: the attributes", given, context)? {
            attributes.push((key, text(&value, context)?));
        }
    }
    let measurement = Measurement {
        name,
        value: number,
        unit,
        attributes,
    };
    Run::of(context)?
        .findings
        .borrow_mut()
        .measurements
        .push(measurement);
    Ok(JsValue::undefined())
}

fn attribute(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let key = name_of("attribute", args)?;
    let value = text(args.get_or_undefined(1), context)?;
    Run::of(context)?
        .findings
        .borrow_mut()
        .attributes
        .push((key, value));
    Ok(JsValue::undefined())
}

fn summary(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = text(args.get_or_undefined(0), context)?;
    Run::of(context)?.findings.borrow_mut().summary = Some(text);
    Ok(JsValue::undefined())
}

fn decide(of: &str, status: Status, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let reason = expect_text(args.get_or_undefined(0), &format!("{of}: the reason"))?;
    Run::of(context)?.findings.borrow_mut().decide(status, reason);
    Ok(JsValue::undefined())
}

/// The first argument: a name, which must not be empty.
pub(super) fn name_of(of: &str, args: &[JsValue]) -> JsResult<String> {
    let name = expect_text(args.get_or_undefined(0), &format!("{of}: the name"))?;
    if name.trim().is_empty() {
        return Err(type_error(format_args!("{of}: the name is empty")));
    }
    Ok(name)
}

//! `expect(name, condition, message)` and its relatives: each call is an assertion of the verdict.

mod equality;
mod path;

use boa_engine::object::builtins::JsRegExp;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue};
use canary_sdk::Assertion;

use super::verdict::name_of;
use super::{constant, native};
use crate::response;
use crate::run::Run;
use crate::value::{expect_text, show, show_contents, text, type_error};

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let expect = native("expect", expect, 3, context);
    for (name, function) in [
        ("equal", native("equal", equal, 3, context)),
        ("match", native("match", matches, 3, context)),
        ("json", native("json", json, 4, context)),
    ] {
        expect.create_data_property(JsString::from(name), function, context)?;
    }
    constant("expect", expect, context)
}

fn assert(name: String, holds: bool, message: String, context: &Context) -> JsResult<JsValue> {
    let assertion = Assertion::new(name, holds, message);
    Run::of(context)?.findings.borrow_mut().assertions.push(assertion);
    Ok(holds.into())
}

fn expect(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name_of("expect", args)?;
    let condition = args.get_or_undefined(1);
    if condition.is_promise() {
        return Err(type_error(format_args!(
            "expect: the condition of `{name}` is a promise: `await` it"
        )));
    }
    let holds = condition.to_boolean();
    let message = match args.get_or_undefined(2) {
        message if message.is_undefined() => if holds { "met" } else { "not met" }.to_owned(),
        message => text(message, context)?,
    };
    assert(name, holds, message, context)
}

fn equal(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name_of("expect.equal", args)?;
    let (actual, expected) = (args.get_or_undefined(1), args.get_or_undefined(2));
    let (holds, message) = compare(actual, expected, context)?;
    assert(name, holds, message, context)
}

fn compare(actual: &JsValue, expected: &JsValue, context: &mut Context) -> JsResult<(bool, String)> {
    if equality::equal(actual, expected, context)? {
        return Ok((true, show_contents(actual, context)?));
    }
    let (actual, expected) = (show_contents(actual, context)?, show_contents(expected, context)?);
    Ok((false, format!("{actual}, expected {expected}")))
}

fn matches(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name_of("expect.match", args)?;
    let subject = args.get_or_undefined(1);
    let Some(pattern) = args.get_or_undefined(2).as_regexp() else {
        return Err(type_error(format_args!(
            "expect.match: the pattern of `{name}` must be a regular expression such as `/^ok/`, and is {}",
            show(args.get_or_undefined(2))
        )));
    };
    let (holds, message) = search(subject, &pattern, context)?;
    assert(name, holds, message, context)
}

fn search(subject: &JsValue, pattern: &JsRegExp, context: &mut Context) -> JsResult<(bool, String)> {
    let text = text(subject, context)?;
    // A pattern with the flag `g` continues where the last search ended.
    let shown = show(&JsValue::from(pattern.clone()));
    pattern.set(JsString::from("lastIndex"), 0, false, context)?;
    Ok(if pattern.test(JsString::from(text), context)? {
        (true, show(subject))
    } else {
        (false, format!("{} does not match {shown}", show(subject)))
    })
}

/// What a response has at a path: a value, a match of a regular expression, or what a function accepts.
fn json(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name_of("expect.json", args)?;
    let Some(response) = args.get_or_undefined(1).as_object() else {
        return Err(type_error(format_args!(
            "expect.json: `{name}` needs a response, and has {}",
            show(args.get_or_undefined(1))
        )));
    };
    let path = expect_text(args.get_or_undefined(2), "expect.json: the path")?;
    let steps = path::parse(&path).map_err(|error| type_error(format_args!("expect.json: {error}")))?;
    let body = match response::json_of(&response, context) {
        Ok(body) => body,
        // That a body is not JSON is the target's fault.
        Err(error) => {
            let message = error.into_opaque(context)?;
            let message = match message.as_object() {
                Some(error) => error.get(JsString::from("message"), context)?,
                None => message,
            };
            let message = text(&message, context)?;
            return assert(name, false, message, context);
        }
    };
    let Some(found) = path::find(&body, &steps, context)? else {
        return assert(name, false, format!("there is no `{path}`"), context);
    };
    let expected = args.get_or_undefined(3);
    let (holds, message) = if let Some(pattern) = expected.as_regexp() {
        search(&found, &pattern, context)?
    } else if let Some(predicate) = expected.as_callable() {
        let holds = predicate.call(&JsValue::undefined(), std::slice::from_ref(&found), context)?;
        (holds.to_boolean(), show_contents(&found, context)?)
    } else if args.len() < 4 {
        (true, show_contents(&found, context)?)
    } else {
        compare(&found, expected, context)?
    };
    assert(name, holds, message, context)
}

//! `JSON.parse`, in place of the engine's.

use boa_engine::object::JsObject;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue};

use super::native;
use crate::json;
use crate::value::{entries, error, string, syntax_error, text};

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let json = context.global_object().get(JsString::from("JSON"), context)?;
    let json = json.as_object().ok_or_else(|| error("there is no `JSON`"))?;
    let parse = native("parse", parse, 2, context);
    json.create_data_property(JsString::from("parse"), parse, context)?;
    Ok(())
}

fn parse(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = text(args.get_or_undefined(0), context)?;
    let parsed =
        json::parse(&text, context).map_err(|error| syntax_error(format_args!("JSON.parse: {error}")))?;
    match args.get_or_undefined(1).as_callable() {
        Some(reviver) => revive("", parsed, &reviver, context),
        None => Ok(parsed),
    }
}

/// Replaces each value with what the reviver makes of it, the innermost first; at most as deep as JSON is parsed.
fn revive(key: &str, value: JsValue, reviver: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    if let Some(object) = value.as_object() {
        let is_array = object.is_array();
        for (member, inner) in entries(&object, context)? {
            if is_array && member == "length" {
                continue;
            }
            let revived = revive(&member, inner, reviver, context)?;
            let member = JsString::from(member);
            if revived.is_undefined() {
                object.delete_property_or_throw(member, context)?;
            } else {
                object.create_data_property(member, revived, context)?;
            }
        }
    }
    reviver.call(&JsValue::undefined(), &[string(key), value], context)
}

//! An HTTP response as an object of the script.

use std::rc::Rc;

use boa_engine::object::builtins::{JsArray, JsFunction};
use boa_engine::object::{FunctionObjectBuilder, JsObject, ObjectInitializer};
use boa_engine::property::Attribute;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsSymbol, JsValue, NativeFunction};
use canary_sdk::http::{Response, Version};

use crate::json;
use crate::run::{Run, add};
use crate::timings::timings;
use crate::tls_session;
use crate::value::{expect_text, list, string, syntax_error, uint8_array};

/// Maximum length in characters of the beginning of a body in a message.
const MAX_QUOTED: usize = 60;

/// A response as the script has it. Its body becomes a text, JSON or bytes when it is asked for.
pub(crate) fn object(response: Response, context: &mut Context) -> JsResult<JsValue> {
    let run = Run::of(context)?;
    let tls = match &response.tls {
        Some(session) => tls_session::object(session, run.check.now, context)?,
        None => JsValue::undefined(),
    };
    let timings = timings(&response.timings, context);
    let response = Rc::new(response);
    let index = add(&run.responses, Rc::clone(&response));
    let headers = headers(index, context);
    let redirects = u32::try_from(response.redirects()).unwrap_or(u32::MAX);
    let version = match response.version {
        Version::Http2 => "2",
        _ => "1.1",
    };
    let [text, json, bytes] = [
        getter(index, |response, _| Ok(string(&response.text())), context),
        getter(index, parse, context),
        getter(
            index,
            |response, context| uint8_array(&response.body, context),
            context,
        ),
    ];
    let all = Attribute::ENUMERABLE;
    let is_ok = (200..300).contains(&response.status);
    let object = ObjectInitializer::new(context)
        .property(JsString::from("status"), response.status, all)
        .property(JsString::from("ok"), is_ok, all)
        .property(JsString::from("url"), JsString::from(response.url.as_str()), all)
        .property(JsString::from("version"), JsString::from(version), all)
        .property(JsString::from("headers"), headers, all)
        .property(JsString::from("redirects"), redirects, all)
        .property(JsString::from("truncated"), response.truncated, all)
        .property(
            JsString::from("peer"),
            JsString::from(response.peer.as_str()),
            all,
        )
        .property(JsString::from("timings"), timings, all)
        .property(JsString::from("tls"), tls, all)
        .accessor(JsString::from("text"), Some(text), None, Attribute::empty())
        .accessor(JsString::from("json"), Some(json), None, Attribute::empty())
        .accessor(JsString::from("bytes"), Some(bytes), None, Attribute::empty())
        .build();
    Ok(object.into())
}

/// The parsed body of a response; a `SyntaxError` that names the response if it is not JSON.
fn parse(response: &Response, context: &mut Context) -> JsResult<JsValue> {
    let text = response.text();
    json::parse(&text, context).map_err(|error| {
        let start: String = text.chars().take(MAX_QUOTED).collect();
        let start = start.split_whitespace().collect::<Vec<_>>().join(" ");
        let url = response.url.split(['?', '#']).next().unwrap_or_default();
        let cut = if response.truncated {
            ", cut at `maxBody`,"
        } else {
            ""
        };
        syntax_error(format_args!(
            "the response of {url} (status {}){cut} is not JSON: {error}; it begins with `{start}`",
            response.status
        ))
    })
}

/// The parsed body of a response object.
pub(crate) fn json_of(object: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    object.get(JsString::from("json"), context)
}

fn getter(
    index: usize,
    read: fn(&Response, &mut Context) -> JsResult<JsValue>,
    context: &Context,
) -> JsFunction {
    let native = NativeFunction::from_copy_closure(move |_, _, context| {
        let response = response(index, context)?;
        read(&response, context)
    });
    FunctionObjectBuilder::new(context.realm(), native).build()
}

fn response(index: usize, context: &Context) -> JsResult<Rc<Response>> {
    let responses = Run::of(context)?;
    let found = responses.responses.borrow().get(index).cloned();
    found.ok_or_else(|| crate::value::error("the response is gone"))
}

/// The headers of a response: `get`, `getAll`, `has`, and iteration over pairs.
fn headers(index: usize, context: &mut Context) -> JsObject {
    let values = move |args: &[JsValue], context: &mut Context| -> JsResult<Vec<String>> {
        let name = expect_text(args.get_or_undefined(0), "the name of a header")?;
        let response = response(index, context)?;
        Ok(response.header_values(&name).map(String::from).collect())
    };
    let get = NativeFunction::from_copy_closure(move |_, args, context| {
        let values = values(args, context)?;
        Ok(if values.is_empty() {
            JsValue::undefined()
        } else {
            string(&values.join(", "))
        })
    });
    let get_all = NativeFunction::from_copy_closure(move |_, args, context| {
        let values = values(args, context)?;
        Ok(list(values.iter().map(|value| string(value)), context))
    });
    let has = NativeFunction::from_copy_closure(move |_, args, context| {
        Ok((!values(args, context)?.is_empty()).into())
    });
    let iterate = NativeFunction::from_copy_closure(move |_, _, context| {
        let response = response(index, context)?;
        let mut pairs = Vec::new();
        for (name, value) in &response.headers {
            let name = name.to_ascii_lowercase();
            let value = String::from_utf8_lossy(value);
            pairs.push(list([string(&name), string(&value)], context));
        }
        JsArray::from_iter(pairs, context).values(context)
    });
    ObjectInitializer::new(context)
        .function(get, JsString::from("get"), 1)
        .function(get_all, JsString::from("getAll"), 1)
        .function(has, JsString::from("has"), 1)
        .function(iterate, JsSymbol::iterator(), 0)
        .build()
}

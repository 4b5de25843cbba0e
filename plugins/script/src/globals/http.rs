//! `http`: requests, alone or in a session.

use boa_engine::object::{JsObject, ObjectInitializer};
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue, NativeFunction};
use canary_sdk::Endpoint;

use super::{constant, network_error};
use crate::location::Location;
use crate::options::Options;
use crate::request::{self, Session, headers, members};
use crate::response;
use crate::run::{Run, add};
use crate::value::{expect_text, string, text, type_error};

const METHODS: [(&str, &str); 7] = [
    ("get", "GET"),
    ("head", "HEAD"),
    ("post", "POST"),
    ("put", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
];

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let session = NativeFunction::from_fn_ptr(session);
    let http = with_methods(None, context)
        .function(session, JsString::from("session"), 1)
        .build();
    constant("http", http, context)
}

/// An object with a function for each method. `session` is an index of the run's sessions.
fn with_methods(session: Option<usize>, context: &mut Context) -> ObjectInitializer<'_> {
    let mut object = ObjectInitializer::new(context);
    for (name, method) in METHODS {
        let native = NativeFunction::from_copy_closure(move |_, args, context| {
            let (url, options) = (args.get_or_undefined(0), args.get_or_undefined(1));
            send(session, &format!("http.{name}"), method, [url, options], context)
        });
        object.function(native, JsString::from(name), 2);
    }
    let request = NativeFunction::from_copy_closure(move |_, args, context| {
        let method = expect_text(args.get_or_undefined(0), "http.request: the method")?;
        let (url, options) = (args.get_or_undefined(1), args.get_or_undefined(2));
        send(session, "http.request", &method, [url, options], context)
    });
    object.function(request, JsString::from("request"), 3);
    object
}

fn send(
    session: Option<usize>,
    of: &str,
    method: &str,
    [url, options]: [&JsValue; 2],
    context: &mut Context,
) -> JsResult<JsValue> {
    let request = request::read(of, method, url, options, context)?;
    let run = Run::of(context)?;
    let now = run.check.now.unix();
    let mut sessions = run.sessions.borrow_mut();
    let sent = match session.and_then(|index| sessions.get_mut(index)) {
        Some(session) => session.send(request, now),
        None => request.send(),
    };
    drop(sessions);
    let response = sent.map_err(|error| network_error::thrown(of, &error, context))?;
    response::object(response, context)
}

fn session(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let given = Options::new(
        "http.session",
        args.get_or_undefined(0),
        &["cookies", "headers"],
        context,
    )?;
    let mut session = Session::default();
    if let Some(value) = given.get("headers", context)? {
        session.headers = headers(&given.name("headers"), &value, context)?;
    }
    let run = Run::of(context)?;
    if let Some(value) = given.get("cookies", context)? {
        let host = host_of(&run.check.target).ok_or_else(|| {
            type_error(
                "http.session: `cookies` are for the host of the target, which is neither a URL nor `HOST:PORT`",
            )
        })?;
        for (name, value) in members(&given.name("cookies"), &value, context)? {
            session.cookies.add(&host, name, text(&value, context)?);
        }
    }
    let index = add(&run.sessions, session);
    let cookie = NativeFunction::from_copy_closure(move |_, args, context| {
        let name = expect_text(args.get_or_undefined(0), "cookie: the name")?;
        let run = Run::of(context)?;
        let sessions = run.sessions.borrow();
        let value = sessions
            .get(index)
            .and_then(|session| session.cookies.value(&name));
        Ok(value.map_or(JsValue::undefined(), string))
    });
    let object: JsObject = with_methods(Some(index), context)
        .function(cookie, JsString::from("cookie"), 1)
        .build();
    Ok(object.into())
}

fn host_of(target: &str) -> Option<String> {
    match Location::of(target) {
        Some(location) => Some(location.endpoint.host),
        None => Endpoint::parse_or(target, 80).ok().map(|endpoint| endpoint.host),
    }
}

//! `tls.connect(hostPort, options)`: a handshake, and the certificates of the server.

use boa_engine::object::ObjectInitializer;
use boa_engine::property::Attribute;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue};

use super::{constant, native, network_error};
use crate::options;
use crate::run::Run;
use crate::timings::timings;
use crate::tls_session;
use crate::value::{endpoint, string};

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let connect = native("connect", connect, 2, context);
    let tls = ObjectInitializer::new(context)
        .property(JsString::from("connect"), connect, Attribute::empty())
        .build();
    constant("tls", tls, context)
}

fn connect(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let endpoint = endpoint("tls.connect", args.get_or_undefined(0))?;
    let options = options::tls("tls.connect", args.get_or_undefined(1), context)?;
    let now = Run::of(context)?.check.now;
    let connected = canary_sdk::tcp::connect(&endpoint).and_then(|connection| {
        let session = connection.start_tls(&options)?;
        Ok((session, connection.info()))
    });
    let (session, info) = connected.map_err(|error| network_error::thrown("tls.connect", &error, context))?;
    let object = tls_session::object(&session, now, context)?;
    let timings = timings(&info.timings, context);
    if let Some(object) = object.as_object() {
        object.create_data_property(JsString::from("peer"), string(&info.peer), context)?;
        object.create_data_property(JsString::from("timings"), timings, context)?;
    }
    Ok(object)
}

//! `dns.query(name, type, options)`.

use boa_engine::object::ObjectInitializer;
use boa_engine::object::builtins::JsArray;
use boa_engine::property::Attribute;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue};
use canary_sdk::dns::{Answer, QueryOptions, Reply};

use super::{constant, native, network_error};
use crate::options::Options;
use crate::value::{expect_text, milliseconds, string};

const OPTIONS: [&str; 2] = ["server", "timeout"];

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let query = native("query", query, 3, context);
    let dns = ObjectInitializer::new(context)
        .property(JsString::from("query"), query, Attribute::empty())
        .build();
    constant("dns", dns, context)
}

fn query(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = expect_text(args.get_or_undefined(0), "dns.query: the name")?;
    let kind = match args.get_or_undefined(1) {
        kind if kind.is_undefined() => "A".to_owned(),
        kind => expect_text(kind, "dns.query: the type")?,
    };
    let given = Options::new("dns.query", args.get_or_undefined(2), &OPTIONS, context)?;
    let mut options = QueryOptions::default();
    options.server = given.text("server", context)?;
    options.timeout = given.duration("timeout", context)?;
    let reply = options
        .query(&name, &kind)
        .map_err(|error| network_error::thrown("dns.query", &error, context))?;
    records(&reply, context)
}

/// The answers, as a list with what the server says of all of them.
fn records(reply: &Reply, context: &mut Context) -> JsResult<JsValue> {
    let answers: Vec<_> = reply
        .answers
        .iter()
        .map(|answer| record(answer, context))
        .collect();
    let records = JsArray::from_iter(answers, context);
    for (key, value) in [
        ("code", string(&reply.code)),
        ("authoritative", reply.authoritative.into()),
        ("authenticated", reply.authenticated.into()),
        ("duration", milliseconds(reply.duration)),
    ] {
        records.create_data_property(JsString::from(key), value, context)?;
    }
    Ok(records.into())
}

fn record(answer: &Answer, context: &mut Context) -> JsValue {
    let all = Attribute::all();
    ObjectInitializer::new(context)
        .property(JsString::from("name"), JsString::from(answer.name.as_str()), all)
        .property(JsString::from("type"), JsString::from(answer.kind.as_str()), all)
        .property(JsString::from("ttl"), answer.ttl, all)
        .property(JsString::from("data"), JsString::from(answer.data.as_str()), all)
        .build()
        .into()
}

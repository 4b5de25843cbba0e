//! The timings of an exchange as an object of the script.

use boa_engine::object::{JsObject, ObjectInitializer};
use boa_engine::property::Attribute;
use boa_engine::{Context, JsString, JsValue};
use canary_sdk::tcp::Timings;

use crate::value::milliseconds;

/// How long each phase took, in milliseconds.
pub(crate) fn timings(timings: &Timings, context: &mut Context) -> JsObject {
    let mut object = ObjectInitializer::new(context);
    let phases = [
        ("resolve", timings.resolve),
        ("connect", timings.connect),
        ("handshake", timings.handshake),
        ("send", timings.send),
        ("wait", timings.wait),
        ("receive", timings.receive),
        ("total", Some(timings.total())),
    ];
    for (name, time) in phases {
        let time = time.map_or(JsValue::undefined(), milliseconds);
        object.property(JsString::from(name), time, Attribute::ENUMERABLE);
    }
    object.build()
}

//! `tcp.connect(hostPort, options)`: a connection to talk over.

use std::rc::Rc;

use boa_engine::object::ObjectInitializer;
use boa_engine::property::Attribute;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue, NativeFunction};
use canary_sdk::NetError;
use canary_sdk::tcp::{ConnectOptions, Connection};

use super::{constant, native, network_error};
use crate::options::{self, Options};
use crate::run::{Run, add};
use crate::timings::timings;
use crate::tls_session;
use crate::value::{bytes, count, duration, endpoint, error, string, uint8_array};

const OPTIONS: [&str; 2] = ["timeout", "tls"];
/// Bytes that are read at most where the script says nothing else.
const DEFAULT_MAX: u32 = 64 << 10;

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let connect = native("connect", connect, 2, context);
    let tcp = ObjectInitializer::new(context)
        .property(JsString::from("connect"), connect, Attribute::empty())
        .build();
    constant("tcp", tcp, context)
}

fn connect(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let endpoint = endpoint("tcp.connect", args.get_or_undefined(0))?;
    let given = Options::new("tcp.connect", args.get_or_undefined(1), &OPTIONS, context)?;
    let mut options = ConnectOptions::default();
    options.timeout = given.duration("timeout", context)?;
    let tls_options = match given.get("tls", context)? {
        Some(value) if value.as_boolean() != Some(false) => {
            Some(options::tls(&given.name("tls"), &value, context)?)
        }
        _ => None,
    };
    let thrown =
        |error: NetError, context: &mut Context| network_error::thrown("tcp.connect", &error, context);
    let connection = options
        .connect(&endpoint)
        .map_err(|error| thrown(error, context))?;
    let session = tls_options
        .map(|options| connection.start_tls(&options))
        .transpose();
    let session = session.map_err(|error| thrown(error, context))?;
    let run = Run::of(context)?;
    let session = match session {
        Some(session) => tls_session::object(&session, run.check.now, context)?,
        None => JsValue::undefined(),
    };
    let info = connection.info();
    let timings = timings(&info.timings, context);
    let index = add(&run.connections, Some(Rc::new(connection)));
    Ok(object(index, context)
        .property(
            JsString::from("peer"),
            JsString::from(info.peer),
            Attribute::ENUMERABLE,
        )
        .property(JsString::from("timings"), timings, Attribute::ENUMERABLE)
        .property(JsString::from("tls"), session, Attribute::ENUMERABLE)
        .build()
        .into())
}

/// The connection of an object, unless the script has closed it.
fn connection(index: usize, of: &str, context: &Context) -> JsResult<Rc<Connection>> {
    let run = Run::of(context)?;
    let connection = run.connections.borrow().get(index).cloned().flatten();
    connection.ok_or_else(|| error(format_args!("{of}: the connection is closed")))
}

/// An operation on a connection, with the arguments of its function.
type Operation = fn(&Connection, &[JsValue], &mut Context) -> JsResult<Result<JsValue, NetError>>;

const OPERATIONS: [(&str, Operation); 8] = [
    ("write", |connection, args, context| {
        let bytes = bytes(args.get_or_undefined(0), "write: what to send", context)?;
        Ok(connection.write(&bytes).map(|()| JsValue::undefined()))
    }),
    ("read", |connection, args, _| {
        let read = connection.read(max(args, 0, "read")?);
        Ok(read.map(|bytes| string(&String::from_utf8_lossy(&bytes))))
    }),
    ("readBytes", |connection, args, context| {
        match connection.read(max(args, 0, "readBytes")?) {
            Ok(bytes) => uint8_array(&bytes, context).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }),
    ("readExact", |connection, args, context| {
        let length = count(args.get_or_undefined(0), "readExact: the number of bytes")?;
        match connection.read_exact(length) {
            Ok(bytes) => uint8_array(&bytes, context).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }),
    ("readLine", |connection, args, _| {
        let line = connection.read_line(max(args, 0, "readLine")?);
        Ok(line.map(|line| string(&line)))
    }),
    ("readUntil", |connection, args, context| {
        let delimiter = bytes(args.get_or_undefined(0), "readUntil: the delimiter", context)?;
        let read = connection.read_until(&delimiter, max(args, 1, "readUntil")?);
        Ok(read.map(|bytes| string(&String::from_utf8_lossy(&bytes))))
    }),
    ("deadline", |connection, args, _| {
        let value = args.get_or_undefined(0);
        let time = if value.is_undefined() {
            None
        } else {
            Some(duration(value, "deadline: the time")?)
        };
        connection.set_deadline(time);
        Ok(Ok(JsValue::undefined()))
    }),
    ("startTls", |connection, args, context| {
        let options = options::tls("startTls", args.get_or_undefined(0), context)?;
        let now = Run::of(context)?.check.now;
        match connection.start_tls(&options) {
            Ok(session) => tls_session::object(&session, now, context).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }),
];

fn object(index: usize, context: &mut Context) -> ObjectInitializer<'_> {
    let mut object = ObjectInitializer::new(context);
    for (name, operation) in OPERATIONS {
        let native = NativeFunction::from_copy_closure(move |_, args, context| {
            let connection = connection(index, name, context)?;
            operation(&connection, args, context)?
                .map_err(|error| network_error::thrown(name, &error, context))
        });
        object.function(native, JsString::from(name), 1);
    }
    let close = NativeFunction::from_copy_closure(move |_, _, context| {
        let run = Run::of(context)?;
        if let Some(connection) = run.connections.borrow_mut().get_mut(index) {
            *connection = None;
        }
        Ok(JsValue::undefined())
    });
    object.function(close, JsString::from("close"), 0);
    object
}

fn max(args: &[JsValue], index: usize, of: &str) -> JsResult<u32> {
    match args.get_or_undefined(index) {
        value if value.is_undefined() => Ok(DEFAULT_MAX),
        value => count(value, &format!("{of}: the maximum of bytes")),
    }
}

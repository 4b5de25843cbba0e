//! Values that pass between the script and the host.

use std::fmt::Display;
use std::time::Duration;

use boa_engine::object::JsObject;
use boa_engine::object::builtins::{JsArray, JsArrayBuffer, JsUint8Array};
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsError, JsNativeError, JsResult, JsString, JsValue};
use canary_sdk::Endpoint;

/// Maximum length in characters of a value in a message.
const MAX_SHOWN: usize = 200;
/// How deep a message goes into a value.
const MAX_DEPTH: usize = 4;
/// Milliseconds of the longest duration that a script can name: a day, which is longer than any run.
const MAX_MILLISECONDS: f64 = 86_400_000.0;

/// A value as text, as JavaScript converts it.
pub(crate) fn text(value: &JsValue, context: &mut Context) -> JsResult<String> {
    Ok(value.to_string(context)?.to_std_string_lossy())
}

/// A value that must be a text.
pub(crate) fn expect_text(value: &JsValue, what: &str) -> JsResult<String> {
    match value.as_string() {
        Some(text) => Ok(text.to_std_string_lossy()),
        None => Err(type_error(format_args!(
            "{what} must be a text, and is {}",
            show(value)
        ))),
    }
}

/// An argument `HOST:PORT`.
pub(crate) fn endpoint(of: &str, value: &JsValue) -> JsResult<Endpoint> {
    let text = expect_text(value, &format!("{of}: the destination"))?;
    text.parse()
        .map_err(|error| type_error(format_args!("{of}: {error}")))
}

/// The bytes of a text (UTF-8), of a `Uint8Array` or of an `ArrayBuffer`.
pub(crate) fn bytes(value: &JsValue, what: &str, context: &mut Context) -> JsResult<Vec<u8>> {
    if let Some(text) = value.as_string() {
        return Ok(text.to_std_string_lossy().into_bytes());
    }
    if let Some(object) = value.as_object() {
        if let Ok(array) = JsUint8Array::from_object(object.clone()) {
            return array.to_vec(context);
        }
        if let Some(bytes) = JsArrayBuffer::from_object(object)
            .ok()
            .and_then(|buffer| buffer.to_vec())
        {
            return Ok(bytes);
        }
    }
    Err(type_error(format_args!(
        "{what} must be a text or a Uint8Array, and is {}",
        show(value)
    )))
}

/// Bytes as a `Uint8Array`.
pub(crate) fn uint8_array(bytes: &[u8], context: &mut Context) -> JsResult<JsValue> {
    JsUint8Array::from_iter(bytes.iter().copied(), context).map(JsValue::from)
}

/// Milliseconds, or a duration as in a suite, such as `5s`.
pub(crate) fn duration(value: &JsValue, what: &str) -> JsResult<Duration> {
    if let Some(milliseconds) = value.as_number() {
        return match milliseconds {
            0.0..=MAX_MILLISECONDS => Ok(Duration::from_secs_f64(milliseconds / 1_000.0)),
            _ => Err(range_error(format_args!(
                "{what} must be from 0 to {MAX_MILLISECONDS} milliseconds, and is {milliseconds}"
            ))),
        };
    }
    let written = value.as_string().map(|text| text.to_std_string_lossy());
    let parsed = written.and_then(|text| text.parse::<canary_sdk::Duration>().ok());
    parsed.map(canary_sdk::Duration::get).ok_or_else(|| {
        type_error(format_args!(
            "{what} must be a number of milliseconds or a text such as `5s`, and is {}",
            show(value)
        ))
    })
}

/// A number of milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> JsValue {
    JsValue::from(duration.as_secs_f64() * 1_000.0)
}

/// A whole number that is not negative.
pub(crate) fn count(value: &JsValue, what: &str) -> JsResult<u32> {
    let number = value
        .as_number()
        .filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and in the range"
    )]
    number.map(|number| number as u32).ok_or_else(|| {
        type_error(format_args!(
            "{what} must be a whole number from 0, and is {}",
            show(value)
        ))
    })
}

pub(crate) fn list(values: impl IntoIterator<Item = JsValue>, context: &mut Context) -> JsValue {
    JsArray::from_iter(values, context).into()
}

pub(crate) fn string(text: &str) -> JsValue {
    JsString::from(text).into()
}

/// The own properties of an object that are enumerable and have a text as their key.
pub(crate) fn entries(object: &JsObject, context: &mut Context) -> JsResult<Vec<(String, JsValue)>> {
    let mut entries = Vec::new();
    for key in object.own_property_keys(context)? {
        let name = match &key {
            PropertyKey::String(name) => name.to_std_string_lossy(),
            PropertyKey::Index(index) => index.get().to_string(),
            PropertyKey::Symbol(_) => continue,
        };
        if object.has_own_property(key.clone(), context)? {
            entries.push((name, object.get(key, context)?));
        }
    }
    Ok(entries)
}

/// A mistake in how the script uses a function.
pub(crate) fn type_error(message: impl Display) -> JsError {
    JsNativeError::typ().with_message(message.to_string()).into()
}

/// A number of the script is out of range.
pub(crate) fn range_error(message: impl Display) -> JsError {
    JsNativeError::range().with_message(message.to_string()).into()
}

/// A text does not have the expected syntax.
pub(crate) fn syntax_error(message: impl Display) -> JsError {
    JsNativeError::syntax().with_message(message.to_string()).into()
}

/// Any other error.
pub(crate) fn error(message: impl Display) -> JsError {
    JsNativeError::error().with_message(message.to_string()).into()
}

/// A value for a person, in one line of limited length. It calls no code of the script.
pub(crate) fn show(value: &JsValue) -> String {
    let shown = match value.as_string() {
        Some(text) => format!("`{}`", text.to_std_string_lossy()),
        None if value.is_callable() => "a function".into(),
        None => value.display().to_string(),
    };
    cut(shown.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Like [`show`], with the contents of lists and objects.
pub(crate) fn show_contents(value: &JsValue, context: &mut Context) -> JsResult<String> {
    let mut shown = String::new();
    write_contents(value, 0, &mut shown, context)?;
    Ok(cut(shown))
}

fn write_contents(value: &JsValue, depth: usize, shown: &mut String, context: &mut Context) -> JsResult<()> {
    let object = value.as_object().filter(|object| !object.is_callable());
    let Some(object) = object.filter(|object| object.is_array() || object.is_ordinary()) else {
        shown.push_str(&show(value));
        return Ok(());
    };
    let is_list = object.is_array();
    let (open, close) = if is_list { ("[", "]") } else { ("{ ", " }") };
    shown.push_str(open);
    if depth == MAX_DEPTH {
        shown.push('…');
    } else {
        let members = entries(&object, context)?;
        let members = members.into_iter().filter(|(key, _)| !is_list || key != "length");
        for (index, (key, value)) in members.enumerate() {
            // What is longer is cut.
            if shown.len() > MAX_SHOWN * 4 {
                break;
            }
            if index > 0 {
                shown.push_str(", ");
            }
            if !is_list {
                shown.push_str(&key);
                shown.push_str(": ");
            }
            write_contents(&value, depth + 1, shown, context)?;
        }
    }
    shown.push_str(close);
    Ok(())
}

fn cut(shown: String) -> String {
    match shown.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

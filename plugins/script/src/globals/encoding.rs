//! `TextEncoder`, `TextDecoder`, `btoa` and `atob`.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use boa_engine::object::{FunctionObjectBuilder, JsObject, ObjectInitializer};
use boa_engine::property::Attribute;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue, NativeFunction};

use super::{constant, function};
use crate::value::{bytes, expect_text, show, string, text, type_error, uint8_array};

/// Browsers accept a text with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    function("btoa", encode_base64, 1, context)?;
    function("atob", decode_base64, 1, context)?;
    class("TextEncoder", text_encoder, context)?;
    class("TextDecoder", text_decoder, context)
}

/// Adds a class whose instances are what `construct` returns.
fn class(
    name: &str,
    construct: fn(&[JsValue], &mut Context) -> JsResult<JsObject>,
    context: &mut Context,
) -> JsResult<()> {
    let native = NativeFunction::from_copy_closure(move |_, args, context| {
        construct(args, context).map(JsValue::from)
    });
    let class = FunctionObjectBuilder::new(context.realm(), native)
        .name(JsString::from(name))
        .constructor(true)
        .build();
    constant(name, class, context)
}

fn text_encoder(_: &[JsValue], context: &mut Context) -> JsResult<JsObject> {
    let encode = NativeFunction::from_fn_ptr(|_, args, context| {
        let value = args.get_or_undefined(0);
        let text = if value.is_undefined() {
            String::new()
        } else {
            text(value, context)?
        };
        uint8_array(text.as_bytes(), context)
    });
    Ok(ObjectInitializer::new(context)
        .property(
            JsString::from("encoding"),
            JsString::from("utf-8"),
            Attribute::ENUMERABLE,
        )
        .function(encode, JsString::from("encode"), 1)
        .build())
}

fn text_decoder(args: &[JsValue], context: &mut Context) -> JsResult<JsObject> {
    let label = args.get_or_undefined(0);
    let is_utf8 = label.is_undefined()
        || label.as_string().is_some_and(|label| {
            let label = label.to_std_string_lossy();
            label.eq_ignore_ascii_case("utf-8") || label.eq_ignore_ascii_case("utf8")
        });
    if !is_utf8 {
        return Err(type_error(format_args!(
            "TextDecoder: the encoding must be `utf-8`, and is {}",
            show(label)
        )));
    }
    let decode = NativeFunction::from_fn_ptr(|_, args, context| {
        let value = args.get_or_undefined(0);
        if value.is_undefined() {
            return Ok(string(""));
        }
        let bytes = bytes(value, "TextDecoder: what to decode", context)?;
        Ok(string(&String::from_utf8_lossy(&bytes)))
    });
    Ok(ObjectInitializer::new(context)
        .property(
            JsString::from("encoding"),
            JsString::from("utf-8"),
            Attribute::ENUMERABLE,
        )
        .function(decode, JsString::from("decode"), 1)
        .build())
}

/// Encodes a text of which each character is a byte; or bytes.
fn encode_base64(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let value = args.get_or_undefined(0);
    if value.is_object() {
        return Ok(string(&BASE64.encode(bytes(
            value,
            "btoa: what to encode",
            context,
        )?)));
    }
    let text = text(value, context)?;
    let bytes: Result<Vec<u8>, _> = text.chars().map(|char| u8::try_from(u32::from(char))).collect();
    let bytes = bytes.map_err(|_| {
        type_error(
            "btoa: the text has a character beyond U+00FF; encode it with `new TextEncoder().encode(text)`",
        )
    })?;
    Ok(string(&BASE64.encode(bytes)))
}

/// Decodes to a text of which each character is a byte.
fn decode_base64(_: &JsValue, args: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    let text = expect_text(args.get_or_undefined(0), "atob: what to decode")?;
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = BASE64
        .decode(text)
        .map_err(|error| type_error(format_args!("atob: not base64: {error}")))?;
    let text: String = bytes.into_iter().map(char::from).collect();
    Ok(string(&text))
}

//! The options of a function: an object with known keys.

use std::time::Duration;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsString, JsValue};
use canary_sdk::tls;

use crate::value::{count, duration, expect_text, show, type_error};

/// The keys of TLS options.
const TLS_KEYS: [&str; 9] = [
    "alpn",
    "ca",
    "clientCert",
    "clientKey",
    "maxVersion",
    "minVersion",
    "serverName",
    "sni",
    "trusted",
];

/// Options that a script passes to a function.
#[derive(Debug)]
pub(crate) struct Options {
    /// The function, for messages.
    of: String,
    object: Option<JsObject>,
}

impl Options {
    /// Refuses what is not an object, and keys that are not known.
    pub(crate) fn new(
        of: impl Into<String>,
        value: &JsValue,
        known: &[&str],
        context: &mut Context,
    ) -> JsResult<Self> {
        let of = of.into();
        if value.is_undefined() || value.is_null() {
            return Ok(Self { of, object: None });
        }
        let Some(object) = value
            .as_object()
            .filter(|object| object.is_ordinary() && !object.is_callable())
        else {
            return Err(type_error(format_args!(
                "{of}: the options must be an object, and are {}",
                show(value)
            )));
        };
        for key in object.own_property_keys(context)? {
            let key = key.to_string();
            if !known.contains(&key.as_str()) {
                let known = known.join("`, `");
                return Err(type_error(format_args!(
                    "{of}: unknown option `{key}`; the options are `{known}`"
                )));
            }
        }
        Ok(Self {
            of,
            object: Some(object),
        })
    }

    /// What a message calls an option.
    pub(crate) fn name(&self, key: &str) -> String {
        format!("{}: `{key}`", self.of)
    }

    /// The value of an option that is set.
    pub(crate) fn get(&self, key: &str, context: &mut Context) -> JsResult<Option<JsValue>> {
        let Some(object) = &self.object else {
            return Ok(None);
        };
        let value = object.get(JsString::from(key), context)?;
        Ok(Some(value).filter(|value| !value.is_undefined()))
    }

    pub(crate) fn text(&self, key: &str, context: &mut Context) -> JsResult<Option<String>> {
        let value = self.get(key, context)?;
        value
            .map(|value| expect_text(&value, &self.name(key)))
            .transpose()
    }

    pub(crate) fn duration(&self, key: &str, context: &mut Context) -> JsResult<Option<Duration>> {
        let value = self.get(key, context)?;
        value.map(|value| duration(&value, &self.name(key))).transpose()
    }

    pub(crate) fn count(&self, key: &str, context: &mut Context) -> JsResult<Option<u32>> {
        let value = self.get(key, context)?;
        value.map(|value| count(&value, &self.name(key))).transpose()
    }

    fn flag(&self, key: &str, context: &mut Context) -> JsResult<Option<bool>> {
        let Some(value) = self.get(key, context)? else {
            return Ok(None);
        };
        let flag = value.as_boolean();
        flag.map(Some).ok_or_else(|| {
            type_error(format_args!(
                "{} must be true or false, and is {}",
                self.name(key),
                show(&value)
            ))
        })
    }

    fn texts(&self, key: &str, context: &mut Context) -> JsResult<Vec<String>> {
        let Some(value) = self.get(key, context)? else {
            return Ok(Vec::new());
        };
        let list = value.as_object().filter(JsObject::is_array);
        let Some(list) = list else {
            return Err(type_error(format_args!(
                "{} must be a list of texts, and is {}",
                self.name(key),
                show(&value)
            )));
        };
        let length = list.get(JsString::from("length"), context)?.to_length(context)?;
        let mut texts = Vec::new();
        for index in 0..length {
            texts.push(expect_text(&list.get(index, context)?, &self.name(key))?);
        }
        Ok(texts)
    }

    fn version(&self, key: &str, context: &mut Context) -> JsResult<Option<tls::Version>> {
        match self.text(key, context)?.as_deref() {
            None => Ok(None),
            Some("1.2") => Ok(Some(tls::Version::Tls12)),
            Some("1.3") => Ok(Some(tls::Version::Tls13)),
            Some(other) => Err(type_error(format_args!(
                "{} must be '1.2' or '1.3', and is `{other}`",
                self.name(key)
            ))),
        }
    }
}

/// TLS options; `true` and nothing are the default.
pub(crate) fn tls(of: &str, value: &JsValue, context: &mut Context) -> JsResult<tls::Options> {
    let value = if value.as_boolean() == Some(true) {
        &JsValue::undefined()
    } else {
        value
    };
    let given = Options::new(of, value, &TLS_KEYS, context)?;
    let identity = match (
        given.text("clientCert", context)?,
        given.text("clientKey", context)?,
    ) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => return Err(type_error(format_args!("{of}: `clientCert` needs a `clientKey`"))),
        (None, Some(_)) => return Err(type_error(format_args!("{of}: `clientKey` needs a `clientCert`"))),
    };
    let mut options = tls::Options::new()
        .sni(given.flag("sni", context)?.unwrap_or(true))
        .require_valid(given.flag("trusted", context)?.unwrap_or(true))
        .alpn(given.texts("alpn", context)?);
    options.server_name = given.text("serverName", context)?;
    options.min_version = given.version("minVersion", context)?;
    options.max_version = given.version("maxVersion", context)?;
    options.ca_certificates = given.text("ca", context)?;
    options.client_identity = identity;
    Ok(options)
}

//! HTTP requests of a script, and sessions, which share headers and cookies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsString, JsValue};
use canary_sdk::http::{Request, Response};
use canary_sdk::{ErrorCode, NetError};

use crate::cookies::CookieJar;
use crate::location::{self, Location};
use crate::options::{self, Options};
use crate::value::{bytes, entries, expect_text, show, text, type_error};

const OPTIONS: [&str; 12] = [
    "basicAuth",
    "body",
    "connectTo",
    "form",
    "headers",
    "json",
    "maxBody",
    "propagateTrace",
    "proxy",
    "redirects",
    "timeout",
    "tls",
];
/// Maximum number of redirects to follow.
const MAX_REDIRECTS: u32 = 20;
/// Headers that describe a body, and do not follow a redirect that has none.
const BODY_HEADERS: [&str; 2] = ["content-type", "content-encoding"];

/// Headers and cookies that several requests share.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) cookies: CookieJar,
}

/// The request of a call such as `http.post(url, options)`.
pub(crate) fn read(
    of: &str,
    method: &str,
    url: &JsValue,
    options: &JsValue,
    context: &mut Context,
) -> JsResult<Request> {
    let url = expect_text(url, &format!("{of}: the URL"))?;
    let given = Options::new(of, options, &OPTIONS, context)?;
    let mut request = Request::new(method, url);
    if let Some(value) = given.get("headers", context)? {
        request.headers = headers(&given.name("headers"), &value, context)?;
    }
    read_body(&given, &mut request, context)?;
    if let Some(value) = given.get("basicAuth", context)? {
        let credentials = Options::new(
            given.name("basicAuth"),
            &value,
            &["password", "username"],
            context,
        )?;
        let username = credentials.text("username", context)?.unwrap_or_default();
        let password = credentials.text("password", context)?.unwrap_or_default();
        let value = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        request = request.header("authorization", value);
    }
    let redirects = given.count("redirects", context)?.unwrap_or(0);
    if redirects > MAX_REDIRECTS {
        return Err(type_error(format_args!(
            "{} must be at most {MAX_REDIRECTS}, and is {redirects}",
            given.name("redirects")
        )));
    }
    request.options.max_redirects = redirects;
    if let Some(bytes) = given.count("maxBody", context)? {
        request.options.max_body = bytes;
    }
    if let Some(value) = given.get("propagateTrace", context)? {
        request.options.propagate_trace = value.to_boolean();
    }
    request.options.timeout = given.duration("timeout", context)?;
    request.options.connect_to = given.text("connectTo", context)?;
    request.options.proxy = given.text("proxy", context)?;
    if let Some(value) = given.get("tls", context)? {
        request.options.tls = Some(options::tls(&given.name("tls"), &value, context)?);
    }
    Ok(request)
}

/// Sets the body, and its type where the script sets none.
fn read_body(given: &Options, request: &mut Request, context: &mut Context) -> JsResult<()> {
    let (mut content_type, mut named) = (None, 0);
    if let Some(value) = given.get("body", context)? {
        request.body = bytes(&value, &given.name("body"), context)?;
        named += 1;
    }
    if let Some(value) = given.get("json", context)? {
        request.body = stringify(&value, context)?.into_bytes();
        content_type = Some("application/json");
        named += 1;
    }
    if let Some(value) = given.get("form", context)? {
        request.body = form(&given.name("form"), &value, context)?.into_bytes();
        content_type = Some("application/x-www-form-urlencoded");
        named += 1;
    }
    if named > 1 {
        return Err(type_error(format_args!(
            "{} and `json` and `form` exclude each other",
            given.name("body")
        )));
    }
    if let Some(content_type) = content_type
        && !has(&request.headers, "content-type")
    {
        request.headers.push(("content-type".into(), content_type.into()));
    }
    Ok(())
}

/// The headers of an object, whose values are texts or lists of them.
pub(crate) fn headers(
    what: &str,
    value: &JsValue,
    context: &mut Context,
) -> JsResult<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::new();
    for (name, value) in members(what, value, context)? {
        match value.as_object().filter(JsObject::is_array) {
            Some(list) => {
                for (_, value) in entries(&list, context)?
                    .into_iter()
                    .filter(|(key, _)| key != "length")
                {
                    headers.push((name.clone(), text(&value, context)?.into_bytes()));
                }
            }
            None => headers.push((name, text(&value, context)?.into_bytes())),
        }
    }
    Ok(headers)
}

/// The members of an object that are not undefined.
pub(crate) fn members(
    what: &str,
    value: &JsValue,
    context: &mut Context,
) -> JsResult<Vec<(String, JsValue)>> {
    let Some(object) = value.as_object().filter(JsObject::is_ordinary) else {
        return Err(type_error(format_args!(
            "{what} must be an object, and is {}",
            show(value)
        )));
    };
    let mut members = entries(&object, context)?;
    members.retain(|(_, value)| !value.is_undefined());
    Ok(members)
}

fn stringify(value: &JsValue, context: &mut Context) -> JsResult<String> {
    let json = context.global_object().get(JsString::from("JSON"), context)?;
    let stringify = json
        .to_object(context)?
        .get(JsString::from("stringify"), context)?;
    let Some(stringify) = stringify.as_callable() else {
        return Err(type_error("`JSON.stringify` is not a function"));
    };
    let text = stringify.call(&json, std::slice::from_ref(value), context)?;
    expect_text(&text, "`json`, written as JSON,")
}

fn form(what: &str, value: &JsValue, context: &mut Context) -> JsResult<String> {
    let mut pairs = Vec::new();
    for (name, value) in members(what, value, context)? {
        let value = text(&value, context)?;
        pairs.push(format!("{}={}", form_encoded(&name), form_encoded(&value)));
    }
    Ok(pairs.join("&"))
}

/// As forms are encoded (<https://url.spec.whatwg.org/#concept-urlencoded-serializer>).
fn form_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn has(headers: &[(String, Vec<u8>)], name: &str) -> bool {
    headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

impl Session {
    /// Sends a request with the headers and cookies of the session; `now` is in Unix seconds.
    ///
    /// Follows redirects within the origin. The host, which follows those of other requests, would not see the cookies
    /// of the session. To another origin they are not followed: what the script sends may contain secrets.
    pub(crate) fn send(&mut self, request: Request, now: i64) -> Result<Response, NetError> {
        let mut left = request.options.max_redirects;
        let is_limited = left > 0;
        let mut next = request;
        next.options.max_redirects = 0;
        for (name, value) in &self.headers {
            if !has(&next.headers, name) {
                next.headers.push((name.clone(), value.clone()));
            }
        }
        let own_cookies = std::mem::take(&mut next.headers);
        let (own_cookies, headers): (Vec<_>, Vec<_>) = own_cookies
            .into_iter()
            .partition(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        next.headers = headers;
        loop {
            let response = self.send_once(&next, &own_cookies, now)?;
            let Some(url) = redirect(&response) else {
                return Ok(response);
            };
            let (from, to) = (Location::of(&response.url), Location::of(&url));
            let is_within = from.zip(to).is_some_and(|(from, to)| from.is_same_origin(&to));
            if !is_limited || !is_within {
                return Ok(response);
            }
            left = left
                .checked_sub(1)
                .ok_or_else(|| NetError::new(ErrorCode::Protocol, "too many redirects"))?;
            let becomes_get = match response.status {
                303 => next.method != "HEAD",
                301 | 302 => next.method == "POST",
                _ => false,
            };
            if becomes_get {
                next.method = "GET".into();
                next.body.clear();
                next.headers.retain(|(name, _)| {
                    !BODY_HEADERS
                        .iter()
                        .any(|header| name.eq_ignore_ascii_case(header))
                });
            }
            next.url = url;
        }
    }

    fn send_once(
        &mut self,
        request: &Request,
        own_cookies: &[(String, Vec<u8>)],
        now: i64,
    ) -> Result<Response, NetError> {
        let mut request = request.clone();
        let location = Location::of(&request.url);
        let mut cookies: Vec<Vec<u8>> = own_cookies.iter().map(|(_, value)| value.clone()).collect();
        cookies.extend(
            location
                .as_ref()
                .and_then(|to| self.cookies.header(to))
                .map(String::into_bytes),
        );
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join(&b"; "[..]));
        }
        let response = request.send()?;
        if let Some(from) = Location::of(&response.url) {
            for cookie in response.header_values("set-cookie") {
                self.cookies.store(&from, &cookie, now);
            }
        }
        Ok(response)
    }
}

/// The URL that a response redirects to.
fn redirect(response: &Response) -> Option<String> {
    let is_redirect = matches!(response.status, 301 | 302 | 303 | 307 | 308);
    let location = response.header("location").filter(|_| is_redirect)?;
    location::join(&response.url, &location)
}

//! A TLS session as an object of the script.

use boa_engine::object::ObjectInitializer;
use boa_engine::property::Attribute;
use boa_engine::{Context, JsResult, JsString, JsValue};
use canary_sdk::Timestamp;
use canary_sdk::tls::{Certificate, Session};

use crate::value::{list, string};

/// A TLS session as the script has it.
pub(crate) fn object(session: &Session, now: Timestamp, context: &mut Context) -> JsResult<JsValue> {
    let reasons: Vec<_> = session
        .reasons
        .iter()
        .map(|reason| string(&reason.message))
        .collect();
    let is_trusted = reasons.is_empty();
    let reasons = list(reasons, context);
    let certificates: Vec<_> = session
        .chain
        .iter()
        .map(|one| certificate(one, now, context))
        .collect();
    let certificates = list(certificates, context);
    let alpn = session.alpn.as_deref().map_or(JsValue::undefined(), string);
    let all = Attribute::all();
    let protocol = format!("TLS {}", session.version);
    let object = ObjectInitializer::new(context)
        .property(JsString::from("protocol"), JsString::from(protocol), all)
        .property(
            JsString::from("cipher"),
            JsString::from(session.cipher_suite.as_str()),
            all,
        )
        .property(JsString::from("alpn"), alpn, all)
        .property(JsString::from("trusted"), is_trusted, all)
        .property(JsString::from("reasons"), reasons, all)
        .property(JsString::from("certificates"), certificates, all)
        .build();
    Ok(object.into())
}

fn certificate(certificate: &Certificate, now: Timestamp, context: &mut Context) -> JsValue {
    let names = certificate.dns_names.iter().chain(&certificate.ip_addresses);
    let names = list(names.map(|name| string(name)), context);
    let all = Attribute::all();
    let mut object = ObjectInitializer::new(context);
    for (key, text) in [
        ("subject", certificate.subject.as_str()),
        ("issuer", &certificate.issuer),
        ("serial", &certificate.serial),
        ("notBefore", &certificate.not_before.to_string()),
        ("notAfter", &certificate.not_after.to_string()),
        ("publicKey", &certificate.public_key),
        ("signatureAlgorithm", &certificate.signature_algorithm),
        ("fingerprint", &certificate.fingerprint),
    ] {
        object.property(JsString::from(key), JsString::from(text), all);
    }
    object
        .property(JsString::from("names"), names, all)
        .property(JsString::from("daysLeft"), certificate.days_left(now), all)
        .property(JsString::from("isCa"), certificate.is_ca, all)
        .build()
        .into()
}

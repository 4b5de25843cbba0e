//! The forms in which a secret may occur, and their fingerprints.

mod encodings;

use std::iter::successors;
use std::net::IpAddr;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use url::{Host, Url};

use super::decode::{Escape, form, string, unescaped};
use super::decoded_text::DecodedText;
use super::fingerprints::{FingerprintBuilder, is_varied};
use encodings::encodings;

/// Minimum length in bytes; a shorter value would mask ordinary words.
const MIN_BYTES: usize = 4;
/// Minimum length in bytes of a part of a secret, such as a line; a shorter one may be anything.
const MIN_PART_BYTES: usize = 8;
/// Minimum length in bytes of a value, or form of one, that is masked in all texts; a shorter one is masked in those of
/// its owner only, because elsewhere it is likely to be something else.
const MIN_SHARED_BYTES: usize = 8;

/// Maximum number of escape levels of a value itself that are decoded.
const MAX_LEVELS: usize = 3;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// The fingerprints of `value` for all texts.
pub(super) fn shared(value: &str) -> FingerprintBuilder {
    let mut fingerprints = FingerprintBuilder::default();
    if !is_shared(value) {
        return fingerprints;
    }
    plain(value, |form| {
        if is_shared_form(form) {
            fingerprints.add(form, 1);
        }
    });
    encodings(value, |form, step| fingerprints.add(form, step));
    fingerprints
}

/// The fingerprints of `value` for texts of its owners, in addition to [`shared`].
pub(super) fn own(value: &str) -> FingerprintBuilder {
    let mut fingerprints = FingerprintBuilder::default();
    let is_shared = is_shared(value);
    plain(value, |form| {
        if !is_shared || !is_shared_form(form) {
            fingerprints.add(form, 1);
        }
    });
    if !is_shared {
        encodings(value, |form, step| fingerprints.add(form, step));
    }
    fingerprints
}

fn is_shared(value: &str) -> bool {
    is_shared_form(value.as_bytes())
}

fn is_shared_form(form: &[u8]) -> bool {
    form.len() >= MIN_SHARED_BYTES && is_varied(form)
}

/// Calls `emit` with the canonical plain forms of `value`. Each window is fingerprinted, so that no excerpt of 12 bytes
/// is missed, wherever it begins.
fn plain(value: &str, mut emit: impl FnMut(&[u8])) {
    if value.len() < MIN_BYTES {
        return;
    }
    // What is written in the suite as `a b c` has the canonical form `abc`.
    let own = DecodedText::new(value).canonical().0;
    let is_known = |form: &[u8]| form.len() >= MIN_BYTES || (form == own && !form.is_empty());
    let bodies = without_armour(value);
    let paths = bodies.iter().flat_map(|body| path_forms(body));
    let others = paths
        .chain(parts(value))
        .chain(hosts(value))
        .chain(decoded(value));
    for text in bodies.iter().cloned().chain(others) {
        for decoded in decoded_forms(&text) {
            let form = decoded.canonical().0;
            if is_known(&form) {
                emit(&form);
            }
        }
    }
}

/// A value as it is, and with its own escapes decoded, since a value in a URL may be escaped. If it has a `+`, also
/// with that as a space.
fn decoded_forms(value: &str) -> Vec<DecodedText> {
    let whole = DecodedText::new(value);
    let levels = |escape: Escape| {
        let decode = move |decoded: &DecodedText| unescaped(decoded, escape);
        successors(decode(&whole), decode).take(MAX_LEVELS)
    };
    let mut levels: Vec<DecodedText> = levels(string).chain(levels(form)).collect();
    levels.push(whole);
    levels
}

/// The bodies between the BEGIN and END lines of PEM, which are the same for everyone; the value as it is if any of
/// them is too short to be recognised.
fn without_armour(value: &str) -> Vec<String> {
    let lines: Vec<&str> = value.lines().collect();
    let bodies = lines.split(|line| is_armour(line)).map(|lines| lines.join("\n"));
    let mut bodies: Vec<(String, usize)> = bodies.map(|body| (body.clone(), canonical_len(&body))).collect();
    bodies.retain(|(_, length)| *length > 0);
    if !bodies.is_empty() && bodies.iter().all(|(_, length)| *length >= MIN_PART_BYTES) {
        bodies.into_iter().map(|(body, _)| body).collect()
    } else {
        vec![value.to_owned()]
    }
}

fn canonical_len(text: &str) -> usize {
    DecodedText::new(text).canonical().0.len()
}

/// Whether this is a BEGIN or END line of PEM (RFC 7468), or a prefix of one.
fn is_armour(line: &str) -> bool {
    let Some(label) = line.trim().strip_prefix("-----") else {
        return false;
    };
    let label = label.trim_end_matches('-');
    let is_of_label = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == ' ';
    (label.starts_with("BEGIN") || label.starts_with("END")) && label.chars().all(is_of_label)
}

/// Parts that a peer or a parser may quote alone: a line of a key, the password of a URL, a token after `Bearer`.
fn parts(value: &str) -> Vec<String> {
    let lines = value.lines().map(str::trim).filter(|line| !is_armour(line));
    let lines = lines.filter(|line| line.len() >= MIN_PART_BYTES);
    let mut parts: Vec<String> = lines.map(str::to_owned).collect();
    let value = value.trim();
    if let Ok(url) = Url::parse(value)
        && url.has_host()
    {
        let long = |part: &&str| part.len() >= MIN_PART_BYTES;
        parts.extend(url.password().map(str::to_owned));
        parts.extend(Some(url.path()).filter(long).map(str::to_owned));
        parts.push(Url::to_string(&url));
    } else if let Some((_, last)) = value.rsplit_once([' ', ':'])
        && !value.contains('\n')
        && last.len() >= MIN_PART_BYTES
    {
        parts.push(last.to_owned());
    }
    parts
}

/// The decoded form of credentials in base64 or hexadecimal, if that is text, and the password in it.
fn decoded(value: &str) -> Vec<String> {
    let encoded = value.trim();
    let encoded = encoded.rsplit_once(' ').map_or(encoded, |(_, last)| last);
    let candidates = [
        BASE64.decode(encoded).ok(),
        BASE64_URL.decode(encoded).ok(),
        hex::decode(encoded).ok(),
    ];
    let texts = candidates
        .into_iter()
        .flatten()
        .filter_map(|bytes| String::from_utf8(bytes).ok());
    let mut decoded: Vec<String> = texts.filter(|text| !text.contains(char::is_control)).collect();
    for place in 0..decoded.len() {
        let password = decoded.get(place).and_then(|text| text.split_once(':'));
        decoded.extend(password.map(|(_, password)| password.to_owned()));
    }
    decoded
}

/// The path of a URL that contains the value, after normalisation: `\` becomes `/`, and dot segments are removed. What
/// follows a `?` or `#` is another component.
fn path_forms(value: &str) -> Vec<String> {
    let Ok(url) = Url::parse(&format!("http://host/{}", value.trim())) else {
        return Vec::new();
    };
    let path = url.path().trim_start_matches('/').to_owned();
    let is_cut = url.query().is_some() || url.fragment().is_some();
    let shortest = if is_cut { MIN_PART_BYTES } else { MIN_BYTES };
    let others = [url.query(), url.fragment()].into_iter().flatten();
    let others = others
        .filter(|part| part.len() >= MIN_PART_BYTES)
        .map(str::to_owned);
    let path = Some(path).filter(|path| path.len() >= shortest);
    path.into_iter().chain(others).collect()
}

/// A host name or an address in the forms in which the host itself formats them.
fn hosts(value: &str) -> Vec<String> {
    let value = value.trim();
    let url = Url::parse(value).ok();
    let of_url = url.as_ref().and_then(Url::host_str);
    let before_port = value
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map(|(host, _)| host);
    let candidates = [Some(value), of_url, before_port].into_iter().flatten();
    let mut hosts = Vec::new();
    for text in candidates {
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            hosts.extend(addresses(address));
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) => {
                hosts.push(url::quirks::domain_to_unicode(&name));
                hosts.push(name);
            }
            Ok(Host::Ipv4(address)) => hosts.extend(addresses(address.into())),
            Ok(Host::Ipv6(address)) => hosts.extend(addresses(address.into())),
            Err(_) => {}
        }
    }
    hosts
}

fn addresses(address: IpAddr) -> Vec<String> {
    let canonical = address.to_canonical();
    let v6 = match canonical {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    vec![
        canonical.to_string(),
        format!("::ffff:{g:x}:{h:x}"),
        format!("{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{g:04x}:{h:04x}"),
    ]
    .into_iter()
    .enumerate()
    .filter(|(place, _)| *place != 1 || canonical.is_ipv4())
    .map(|(_, text)| text)
    .collect()
}

//! The forms in which a value may turn up, and the pieces by which they are found.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::{Host, Url};

use super::LEVELS;
use super::reading::Reading;

/// Bytes of a seed. A shorter excerpt of a secret may be anything.
pub(super) const SEED: usize = 12;
/// Bytes from one seed of a long form to the next, at least.
const MIN_STEP: usize = 64;
/// Seeds of one form, which are spread over it.
const MAX_SEEDS: usize = 64;
/// Bytes; a shorter value would blank out ordinary words.
const MIN_BYTES: usize = 4;
/// Bytes; a shorter part of a secret, such as one of its lines, may be anything.
pub(super) const MIN_PART_BYTES: usize = 8;
/// Characters; a shorter piece of base64 may be anything. A value of [`MIN_BYTES`] has so many at any place.
const MIN_BASE64_CHARS: usize = 4;
/// Lines of one secret that are looked for on their own.
const MAX_LINES: usize = 256;
/// Bytes of a value whose base64 and hexadecimal are known; of more, the begin.
const MAX_ENCODED: usize = 64 << 10;
/// Bytes of a value that is known as a list of numbers.
const MAX_LISTED: usize = 4 << 10;

/// Every form of `value` as a canonical reading would have it.
pub(super) fn forms(value: &str) -> Vec<Arc<[u8]>> {
    if value.len() < MIN_BYTES {
        return Vec::new();
    }
    let mut forms = BTreeSet::new();
    let mut texts = vec![without_armour(value)];
    texts.extend(parts(value));
    texts.extend(of_path(&without_armour(value)));
    texts.extend(hosts(value));
    for text in &texts {
        let mut reading = Reading::of(text);
        for _ in 0..=LEVELS {
            forms.insert(reading.canonical().0);
            let Some(decoded) = reading.decode() else { break };
            reading = decoded;
        }
    }
    for value in [value, value.trim()] {
        forms.extend(encoded(value).iter().map(|text| Reading::of(text).canonical().0));
        forms.extend(latin1(value));
    }
    // What is written in the suite as `a b c` reads `abc`.
    let own = Reading::of(value).canonical().0;
    forms.retain(|form| form.len() >= MIN_BYTES || (*form == own && !form.is_empty()));
    forms.into_iter().map(Arc::from).collect()
}

/// The pieces by which a form is found, with their offsets: its begin, its end, and some in between of a long one.
/// A short form is its only piece.
pub(super) fn seeds(form: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let last = form.len().saturating_sub(SEED);
    let step = (form.len() / MAX_SEEDS).max(MIN_STEP);
    let between = (step..last).step_by(step);
    let offsets = std::iter::once(0)
        .chain(between)
        .chain((last > 0).then_some(last));
    offsets.filter_map(move |offset| {
        let seed = form.get(offset..form.len().min(offset + SEED))?;
        // A row of dashes in the middle of a secret says nothing.
        let is_distinctive = offset == 0 || seed.iter().collect::<BTreeSet<_>>().len() > 2;
        is_distinctive.then_some((offset, seed))
    })
}

/// The begin and end of PEM are the same for everyone.
fn without_armour(value: &str) -> String {
    let is_own = |line: &&str| !line.trim_start().starts_with("-----");
    let own: Vec<&str> = value.lines().filter(is_own).collect();
    match own.iter().map(|line| line.trim().len()).sum::<usize>() >= MIN_PART_BYTES {
        true => own.join("\n"),
        false => value.to_owned(),
    }
}

/// What a peer or a parser may quote alone: a line of a key, the password of a URL, a token behind `Bearer`.
fn parts(value: &str) -> Vec<String> {
    let lines = value
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"));
    let lines = lines.filter(|line| line.len() >= MIN_PART_BYTES).take(MAX_LINES);
    let mut parts: Vec<String> = lines.map(str::to_owned).collect();
    let value = value.trim();
    if let Ok(url) = Url::parse(value)
        && url.has_host()
    {
        let long = |part: &&str| part.len() >= MIN_PART_BYTES;
        parts.extend(url.password().map(str::to_owned));
        parts.extend(Some(url.path()).filter(long).map(str::to_owned));
        parts.extend(url.query().filter(long).map(str::to_owned));
        parts.push(Url::to_string(&url));
    } else if let Some((_, last)) = value.rsplit_once([' ', ':'])
        && !value.contains('\n')
        && last.len() >= MIN_PART_BYTES
    {
        parts.push(last.to_owned());
    }
    parts.retain(|part| part.len() >= MIN_BYTES);
    parts
}

/// What a URL parser makes of a value that stands in a path: `\` is `/`, and dots leave segments out. What comes after
/// a `?` or `#` is another component.
fn of_path(value: &str) -> Vec<String> {
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

/// A host name or an address in the ways in which the host itself writes them.
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

/// Base64 of either alphabet, also within that of a longer text; hexadecimal; lists of numbers.
fn encoded(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let begin = bytes.get(..bytes.len().min(MAX_ENCODED)).unwrap_or_default();
    let mut encoded = vec![hex::encode(begin)];
    for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        encoded.push(alphabet.encode(begin));
        encoded.extend((0..3).filter_map(|shift| within_base64(alphabet, begin, shift)));
    }
    let listed = bytes.get(..bytes.len().min(MAX_LISTED)).unwrap_or_default();
    let list = |show: fn(&u8) -> String, between| listed.iter().map(show).collect::<Vec<_>>().join(between);
    encoded.extend([
        list(|byte| byte.to_string(), ","),
        list(|byte| format!("{byte:x}"), ","),
        list(|byte| format!("{byte:02x}"), ","),
        list(|byte| format!("{byte:02x}"), ":"),
        list(|byte| format!("{byte:#x}"), ","),
        list(|byte| format!("{byte:#04x}"), ","),
    ]);
    encoded
}

/// What is always the same in the base64 of a longer text that holds `value` behind `shift` bytes more than a
/// multiple of three, as `user:password` does.
fn within_base64(alphabet: &GeneralPurpose, value: &[u8], shift: usize) -> Option<String> {
    let encoded = alphabet.encode([&vec![0; shift], value].concat());
    // Characters that hold bits of what stands before it.
    let start = (shift * 8).div_ceil(6);
    // The last one holds bits of what comes after it, unless it is full.
    let end = (shift + value.len()) * 8 / 6;
    let piece = encoded.get(start..end)?;
    (piece.len() >= MIN_BASE64_CHARS).then(|| piece.to_owned())
}

/// The value in Latin-1, and its UTF-8 read as such.
fn latin1(value: &str) -> Vec<Vec<u8>> {
    if value.is_ascii() {
        return Vec::new();
    }
    let misread: String = value.bytes().map(char::from).collect();
    let mut forms = vec![Reading::of(&misread).canonical().0];
    let bytes: Option<Vec<u8>> = value
        .to_lowercase()
        .chars()
        .filter(|char| !char.is_whitespace())
        .map(|char| u8::try_from(char).ok())
        .collect();
    forms.extend(bytes);
    forms
}

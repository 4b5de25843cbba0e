//! Parses `resolv.conf` like glibc: what is not understood is ignored.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use super::ResolverSettings;

/// Maximum number of name servers; further ones are ignored.
const MAX_SERVERS: usize = 3;
/// Maximum value of `ndots`.
const MAX_NDOTS: i32 = 15;
/// Maximum value of `timeout`, in seconds. glibc permits 30, which is longer than checks run.
const MAX_TIMEOUT_SECONDS: i32 = 5;
/// Maximum value of `attempts`.
const MAX_ATTEMPTS: i32 = 5;
/// The port of DNS.
const PORT: u16 = 53;

/// Inputs in addition to the file.
pub(super) struct Environment {
    /// `LOCALDOMAIN`: overrides the search list of the file.
    pub(super) local_domain: Option<String>,
    /// `RES_OPTIONS`: appended to the options of the file.
    pub(super) options: Option<String>,
    /// Its domain is the default search list.
    pub(super) host_name: String,
    /// The index of a network interface, by its name.
    pub(super) interface: fn(&str) -> Option<u32>,
}

/// Parses the file; never fails. Without a name server the local host is queried, as described in resolv.conf(5).
pub(super) fn parse(file: &[u8], environment: &Environment) -> ResolverSettings {
    let mut settings = ResolverSettings {
        timeout: Duration::from_secs(5),
        ..ResolverSettings::servers(Vec::new())
    };
    for line in String::from_utf8_lossy(file).split('\n') {
        read_line(line, &mut settings, environment.interface);
    }
    if let Some(domains) = &environment.local_domain {
        let line = domains.lines().next().unwrap_or_default();
        settings.search = words(line).map(str::to_owned).collect();
    }
    if settings.search.is_empty()
        && let Some((_, domain)) = environment.host_name.split_once('.')
    {
        settings.search.push(domain.to_owned());
    }
    if settings.servers.is_empty() {
        settings.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
    }
    read_options(environment.options.as_deref().unwrap_or_default(), &mut settings);
    settings
}

/// Keywords are recognised in the first column only.
fn read_line(line: &str, settings: &mut ResolverSettings, interface: fn(&str) -> Option<u32>) {
    let Some((keyword, values)) = line.split_once([' ', '\t']) else {
        return;
    };
    let mut values = words(values).peekable();
    match keyword {
        "nameserver" if settings.servers.len() < MAX_SERVERS => {
            let server = values.next().and_then(|text| server(text, interface));
            settings.servers.extend(server);
        }
        // The last of the two lines wins, unless it is empty.
        "domain" if values.peek().is_some() => {
            settings.search = values.take(1).map(str::to_owned).collect();
        }
        "search" if values.peek().is_some() => settings.search = values.map(str::to_owned).collect(),
        "options" => values.for_each(|word| read_option(word, settings)),
        _ => {}
    }
}

fn read_options(line: &str, settings: &mut ResolverSettings) {
    words(line).for_each(|word| read_option(word, settings));
}

/// Options are recognised by their prefix.
fn read_option(word: &str, settings: &mut ResolverSettings) {
    let is = |option: &str| word.starts_with(option);
    if let Some(number) = word.strip_prefix("ndots:") {
        // A negative number is truncated to four bits.
        settings.ndots = usize::try_from(leading_number(number).min(MAX_NDOTS) & MAX_NDOTS).unwrap_or(1);
    } else if let Some(number) = word.strip_prefix("timeout:") {
        let seconds = leading_number(number).clamp(1, MAX_TIMEOUT_SECONDS);
        settings.timeout = Duration::from_secs(seconds.unsigned_abs().into());
    } else if let Some(number) = word.strip_prefix("attempts:") {
        settings.attempts = usize::try_from(leading_number(number).clamp(1, MAX_ATTEMPTS)).unwrap_or(1);
    } else if is("rotate") {
        settings.rotates = true;
    } else if is("edns0") {
        settings.edns = true;
    } else if is("no-tld-query") || is("no_tld_query") {
        settings.no_tld_query = true;
    } else if is("use-vc") {
        settings.over_tcp = true;
    } else if is("no-aaaa") {
        settings.no_aaaa = true;
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\r']).filter(|word| !word.is_empty())
}

/// Like C's `atoi`: everything after the digits is ignored, and no digits are 0.
fn leading_number(text: &str) -> i32 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    let value = digits.fold(0_i32, |value, digit| {
        value.saturating_mul(10).saturating_add(i32::from(digit - b'0'))
    });
    sign * value
}

/// An IPv4 address in any of its forms, or an IPv6 address with or without a zone.
fn server(text: &str, interface: fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    if let Some(address) = ipv4(text) {
        return Some((address, PORT).into());
    }
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().ok()?;
    // A zone that does not exist is ignored.
    let zone = zone.and_then(|zone| interface(zone).or_else(|| zone.parse().ok()));
    Some(SocketAddrV6::new(address, PORT, 0, zone.unwrap_or(0)).into())
}

/// The forms of `inet_aton`, such as `127.1`, which URLs permit too.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => return Some(address),
        Ok(IpAddr::V6(_)) => return None,
        Err(_) if text.ends_with('.') => return None,
        Err(_) => {}
    }
    match url::Host::parse(text) {
        Ok(url::Host::Ipv4(address)) => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

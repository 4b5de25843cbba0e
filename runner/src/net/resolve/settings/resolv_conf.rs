//! `resolv.conf`, read as glibc reads it: what it does not understand is left out, and the rest counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use super::ResolverSettings;

/// Name servers that are asked; further ones are left out.
const SERVERS: usize = 3;
/// The largest `ndots`.
const NDOTS: i32 = 15;
/// The longest `timeout`, in seconds. glibc takes 30; no check has so long.
const TIMEOUT_SECONDS: i32 = 5;
/// The most `attempts`.
const ATTEMPTS: i32 = 5;
/// The port of DNS.
const PORT: u16 = 53;

/// What is read beside the file.
pub(super) struct Environment {
    /// `LOCALDOMAIN`: a search list in place of the file's.
    pub(super) local_domain: Option<String>,
    /// `RES_OPTIONS`: behind the file's.
    pub(super) options: Option<String>,
    /// The domain in it is searched where nothing else is.
    pub(super) host_name: String,
    /// The index of a network interface, by its name.
    pub(super) interface: fn(&str) -> Option<u32>,
}

/// Never fails: without a name server the local host is asked, as resolv.conf(5) says.
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

/// A keyword counts in the first column only.
fn read_line(line: &str, settings: &mut ResolverSettings, interface: fn(&str) -> Option<u32>) {
    let Some((keyword, values)) = line.split_once([' ', '\t']) else {
        return;
    };
    let mut values = words(values).peekable();
    match keyword {
        "nameserver" if settings.servers.len() < SERVERS => {
            let server = values.next().and_then(|text| server(text, interface));
            settings.servers.extend(server);
        }
        // The last of the two lines counts, unless it is empty.
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

/// Words are known by how they begin.
fn read_option(word: &str, settings: &mut ResolverSettings) {
    let is = |option: &str| word.starts_with(option);
    if let Some(number) = word.strip_prefix("ndots:") {
        // A number below zero is kept in four bits.
        settings.ndots = usize::try_from(leading_number(number).min(NDOTS) & NDOTS).unwrap_or(1);
    } else if let Some(number) = word.strip_prefix("timeout:") {
        let seconds = leading_number(number).clamp(1, TIMEOUT_SECONDS);
        settings.timeout = Duration::from_secs(seconds.unsigned_abs().into());
    } else if let Some(number) = word.strip_prefix("attempts:") {
        settings.attempts = usize::try_from(leading_number(number).clamp(1, ATTEMPTS)).unwrap_or(1);
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

/// As C's `atoi`: what follows the digits does not count, and no digits are 0.
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
    // A zone that does not exist is none.
    let zone = zone.and_then(|zone| interface(zone).or_else(|| zone.parse().ok()));
    Some(SocketAddrV6::new(address, PORT, 0, zone.unwrap_or(0)).into())
}

/// The forms of `inet_aton`, such as `127.1`: those that URLs know too.
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

//! Parses the hosts file like glibc's `files` module.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::Family;

/// Names in the hosts file, in lower case, as written: with a trailing dot if they have one.
#[derive(Debug, Default)]
pub(in crate::resolve) struct Hosts(HashMap<Vec<u8>, Vec<IpAddr>>);

impl Hosts {
    /// Parses every line with an address and names; other lines are ignored.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut hosts = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            hosts.add(line);
        }
        hosts
    }

    fn add(&mut self, line: &[u8]) {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line.split(is_blank).filter(|word| !word.is_empty());
        let Some(address) = words.next().and_then(address) else {
            return;
        };
        for name in words {
            self.insert(name.to_ascii_lowercase(), address);
            // Lookups use ASCII, whereas the file may contain international names as people write them.
            if let Some(ascii) = international(name) {
                self.insert(ascii.into_bytes(), address);
            }
        }
    }

    fn insert(&mut self, name: Vec<u8>, address: IpAddr) {
        let known = self.0.entry(name).or_default();
        if !known.contains(&address) {
            known.push(address);
        }
    }

    /// The addresses of a name as written, IPv6 first; empty if the file has none of the family.
    pub(in crate::resolve) fn addresses(&self, name: &str, family: Family) -> Vec<IpAddr> {
        let known = self.0.get(name.to_ascii_lowercase().as_bytes());
        let mut found: Vec<_> = known
            .into_iter()
            .flatten()
            .filter_map(|address| to_family(*address, family))
            .collect();
        found.sort_by_key(IpAddr::is_ipv4);
        found
    }
}

/// White space as in C's `isspace`.
fn is_blank(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || *byte == b'\x0b'
}

fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn international(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_ascii())?;
    match url::Host::parse(name) {
        Ok(url::Host::Domain(ascii)) => Some(ascii),
        _ => None,
    }
}

/// An IPv4-mapped IPv6 address also serves lookups that want only IPv4.
fn to_family(address: IpAddr, family: Family) -> Option<IpAddr> {
    match (family, address) {
        (Family::V4, IpAddr::V6(v6)) if v6.is_loopback() => Some(Ipv4Addr::LOCALHOST.into()),
        (Family::V4, IpAddr::V6(v6)) => v6.to_ipv4_mapped().map(IpAddr::from),
        _ => family.admits(address).then_some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(hosts: &str, name: &str, family: Family) -> Vec<String> {
        let addresses = Hosts::parse(hosts.as_bytes()).addresses(name, family);
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_looked_up_as_it_is_written_in_any_case() {
        let hosts = "192.0.2.1 Web_1 a!b web.local\n192.0.2.2 rooted.local.\n";
        assert_eq!(found(hosts, "WEB_1", Family::Any), ["192.0.2.1"]);
        assert_eq!(found(hosts, "a!b", Family::Any), ["192.0.2.1"]);
        assert_eq!(found(hosts, "rooted.local.", Family::Any), ["192.0.2.2"]);
        for other in ["web.local.", "rooted.local", "web"] {
            assert!(found(hosts, other, Family::Any).is_empty(), "{other}");
        }
    }

    #[test]
    fn all_lines_of_a_name_count_and_bad_ones_are_left_out() {
        let hosts = "  192.0.2.1\tweb # c\r\n#192.0.2.2 web\n192.0.2.300 web\n127.1 web\n::1 x web\r\n192.0.2.1 web\n\n1.1.1.1\n";
        assert_eq!(found(hosts, "web", Family::Any), ["::1", "192.0.2.1"]);
        assert_eq!(found(hosts, "x", Family::Any), ["::1"]);
        assert!(found(hosts, "c", Family::Any).is_empty());
    }

    #[test]
    fn an_address_of_the_other_family_is_none() {
        let hosts = "::1 six\n192.0.2.1 four\n::ffff:192.0.2.2 mapped\n2001:db8::1 far\n";
        assert_eq!(found(hosts, "six", Family::V4), ["127.0.0.1"]);
        assert_eq!(found(hosts, "mapped", Family::V4), ["192.0.2.2"]);
        assert!(found(hosts, "far", Family::V4).is_empty());
        assert!(found(hosts, "four", Family::V6).is_empty());
    }

    #[test]
    fn an_international_name_is_found_in_either_form() {
        let hosts = "192.0.2.1 bücher.test\n";
        assert_eq!(found(hosts, "xn--bcher-kva.test", Family::Any), ["192.0.2.1"]);
        assert_eq!(found(hosts, "bücher.test", Family::Any), ["192.0.2.1"]);
    }
}

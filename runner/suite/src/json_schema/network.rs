//! The JSON Schema `format` of an address or a network, as the SDK parses them.

use std::net::IpAddr;

/// Its name.
pub(super) const FORMAT: &str = "canary-network";

/// Whether a text is an IP address, or a network such as `10.0.0.0/8`.
pub(super) fn is_network(text: &str) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.parse::<u8>().is_ok_and(|prefix| prefix <= longest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_prefix_within_its_length() {
        for text in [
            "10.0.0.0/8",
            "1.2.3.4",
            "1.2.3.4/32",
            "::/0",
            "2001:db8::1/128",
            "10.0.0.0/08",
        ] {
            assert!(is_network(text), "{text}");
        }
        for text in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "a.test",
            "",
            "[::1]",
        ] {
            assert!(!is_network(text), "{text}");
        }
    }
}

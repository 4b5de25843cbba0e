//! Where a check may go: grants, targets, hosts and names as suites, plugins and redirects write them.
//!
//! The lines of an input: a host, a target, and as many grants as follow.

use std::net::IpAddr;

use canary::grant::{
    Destination, DnsName, EffectiveAddress, Grant, Grants, Host, NameDecision, Networks, Scheme,
    SecretOrigin, Via,
};

const SYNTAXES: [&str; 5] = ["URL", "https://HOST", "HOST:PORT", "HOST or HOST:PORT", "a NAME"];
/// Addresses that a name may resolve to.
const ADDRESSES: [&str; 4] = ["127.0.0.1", "10.0.0.1", "192.0.2.1", "::ffff:127.0.0.1"];

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let (host, target) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    is_one_host(host);
    is_one_name(host);
    let grants: Vec<Grant> = lines.clone().filter_map(|line| line.parse().ok()).collect();
    let origins = lines
        .filter_map(|line| line.parse::<SecretOrigin>().ok())
        .collect::<Vec<_>>();
    for syntax in SYNTAXES {
        let Ok(grants) = Grants::for_check(target, syntax, grants.clone().into(), false) else {
            continue;
        };
        let grants = grants.with_secrets_to(origins.clone().into());
        for port in [80, 443, 5432] {
            if let Ok(to) = Destination::new(Scheme::Https, host, port) {
                decides_once(&grants, &to);
            }
        }
    }
}

/// A host is the same however often it is written and read again.
fn is_one_host(text: &str) {
    let Ok(host) = Host::parse(text) else { return };
    assert_eq!(Host::parse(&host.to_string()).as_ref(), Ok(&host));
    match &host {
        Host::Name(name) => {
            assert!(!name.is_empty() && name.len() <= 253, "{name}");
            assert!(name.parse::<IpAddr>().is_err(), "{name} is an address");
        }
        // The notation must not hide the destination.
        Host::Address(address) => assert_eq!(address.to_canonical(), *address),
    }
}

fn is_one_name(text: &str) {
    let Ok(name) = DnsName::parse(text) else { return };
    assert_eq!(DnsName::parse(&name.to_string()).as_ref(), Ok(&name));
    assert!(name.as_str().len() <= 253);
    let is_plain = |byte: u8| {
        byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !br"\#%/:<>?@[]^|".contains(&byte)
    };
    assert!(name.as_str().bytes().all(is_plain), "{name}");
    assert!(Grants::default().check_lookup(&name).is_err());
    if let Ok(grant) = format!("dns://{name}").parse::<Grant>() {
        let grants = Grants::for_check("", "a NAME", [grant].into(), false);
        assert!(
            grants.is_ok_and(|grants| grants.check_lookup(&name).is_ok()),
            "{name}"
        );
    }
}

/// The decision about a name holds for its addresses, and nothing reaches a blocked network.
fn decides_once(grants: &Grants, to: &Destination) {
    let decision = grants.check_name(to, Via::Direct);
    let (nothing, blocked) = (Networks::default(), loopback());
    let addresses = match to.host() {
        Host::Address(address) => vec![*address],
        Host::Name(_) => ADDRESSES.iter().filter_map(|text| text.parse().ok()).collect(),
    };
    for address in addresses {
        let is_allowed = grants.check_address(to, address, Via::Direct, &nothing).is_ok();
        match (&decision, to.host()) {
            (NameDecision::Granted, _) => assert!(is_allowed, "{to} at {address}"),
            (NameDecision::Denied(denial), Host::Address(_)) => assert!(!is_allowed, "{denial}"),
            _ => {}
        }
        let reaches_loopback = EffectiveAddress::new(address)
            .reached()
            .iter()
            .any(IpAddr::is_loopback);
        let is_allowed = grants.check_address(to, address, Via::Direct, &blocked).is_ok();
        assert!(!(reaches_loopback && is_allowed), "{to} at {address}");
    }
}

fn loopback() -> Networks {
    Networks::parse(["loopback"]).unwrap_or_default()
}

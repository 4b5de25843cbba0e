//! Where a peer's redirect may lead, and what it may carry.

use super::*;

fn public_redirects(target: &str) -> Grants {
    Grants::for_check(target, "URL", Arc::default(), true).unwrap()
}

#[test]
fn a_redirect_may_lead_to_a_public_address() {
    let grants = public_redirects("http://example.com/");
    let elsewhere = to("www.example.org", 443);
    assert_eq!(
        grants.check_name(&elsewhere, Via::Redirect),
        NameDecision::ByAddress
    );
    assert!(reaches(
        &grants,
        "www.example.org",
        "93.184.215.14",
        Via::Redirect
    ));
    assert_eq!(
        grants.check_name(&to("93.184.215.14", 443), Via::Redirect),
        NameDecision::ByAddress
    );
    assert!(reaches(&grants, "93.184.215.14", "93.184.215.14", Via::Redirect));
    assert!(!reaches(&grants, "www.example.org", "10.0.0.1", Via::Redirect));
    assert!(matches!(
        grants.check_name(&to("169.254.169.254", 80), Via::Redirect),
        NameDecision::Denied(_)
    ));
}

#[test]
fn only_a_redirect_may_lead_to_a_public_address() {
    let grants = public_redirects("http://example.com/");
    assert!(matches!(
        grants.check_name(&to("www.example.org", 443), Via::Direct),
        NameDecision::Denied(_)
    ));
    assert!(!reaches(&grants, "www.example.org", "93.184.215.14", Via::Direct));
}

#[test]
fn without_public_redirects_a_redirect_needs_a_grant() {
    let grants = own("http://example.com/", "URL");
    assert!(matches!(
        grants.check_name(&to("www.example.org", 443), Via::Redirect),
        NameDecision::Denied(_)
    ));
    assert!(!reaches(
        &grants,
        "www.example.org",
        "93.184.215.14",
        Via::Redirect
    ));
    assert_eq!(
        grants.check_name(&to("example.com", 80), Via::Redirect),
        NameDecision::Granted
    );
}

#[test]
fn secrets_go_to_the_named_origins_and_nowhere_else() {
    let origins = ["https://a.test", "https://b.test"].map(|origin| origin.parse().unwrap());
    let plain = own("http://example.com/", "URL");
    let grants = plain.clone().with_secrets_to(origins.into());
    let https = |host| Destination::new(Scheme::Https, host, 443).unwrap();
    assert!(grants.may_carry_secrets(&https("a.test")));
    assert!(grants.may_carry_secrets(&https("b.test")));
    assert!(!grants.may_carry_secrets(&https("c.test")));
    assert!(!plain.may_carry_secrets(&https("a.test")));
    // No other grant is affected.
    assert!(granted(&grants, "example.com", 80));
    assert!(!granted(&grants, "a.test", 443));
}

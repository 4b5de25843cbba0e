//! Answers of the RFCs' examples, and challenges of all kinds.

use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, Method};
use hyper::body::Bytes;

use super::*;
use crate::http::RequestOptions;

mod hostile;

fn credentials(username: &str, password: &str) -> DigestCredentials {
    DigestCredentials::new(username.to_owned(), password.to_owned()).unwrap()
}

fn challenges(values: &[&str]) -> HeaderMap {
    let value = |value: &&str| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (WWW_AUTHENTICATE, value)
    };
    let pairs: Vec<(HeaderName, HeaderValue)> = values.iter().map(value).collect();
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

fn session(challenge: &str, client_nonce: &str) -> Session {
    Session {
        origin: Url::parse("http://a.test").unwrap().origin(),
        challenge: Challenge::strongest(&challenges(&[challenge])).unwrap(),
        client_nonce: client_nonce.to_owned(),
        count: 1,
    }
}

fn answer(challenge: &str, client_nonce: &str, who: &DigestCredentials, target: &str) -> String {
    let answer = session(challenge, client_nonce).answer(who, "GET", target);
    String::from_utf8(answer).unwrap()
}

/// RFC 7616, section 3.9.1.
#[test]
fn the_example_of_rfc_7616_is_answered() {
    let challenge = |algorithm: &str| {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    };
    let who = credentials("Mufasa", "Circle of Life");
    let client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ] {
        let answer = answer(&challenge(algorithm), client_nonce, &who, "/dir/index.html");
        let expected = format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", response=\"{response}\", \
             algorithm={algorithm}, qop=auth, nc=00000001, cnonce=\"{client_nonce}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        assert_eq!(answer, expected);
    }
}

/// RFC 7616, section 3.9.2. Its hashes are truncated ones of SHA-512, which is not SHA-512/256; these are of the latter, as
/// other programs compute it.
#[test]
fn the_second_example_of_rfc_7616_is_answered_with_a_hashed_user() {
    let challenge = "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
                     nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", \
                     opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true";
    let who = credentials("J\u{e4}s\u{f8}n Doe", "Secret, or not?");
    let answer = answer(challenge, "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm", &who, "/doe.json");
    for part in [
        "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\", ",
        "response=\"7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c\", algorithm=SHA-512-256, ",
        ", userhash=true, ",
    ] {
        assert!(answer.contains(part), "{answer}");
    }
}

/// RFC 2617, section 3.5.
#[test]
fn the_example_of_rfc_2617_is_answered() {
    let challenge = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                     nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let who = credentials("Mufasa", "Circle Of Life");
    let answer = answer(challenge, "0a4f113b", &who, "/dir/index.html");
    assert!(
        answer.contains(", response=\"6629fae49393a05397450978507c4ef1\", qop=auth, nc=00000001"),
        "{answer}"
    );
    assert!(!answer.contains("algorithm"), "{answer}");
}

/// RFC 2069, section 2.4, with the response of its erratum 749.
#[test]
fn a_server_without_a_quality_of_protection_gets_the_answer_of_rfc_2069() {
    let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                     opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let who = credentials("Mufasa", "CircleOfLife");
    let answer = answer(challenge, "c", &who, "/dir/index.html");
    assert!(
        answer.contains("response=\"1949323746fe6a43ef61f9606e7febea\""),
        "{answer}"
    );
    for absent in ["qop", "nc=", "cnonce"] {
        assert!(!answer.contains(absent), "{answer}");
    }
}

#[test]
fn the_key_of_a_session_depends_on_its_nonces() {
    let who = credentials("u", "p");
    let of = |client_nonce: &str| {
        answer(
            "Digest realm=\"r\", nonce=\"n\", qop=auth, algorithm=MD5-sess",
            client_nonce,
            &who,
            "/",
        )
    };
    // H(H(H(u:r:p):n:c):n:00000001:c:auth:H(GET:/))
    let hash = |text: String| algorithm::Hash::Md5.of(&[text.as_bytes()]);
    let key = hash(format!("{}:n:c", hash("u:r:p".into())));
    let expected = hash(format!("{key}:n:00000001:c:auth:{}", hash("GET:/".into())));
    assert!(
        of("c").contains(&format!("response=\"{expected}\", algorithm=MD5-sess")),
        "{}",
        of("c")
    );
}

#[test]
fn names_with_quotes_and_umlauts_are_sent_whole() {
    let of = |challenge: &str, name: &str| answer(challenge, "c", &credentials(name, "p"), "/");
    let plain = "Digest realm=\"a\\\"b\\\\c\", nonce=n, qop=auth";
    let answered = of(plain, "me \"and\" you");
    assert!(
        answered.starts_with("Digest username=\"me \\\"and\\\" you\", realm=\"a\\\"b\\\\c\", "),
        "{answered}"
    );
    let utf8 = "Digest realm=\"a\", nonce=n, qop=auth, charset=UTF-8";
    assert!(of(utf8, "J\u{e4}s\u{f8}n Doe").starts_with("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, "));
    assert!(of(plain, "J\u{e4}s\u{f8}n").starts_with("Digest username=\"J\u{e4}s\u{f8}n\", "));
}

#[test]
fn the_strongest_algorithm_is_chosen() {
    let of = |values: &[&str]| Challenge::strongest(&challenges(values)).map(|best| best.algorithm.as_str());
    let offer = |algorithm: &str| {
        format!("Digest realm=\"r\", nonce=\"{algorithm}\", qop=\"auth\", algorithm={algorithm}")
    };
    assert_eq!(of(&[&offer("MD5"), &offer("SHA-256")]), Ok("SHA-256"));
    assert_eq!(of(&[&offer("sha-512-256"), &offer("SHA-256")]), Ok("SHA-512-256"));
    assert_eq!(
        of(&[&format!("{}, {}", offer("MD5"), offer("SHA-256-sess"))]),
        Ok("SHA-256-sess")
    );
    assert_eq!(
        of(&["Basic realm=\"r\"", &offer("MD5-sess"), &offer("MD4")]),
        Ok("MD5-sess")
    );
    assert_eq!(of(&["Digest realm=\"r\", nonce=n"]), Ok("MD5"));
}

#[test]
fn a_challenge_that_cannot_be_answered_is_explained() {
    let of = |values: &[&str]| match Challenge::strongest(&challenges(values)) {
        Ok(best) => panic!("{best:?}"),
        Err(reason) => Unanswered::from(reason).to_string(),
    };
    for (values, expected) in [
        (&[][..], "the server sent no challenge"),
        (
            &["Basic realm=\"x\"", "NTLM"],
            "the server does not offer digest authentication, only Basic, NTLM",
        ),
        (
            &["Digest"],
            "the server sent a malformed challenge: it has no realm",
        ),
        (
            &["Digest realm=\"x\""],
            "the server sent a malformed challenge: it has no nonce",
        ),
        (
            &["Digest realm=\"x\", nonce=\"\""],
            "the server sent a malformed challenge: it has no nonce",
        ),
        (
            &["Digest realm=\"x\", nonce=a, nonce=b"],
            "the server sent a malformed challenge: a parameter occurs twice",
        ),
        (
            &["Digest realm=\"x, nonce=a"],
            "the server sent a malformed challenge: it is not a list of schemes and parameters",
        ),
        (
            &["Digest realm=\"x\", nonce=a, algorithm=\"SHA-1\""],
            "the server offers digest authentication with the algorithm `SHA-1` only, which is not supported",
        ),
        (
            &["Digest realm=\"x\", nonce=a, qop=\"auth-int\""],
            "the server offers digest authentication with the quality of protection `auth-int` only; `auth` is supported",
        ),
    ] {
        assert_eq!(of(values), expected, "{values:?}");
    }
    let long = format!("Digest realm=\"x\", nonce=\"{}\"", "n".repeat(5_000));
    assert!(of(&[&long]).ends_with("a value is longer than 4 KiB"));
}

fn request(url: &str) -> Request {
    Request {
        method: Method::GET,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        options: Arc::new(RequestOptions::default()),
    }
}

fn sent(authentication: &mut DigestAuthentication<'_>, url: &str) -> Option<String> {
    let request = request(url);
    let signed = authentication.sign(&request).unwrap();
    let header = signed.headers.get(AUTHORIZATION)?;
    Some(header.to_str().unwrap().to_owned())
}

#[test]
fn a_challenge_is_answered_once_and_a_stale_one_once_more() {
    let who = credentials("u", "p");
    let mut authentication = DigestAuthentication::new(Some(&who));
    let here = Url::parse("http://a.test/x").unwrap();
    let fresh = |nonce: &str| challenges(&[&format!("Digest realm=r, nonce={nonce}, qop=auth")]);
    let stale = |nonce: &str| challenges(&[&format!("Digest realm=r, nonce={nonce}, qop=auth, stale=TRUE")]);
    assert_eq!(sent(&mut authentication, here.as_str()), None);
    assert_eq!(authentication.accept(&here, true, &fresh("1")), Ok(()));
    let first = sent(&mut authentication, here.as_str()).unwrap();
    assert!(
        first.contains("nonce=\"1\"") && first.contains("nc=00000001"),
        "{first}"
    );
    assert_eq!(authentication.accept(&here, true, &stale("2")), Ok(()));
    let second = sent(&mut authentication, here.as_str()).unwrap();
    assert!(
        second.contains("nonce=\"2\"") && second.contains("nc=00000001"),
        "{second}"
    );
    assert_eq!(
        authentication.accept(&here, true, &stale("3")),
        Err(Unanswered::Stale)
    );
    assert_eq!(
        authentication.accept(&here, true, &fresh("3")),
        Err(Unanswered::Refused)
    );
    let other = challenges(&["Digest realm=other, nonce=3, qop=auth"]);
    assert_eq!(
        authentication.accept(&here, true, &other),
        Err(Unanswered::Refused)
    );
}

#[test]
fn a_nonce_is_counted_along_redirects_within_its_origin() {
    let who = credentials("u", "p");
    let mut authentication = DigestAuthentication::new(Some(&who));
    let here = Url::parse("http://a.test/x").unwrap();
    let challenge = challenges(&["Digest realm=r, nonce=1, qop=auth"]);
    authentication.accept(&here, true, &challenge).unwrap();
    assert!(
        sent(&mut authentication, "http://a.test/x?y#z")
            .unwrap()
            .contains("uri=\"/x?y\"")
    );
    authentication.redirected();
    let next = sent(&mut authentication, "http://a.test/y").unwrap();
    assert!(
        next.contains("nc=00000002") && next.contains("uri=\"/y\""),
        "{next}"
    );
    for elsewhere in ["https://a.test/x", "http://b.test/x", "http://a.test:81/x"] {
        assert_eq!(sent(&mut authentication, elsewhere), None, "{elsewhere}");
    }
    // The answer to the first challenge was refused, and that to another one need not be.
    let refused = authentication.accept(&here, true, &challenge);
    assert_eq!(refused, Err(Unanswered::Refused));
    let other = challenges(&["Digest realm=other, nonce=2, qop=auth"]);
    assert_eq!(authentication.accept(&here, true, &other), Ok(()));
    assert_eq!(
        authentication.accept(&here, false, &other),
        Err(Unanswered::OtherOrigin)
    );
}

#[test]
fn credentials_are_bounded_and_shown_nowhere() {
    let wrong = |name: &str, password: &str| DigestCredentials::new(name.into(), password.into()).is_err();
    assert!(
        wrong("a:b", "")
            && wrong("a\nb", "")
            && wrong(&"x".repeat(1_025), "")
            && wrong("", &"x".repeat(1_025))
    );
    assert!(!format!("{:?}", credentials("somebody", "hunter2")).contains("hunter2"));
}

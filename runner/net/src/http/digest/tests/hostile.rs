//! Long and random challenges.

use super::*;

/// As long as a head may be, in the shapes that could cost most.
#[test]
fn hostile_challenges_are_read_to_their_end() {
    let long = 64 << 10;
    for value in [
        "Digest ".repeat(long / 7),
        "a,".repeat(long / 2),
        format!("Digest {}", "a=b,".repeat(long / 4)),
        format!("Digest {}", "nonce=\"x\",".repeat(long / 10)),
        format!("Digest realm=\"{}", "\\\"".repeat(long / 2)),
        format!("Digest realm=\"{}\"", "x".repeat(long)),
        "=".repeat(long),
        "\"".repeat(long),
        format!("Digest nonce={}", "=".repeat(long)),
        "Digest realm=r,nonce=n,qop=auth,".repeat(long / 32),
    ] {
        let _result = Challenge::strongest(&challenges(&[&value]));
    }
}

/// Random texts of the characters that have a meaning: what is accepted can be answered, and reads back as it was sent.
#[test]
fn every_challenge_that_is_accepted_can_be_answered() {
    const WORDS: [&str; 24] = [
        "Digest ",
        "Basic ",
        "realm",
        "nonce",
        "qop",
        "algorithm",
        "=",
        "=\"",
        "\"",
        ",",
        " ",
        "\\",
        "auth",
        "MD5",
        "SHA-256",
        "-sess",
        "stale",
        "true",
        "opaque",
        "\t",
        "\u{e9}",
        "x",
        "userhash",
        "charset=UTF-8",
    ];
    let mut random = fastrand::Rng::with_seed(7616);
    let mut accepted = 0;
    for _ in 0..200_000 {
        let length = random.usize(..40);
        let prefix = if random.bool() {
            "Digest realm=\"r\", nonce=n, "
        } else {
            ""
        };
        let words = (0..length).map(|_| WORDS[random.usize(..WORDS.len())]);
        let text: String = std::iter::once(prefix).chain(words).collect();
        let Ok(challenge) = Challenge::strongest(&challenges(&[&text])) else {
            continue;
        };
        accepted += 1;
        let session = Session {
            challenge: challenge.clone(),
            ..session("Digest realm=r, nonce=n", "c")
        };
        let answer = session.answer(&credentials("u", "p"), "GET", "/");
        let answer = HeaderValue::from_bytes(&answer).unwrap();
        let headers = [(WWW_AUTHENTICATE, answer)].into_iter().collect();
        let read = Challenge::strongest(&headers).unwrap();
        assert_eq!(
            (&read.realm, &read.nonce, &read.opaque),
            (&challenge.realm, &challenge.nonce, &challenge.opaque)
        );
        assert_eq!(read.has_qop, challenge.has_qop, "{text}");
    }
    assert!(accepted > 1_000, "{accepted}");
}

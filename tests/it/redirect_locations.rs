//! Redirects with arbitrary `location` headers.

use canary_tests::harness::{Harness, alone};
use canary_tests::peer::canned::{Then, canned};
use serde_json::json;

use crate::http_responses::{Numbers, check};

/// Locations that cannot be followed, and some that may be.
const PLACES: &[&str] = &[
    "javascript:alert(1)",
    "mailto:a@b.c",
    "about:blank",
    "data:text/plain,x",
    "file:///etc/passwd",
    "ws://127.0.0.1/",
    "itms-apps://x/",
    "ftp://127.0.0.1/",
    "tel:1",
    "unix:/x",
    "http://",
    "http:///",
    "https://",
    "http://[::1",
    "http://[::1]:0/",
    "https://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "http://-a.example/",
    "http://a_.localhost/",
    "http://*.localhost/",
    "http://%00/",
    "http://%2e/",
    "http://./",
    "http://../",
    "http://a..b/",
    "http://.localhost/",
    "http://1.2.3.4.5/",
    "http://xn--a/",
    "http://ex ample/",
    "http://ex<ample/",
    "http://a{b.localhost/",
    "https://a}b.localhost/",
    "http://a\"b.localhost/",
    "http://a`b.localhost/",
    "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.t/",
    "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.t/",
    "https://a_b.localhost/",
    "https://-a.localhost/",
    "https://a-.localhost/",
    "https://\u{2603}.test/",
    "http://b\u{fc}cher.test/",
    "http://[fe80::1%25eth0]/",
    "http://255.255.255.255/",
    "http://224.0.0.1/",
    "http://[::]/",
    "//",
    "///",
    "\\\\127.0.0.1\\x",
    "http:",
    "#",
    "?",
    "",
    " ",
    "http:////////",
    "http://user:p@[::1]:1/",
    "%",
    "http://127.0.0.1:1/{}|^\"<>`",
    "http://127.0.0.1:1/?'\"<>|\\^`{}",
];

#[test]
fn whatever_a_peer_writes_into_location_the_check_fails() {
    alone(async {
        let harness = Harness::new().await;
        let answer = |head: &str| {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let place = path.get(1..).and_then(|number| number.parse::<usize>().ok());
            let place = place
                .and_then(|number| PLACES.get(number))
                .copied()
                .unwrap_or("/end");
            let head = format!("HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n");
            head.into_bytes()
        };
        let peer = canned(answer, Then::Closes);
        for (number, place) in PLACES.iter().enumerate() {
            let attempt = harness
                .plugin("http")
                .target(&peer.url("http", &format!("/{number}")));
            let ran = attempt.set("max_redirects", 2).run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "fail",
                "{place:?}: {:?}",
                ran.outcome
            );
        }
    });
}

#[test]
fn a_redirect_that_nobody_can_follow_is_named() {
    let cases = [
        (
            "ftp://files.test/a?token=x",
            "redirect to `ftp://files.test/a`: url scheme `ftp`: only http and https",
        ),
        ("http://[::1]:0/", "redirect to `http://[::1]:0/`"),
        (
            "https://-a.localhost/",
            "redirect to `https://-a.localhost/`: `-a.localhost` is not a server name",
        ),
        (
            "http://a{b.localhost/",
            "redirect to `http://a{b.localhost/`: `a{b.localhost` is not a host that a request can name",
        ),
        ("/again", "more than 2 redirects, the next to `http://127.0.0.1:"),
    ];
    alone(async {
        let harness = Harness::new().await;
        for (place, expected) in cases {
            let head = format!("HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n");
            let peer = canned(move |_| head.clone().into_bytes(), Then::Closes);
            let ran = check(&harness, &peer, &json!({ "max_redirects": 2 })).await;
            let summary = ran.leaves_nothing().outcome.summary();
            assert!(summary.contains(expected), "{place}: {summary}");
        }
    });
}

/// A random location of URL syntax elements and arbitrary bytes.
fn place(numbers: &mut Numbers) -> Vec<u8> {
    const PIECES: [&[u8]; 24] = [
        b"http",
        b"https",
        b":",
        b"/",
        b"//",
        b"@",
        b"[",
        b"]",
        b"::1",
        b"127.0.0.1",
        b"localhost",
        b".",
        b"..",
        b"_",
        b"-",
        b"%",
        b"%00",
        b"?",
        b"#",
        b"*",
        b"65536",
        b"0",
        b"xn--",
        b"\\",
    ];
    let mut place = match numbers.below(3) {
        0 => b"http://".to_vec(),
        1 => b"https://".to_vec(),
        _ => Vec::new(),
    };
    for _ in 0..=numbers.below(8) {
        match numbers.below(4) {
            0 => place.extend([u8::try_from(numbers.below(256)).unwrap_or_default()]),
            _ => place.extend(
                PIECES
                    .get(numbers.below(PIECES.len()))
                    .copied()
                    .unwrap_or_default(),
            ),
        }
    }
    place.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    place
}

#[test]
fn no_location_at_all_makes_a_plugin_or_the_host_to_blame() {
    alone(async {
        let harness = Harness::new().await;
        let mut numbers = Numbers(10);
        for _ in 0..200 {
            let place = place(&mut numbers);
            let shown = String::from_utf8_lossy(&place).into_owned();
            let head = [
                b"HTTP/1.1 302 Found\r\nlocation: ",
                &*place,
                b"\r\ncontent-length: 0\r\n\r\n",
            ]
            .concat();
            let peer = canned(move |_| head.clone(), Then::Closes);
            let ran = check(&harness, &peer, &json!({ "max_redirects": 2 })).await;
            let ended = ran.leaves_nothing().ended();
            assert!(
                ["pass", "fail"].contains(&&*ended),
                "{shown:?}: {:?}",
                ran.outcome
            );
        }
    });
}

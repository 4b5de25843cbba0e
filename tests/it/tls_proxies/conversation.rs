//! What the conversation of a run shows of a proxy with TLS.

use super::*;

#[test]
fn the_conversation_shows_what_a_proxy_is_asked_but_not_the_password() {
    alone(async {
        let harness = Harness::new().await;
        let (target, ca) = (Target::new(), Authority::new("Proxy Root"));
        let proxy = Proxy::secure(of_proxy(&ca).server_config(), Some("Basic dXNlcjpwYXNzd29yZA=="));
        let url = proxy.url("https", "").replace("://", "://user:password@");
        let attempt = target.through(&harness, &proxy, &ca).set("proxy", url);
        let ran = attempt.record_conversation().run().await;
        assert_eq!(ran.ended(), "pass", "{:?}", ran.outcome);
        let shown = ran.conversation();
        let mut rest = shown.as_str();
        for part in [
            "TLS handshake with the proxy, asking for `127.0.0.1`",
            "certificate 0: CN=localhost, issued by CN=Proxy Root",
            "CONNECT 127.0.0.1:",
            "HTTP/1.1 200 Connection established",
            "TLS handshake, asking for `127.0.0.1`",
            "certificate 0: CN=localhost, issued by CN=Target Root",
            ":status: 200",
        ] {
            let Some((_, behind)) = rest.split_once(part) else {
                panic!("`{part}` is not in {rest}, of {shown}")
            };
            rest = behind;
        }
        for part in ["password", "dXNlcjpwYXNzd29yZA"] {
            assert!(!shown.contains(part), "{part}: {shown}");
        }
    });
}

/// What answers in the tunnel in place of TLS is shown as well.
#[test]
fn the_conversation_shows_a_target_behind_a_proxy_that_does_not_speak_tls() {
    alone(async {
        let harness = Harness::new().await;
        let ca = Authority::new("Proxy Root");
        let (proxy, plain) = (proxy(&ca), tls::talks(b"220 mail.test ready\r\n"));
        let attempt = through(&harness, &plain.url("https", "/"), &proxy, &ca);
        let ran = attempt.record_conversation().run().await;
        let shown = ran.conversation();
        assert!(shown.contains("< 220 mail.test ready\n"), "{shown}");
        let summary = ran.outcome.summary();
        assert!(summary.contains("it sent `220 mail.test ready`"), "{summary}");
    });
}

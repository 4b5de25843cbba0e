//! TCP, TLS and DNS.

use super::*;

#[test]
fn a_dialogue_is_written_and_read() {
    let peer = Peer::new()
        .send("220 ready\r\n")
        .expect("EHLO x\r\n")
        .send("250-a\r\n250 b\r\nrest")
        .expect(b"\x01\x02")
        .send(b"\x03\x04\xff");
    let host = FakeHost::new().tcp("mail.test:25", peer);
    let script = "
        const c = await tcp.connect('mail.test:25', { timeout: 1000 })
        const greeting = c.readLine()
        c.write('EHLO x\\r\\n')
        const lines = c.readUntil('250 b\\r\\n', 100)
        const rest = new TextDecoder().decode(c.readExact(4))
        c.write(new Uint8Array([1, 2]))
        const bytes = c.readBytes(3)
        const end = c.read()
        c.close()
        return [greeting, lines.length, rest, bytes.join('-'), end === '', c.peer].join(' ')";
    assert_eq!(
        verdict_on(&host, script).summary(),
        "220 ready 14 rest 3-4-255 true 192.0.2.1:1"
    );
    assert_eq!(
        run_on(
            &host,
            "const c = tcp.connect('mail.test:25'); c.close(); c.close(); c.read()"
        )
        .unwrap_err(),
        "Error: read: the connection is closed (script:1:68)"
    );
}

#[test]
fn a_connection_that_a_script_leaves_open_is_closed() {
    let host = FakeHost::new().tcp("db:1", Peer::new().send("x"));
    assert_eq!(
        verdict_on(&host, "return tcp.connect('db:1').read()").summary(),
        "x"
    );
    let host = FakeHost::new().tcp("db:1", Peer::new().silence());
    let verdict = verdict_on(
        &host,
        "const c = tcp.connect('db:1'); c.deadline(100); c.readLine()",
    );
    assert_eq!(verdict.attribute("error.reason"), Some("timeout"));
}

#[test]
fn a_handshake_shows_the_certificates() {
    let peer = || Peer::new().tls(session([certificate("web.test")])).send("x");
    let host = FakeHost::new().tcp("web.test:443", peer());
    let script = "
        const { protocol, cipher, trusted, certificates: [leaf] } = tls.connect('web.test:443', { alpn: ['h2'] })
        return [protocol, cipher, trusted, leaf.subject, leaf.issuer, leaf.names, leaf.notAfter, leaf.daysLeft].join(' ')";
    assert_eq!(
        verdict_on(&host, script).summary(),
        "TLS 1.3 TLS13_AES_256_GCM_SHA384 true CN=web.test CN=Test CA,O=Test web.test 2026-03-02T00:00:00Z 60"
    );
    assert_eq!(host.handshakes()[0].alpn, ["h2"]);
    let host = FakeHost::new().tcp("web.test:443", peer());
    let script = "const c = tcp.connect('web.test:443', { tls: true }); return c.tls.protocol + c.read()";
    assert_eq!(verdict_on(&host, script).summary(), "TLS 1.3x");
    let host = FakeHost::new().tcp("web.test:443", peer());
    let script = "return tcp.connect('web.test:443').startTls({ serverName: 'x' }).protocol";
    assert_eq!(verdict_on(&host, script).summary(), "TLS 1.3");
    let host = FakeHost::new().tcp("web.test:443", Peer::new().refuse_tls("no"));
    assert_eq!(
        verdict_on(&host, "tls.connect('web.test:443')").summary(),
        "handshake: TLS: no"
    );
}

#[test]
fn records_are_a_list() {
    let host = FakeHost::new().dns(
        "shop.test",
        "MX",
        Ok(reply("shop.test", "MX", ["10 a.", "20 b."])),
    );
    let script = "
        const records = await dns.query('shop.test', 'MX', { server: '192.0.2.1:53' })
        return records.map(r => `${r.type} ${r.data} ${r.ttl}`).join() + ` ${records.code} ${dns.query('no.test').code}`";
    assert_eq!(
        verdict_on(&host, script).summary(),
        "MX 10 a. 300,MX 20 b. 300 NOERROR NXDOMAIN"
    );
    let host = FakeHost::new().dns("a", "A", Err(NetError::timeout(canary_sdk::Phase::Wait)));
    assert_eq!(
        verdict_on(&host, "dns.query('a', 'A')").summary(),
        "wait: timed out"
    );
}

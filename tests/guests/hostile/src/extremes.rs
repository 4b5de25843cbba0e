//! Arguments of sizes that no plugin should pass.

use canary_sdk::http::Request;
use canary_sdk::{Endpoint, NetError, dns, http, log, tcp, tls};

use crate::behave::send;
use crate::notes::Notes;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Calls every function of the contract with nothing, with the maximum, and with more than that. Each result is noted
/// under the name of the limit, or as `fine` if nothing is to be refused.
pub(crate) fn call_with_extremes(endpoint: &Endpoint, notes: &mut Notes) {
    streams(endpoint, notes);
    handshakes(endpoint, notes);
    requests(endpoint, notes);
    questions(notes);
    log::log(log::Level::Info, "", &[]);
    log::log(log::Level::Info, &"x".repeat(MIB), &[("", ""); 4_096]);
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

fn streams(endpoint: &Endpoint, notes: &mut Notes) {
    let connect = |host: String, port| tcp::connect(&Endpoint::new(host, port)).map(|_| String::new());
    notes.record("port", connect("127.0.0.1".to_owned(), 0));
    notes.record("host empty", connect(String::new(), 1));
    notes.record("host", connect(text(254), 1));
    notes.record("host", connect(text(MIB), 1));
    let from = tcp::ConnectOptions::default()
        .source_address(text(MIB))
        .connect(endpoint);
    notes.record("source address", from.map(|_| String::new()));
    let addresses = |host: String| dns::addresses(&Endpoint::new(host, 1)).map(|_| String::new());
    notes.record("host empty", addresses(String::new()));
    notes.record("host", addresses(text(254)));
    let Ok(connection) = tcp::connect(endpoint) else {
        return;
    };
    for length in [0, KIB + 1, MIB] {
        let read = connection.read_until(&vec![b'x'; length], u32::MAX);
        notes.record("delimiter", read.map(|_| String::new()));
    }
    let written = connection.write(&vec![b'x'; 8 * MIB + 1]);
    notes.record("write", written.map(|()| String::new()));
    for max in [0, 1] {
        let read = connection.read_until(&[b'x'; KIB], max);
        notes.record("max", read.map(|_| String::new()));
    }
}

fn handshakes(endpoint: &Endpoint, notes: &mut Notes) {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let many = pem.repeat(513);
    let options = [
        ("server name", tls::Options::new().server_name(text(256))),
        ("alpn", tls::Options::new().alpn(vec!["h2"; 17])),
        ("alpn", tls::Options::new().alpn([text(256)])),
        ("alpn", tls::Options::new().alpn([""])),
        ("ca", tls::Options::new().ca_certificates(text(MIB + 1))),
        ("ca", tls::Options::new().ca_certificates("")),
        ("ca", tls::Options::new().ca_certificates(&many)),
        ("identity", tls::Options::new().client_identity(text(MIB + 1), "")),
        ("identity", tls::Options::new().client_identity("", text(MIB + 1))),
        ("identity", tls::Options::new().client_identity(&many, "")),
    ];
    for (what, options) in options {
        let url = format!("https://{endpoint}/");
        notes.record(what, send(Request::get(url).tls(options)));
    }
}

fn requests(endpoint: &Endpoint, notes: &mut Notes) {
    let url = format!("http://{endpoint}/");
    let mut many = Request::get(&url);
    for number in 0..40_000 {
        many = many.header(format!("h{number}"), *b"v");
    }
    let requests = [
        ("url", Request::get(format!("{url}{}", text(16 * KIB)))),
        ("method", Request::new(text(65), &url)),
        ("headers", many),
        ("header", Request::get(&url).header("x", vec![b'x'; 64 * KIB])),
        ("header", Request::get(&url).header(text(64 * KIB), "x")),
        ("body", Request::post(&url, vec![b'x'; 8 * MIB + 1])),
        ("connect-to", Request::get(&url).connect_to(text(264))),
        ("source address", Request::get(&url).source_address(text(MIB))),
        (
            "versions",
            Request::get(&url).versions([http::Version::Http11; 9]),
        ),
        ("versions", Request::get(&url).version(http::Version::Newer)),
        ("proxy", Request::get(&url).proxy(text(16 * KIB + 1))),
    ];
    for request in [
        Request::get(format!("{url}{}", text(16 * KIB))),
        Request::get(&url).connect_to(text(264)),
    ] {
        notes.record("endpoint", request.endpoint().map(|endpoint| endpoint.host));
    }
    for (what, request) in requests {
        notes.record(what, request.clone().open().map(|_| String::new()));
        notes.record(what, send(request));
    }
}

fn questions(notes: &mut Notes) {
    let query = |name: &str, kind: &str, server: Option<&str>| -> Result<String, NetError> {
        dns::query(name, kind, server).map(|reply| reply.code)
    };
    notes.record("name", query(&text(256), "A", None));
    notes.record("name", query(&text(MIB), "A", None));
    notes.record("kind", query("a.test", &text(65), None));
    notes.record("kind", query("a.test", "", None));
    notes.record("server", query("a.test", "A", Some(&text(264))));
    notes.record("server", query("a.test", "A", Some("")));
}

//! Sizes that no plugin should hand over.

use canary_sdk::http::Request;
use canary_sdk::{Endpoint, NetError, dns, http, log, tcp, tls};

use crate::behave::send;
use crate::notes::Notes;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Asks every function of the contract for nothing, for the most, and for more than that. Each answer is a note named
/// after the limit, or `fine` where nothing is to be refused.
pub(crate) fn ask(place: &Endpoint, notes: &mut Notes) {
    streams(place, notes);
    handshakes(place, notes);
    requests(place, notes);
    questions(notes);
    log::log(log::Level::Info, "", &[]);
    log::log(log::Level::Info, &"x".repeat(MIB), &[("", ""); 4_096]);
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

fn streams(place: &Endpoint, notes: &mut Notes) {
    let connect = |host: String, port| tcp::connect(&Endpoint::new(host, port)).map(|_| String::new());
    notes.take("port", connect("127.0.0.1".to_owned(), 0));
    notes.take("host empty", connect(String::new(), 1));
    notes.take("host", connect(text(254), 1));
    notes.take("host", connect(text(MIB), 1));
    let from = tcp::ConnectOptions::default()
        .source_address(text(MIB))
        .connect(place);
    notes.take("source address", from.map(|_| String::new()));
    let addresses = |host: String| dns::addresses(&Endpoint::new(host, 1)).map(|_| String::new());
    notes.take("host empty", addresses(String::new()));
    notes.take("host", addresses(text(254)));
    let Ok(connection) = tcp::connect(place) else {
        return;
    };
    for length in [0, KIB + 1, MIB] {
        let read = connection.read_until(&vec![b'x'; length], u32::MAX);
        notes.take("delimiter", read.map(|_| String::new()));
    }
    let written = connection.write(&vec![b'x'; 8 * MIB + 1]);
    notes.take("write", written.map(|()| String::new()));
    for max in [0, 1] {
        let read = connection.read_until(&[b'x'; KIB], max);
        notes.take("max", read.map(|_| String::new()));
    }
}

fn handshakes(place: &Endpoint, notes: &mut Notes) {
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
        let url = format!("https://{place}/");
        notes.take(what, send(Request::get(url).tls(options)));
    }
}

fn requests(place: &Endpoint, notes: &mut Notes) {
    let url = format!("http://{place}/");
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
        notes.take("endpoint", request.endpoint().map(|endpoint| endpoint.host));
    }
    for (what, request) in requests {
        notes.take(what, request.clone().open().map(|_| String::new()));
        notes.take(what, send(request));
    }
}

fn questions(notes: &mut Notes) {
    let query = |name: &str, kind: &str, server: Option<&str>| -> Result<String, NetError> {
        dns::query(name, kind, server).map(|reply| reply.code)
    };
    notes.take("name", query(&text(256), "A", None));
    notes.take("name", query(&text(MIB), "A", None));
    notes.take("kind", query("a.test", &text(65), None));
    notes.take("kind", query("a.test", "", None));
    notes.take("server", query("a.test", "A", Some(&text(264))));
    notes.take("server", query("a.test", "A", Some("")));
}

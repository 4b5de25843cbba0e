//! The misbehaviours.

use std::hint::black_box;
use std::net::TcpStream;
use std::time::Duration;

use canary_sdk::http::Request;
use canary_sdk::{Endpoint, Error, ErrorCode, NetError, dns, http, log, tcp, tls, usage};

use crate::config::{Behaviour, Fetch};
use crate::notes::Notes;
use crate::{deadlines, extremes, stream};

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);
const LONG_LINE: usize = 8 << 10;

/// Performs a behaviour; returns only if the behaviour does.
pub(crate) fn behave(behaviour: &Behaviour, endpoint: &Endpoint, notes: &mut Notes) -> Result<(), Error> {
    match behaviour {
        Behaviour::Return => {}
        Behaviour::GiveUp => return Err(Error::plugin("it cannot do its work")),
        Behaviour::Panic => panic(),
        Behaviour::Exit => exit(),
        Behaviour::Spin => spin(),
        Behaviour::SpinUntil(milliseconds) => spin_until(Duration::from_millis(*milliseconds), notes),
        Behaviour::Recurse => drop(recurse(1)),
        Behaviour::GrowMemory => grow_memory(),
        Behaviour::FloodLog => flood_log(),
        Behaviour::Log(lines) => (0..*lines).for_each(log_line),
        Behaviour::Print(lines) => (0..*lines).for_each(print_line),
        Behaviour::StdConnect => std_connect(endpoint)?,
        Behaviour::Sleep => sleep(),
        Behaviour::HugeVerdict => huge_verdict(notes),
        Behaviour::BadText => bad_text(notes),
        Behaviour::HugeCall => huge_call(endpoint, notes),
        Behaviour::LongTexts(bytes) => long_texts(endpoint, *bytes, notes),
        network => misuse(network, endpoint, notes),
    }
    Ok(())
}

fn misuse(behaviour: &Behaviour, endpoint: &Endpoint, notes: &mut Notes) {
    match behaviour {
        Behaviour::ConnectWithoutEnd => loop {
            notes.record("connect", keep(endpoint));
        },
        Behaviour::Reconnect(times) => {
            (0..*times).for_each(|_| notes.record("connect", tcp::connect(endpoint).map(|_| String::new())));
        }
        Behaviour::Connect(endpoints) => endpoints.iter().for_each(|endpoint| {
            let endpoint = endpoint.parse().unwrap_or_else(|_| Endpoint::new(endpoint, 0));
            notes.record("connect", keep(&endpoint));
        }),
        Behaviour::Resolve(names) => names
            .iter()
            .for_each(|name| notes.record("query", query(name, None))),
        Behaviour::AskServer(server) => notes.record("query", query("asked.test", Some(server))),
        Behaviour::FloodQueries(count) => {
            (0..*count).for_each(|number| notes.record("query", query(&name(number), None)));
        }
        Behaviour::FloodConnects(count) => (0..*count).for_each(|number| {
            notes.record("connect", keep(&Endpoint::new(name(number), endpoint.port)));
        }),
        Behaviour::SendWithoutEnd => notes.record("send", send_without_end(endpoint)),
        Behaviour::ReadWithoutEnd => notes.record("read", read_without_end(endpoint)),
        Behaviour::ReadLine => notes.record("read", read_line(endpoint)),
        Behaviour::IgnoreErrors => loop {
            notes.record("read", read_without_end(endpoint));
        },
        Behaviour::ReadByDeadline(time) => deadlines::read_by_deadline(endpoint, *time, notes),
        Behaviour::ReadReady => notes.record("ready", deadlines::read_ready(endpoint)),
        Behaviour::HalfClose => deadlines::half_close(endpoint, notes),
        Behaviour::StartTls => notes.record("tls", start_tls(endpoint)),
        Behaviour::Fetch(request) => notes.record("fetch", fetch(endpoint, request)),
        Behaviour::FetchAll(count, request) => fetch_all(endpoint, *count, request, notes),
        Behaviour::Stream(stream) => stream::stream(endpoint, stream, notes),
        Behaviour::StreamReady(times) => notes.record("ready", stream::poll_body(endpoint, *times)),
        Behaviour::SearchInVain => notes.record("read", search_in_vain(endpoint)),
        Behaviour::Extremes => extremes::call_with_extremes(endpoint, notes),
        Behaviour::FetchAbsurd => absurd(endpoint)
            .into_iter()
            .for_each(|request| notes.record("fetch", send(request))),
        _ => {}
    }
}

#[expect(clippy::panic, reason = "it is what the test asks for")]
fn panic() {
    panic!("the hostile plugin panics")
}

#[expect(clippy::exit, reason = "it is what the test asks for")]
fn exit() {
    std::process::exit(3)
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is what the test asks for"
)]
fn print_line(number: u32) {
    println!("printed {number}");
    eprintln!("complained {number}");
}

fn std_connect(endpoint: &Endpoint) -> Result<(), Error> {
    let connected = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
    connected
        .map(drop)
        .map_err(|error| Error::plugin(error.to_string()))
}

fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn spin_until(time: Duration, notes: &mut Notes) {
    let mut turns = 0_u64;
    while usage::cpu() < time {
        turns = black_box(turns.wrapping_add(1));
    }
    notes.record("cpu", Ok(usage::cpu().as_nanos().to_string()));
}

#[expect(unconditional_recursion, reason = "it is what the test asks for")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(black_box(depth.wrapping_add(frame.iter().sum()))).wrapping_add(1)
}

fn grow_memory() {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is nothing else to block in a guest"
)]
fn sleep() {
    std::thread::sleep(FOR_EVER);
}

fn flood_log() {
    loop {
        log_line(0);
    }
}

fn log_line(number: u32) {
    log::info(&format!("line {number} {}", "x".repeat(LONG_LINE)));
}

fn huge_verdict(notes: &mut Notes) {
    for _ in 0..64 {
        notes.record("huge", Ok("ä".repeat(LONG_LINE)));
    }
}

fn bad_text(notes: &mut Notes) {
    #[expect(unsafe_code, reason = "a plugin in another language can do so")]
    // SAFETY: the text is passed to the host and never read here.
    let text = unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) };
    notes.record("fetch", send(Request::get(text)));
}

fn huge_call(endpoint: &Endpoint, notes: &mut Notes) {
    let body = vec![0; 20 << 20];
    notes.record("fetch", send(Request::post(format!("http://{endpoint}/"), body)));
}

fn long_texts(endpoint: &Endpoint, bytes: u32, notes: &mut Notes) {
    let long = "x".repeat(usize::try_from(bytes).unwrap_or_default());
    let (key, value) = ("k".repeat(4 << 10), "v".repeat(4 << 10));
    let fields = [(key.as_str(), value.as_str()); 256];
    for _ in 0..64 {
        log::log(log::Level::Error, &value, &fields);
    }
    notes.record("query", query(&long, None));
    notes.record("fetch", send(Request::get(format!("http://{endpoint}/{long}"))));
    notes.record("fetch", send(Request::new(&long, format!("http://{endpoint}/"))));
    let options = tls::Options::new().server_name(long).require_valid(false);
    let started = tcp::connect(endpoint).and_then(|connection| connection.start_tls(&options));
    notes.record("tls", started.map(|_| String::new()));
    huge_verdict(notes);
}

fn keep(endpoint: &Endpoint) -> Result<String, NetError> {
    let connection = tcp::connect(endpoint)?;
    let peer = connection.info().peer;
    std::mem::forget(connection);
    Ok(peer)
}

fn name(number: u32) -> String {
    format!("name-{number}.flood.test")
}

fn query(name: &str, server: Option<&str>) -> Result<String, NetError> {
    let reply = dns::query(name, "A", server)?;
    let addresses: Vec<_> = reply.answers.into_iter().map(|answer| answer.data).collect();
    Ok(format!("{} {}", reply.code, addresses.join(" ")))
}

fn send_without_end(endpoint: &Endpoint) -> Result<String, NetError> {
    let connection = tcp::connect(endpoint)?;
    let piece = vec![b'x'; 64 << 10];
    loop {
        connection.write(&piece)?;
    }
}

fn read_without_end(endpoint: &Endpoint) -> Result<String, NetError> {
    let connection = tcp::connect(endpoint)?;
    connection.write(b"GET / HTTP/1.1\r\nhost: hostile\r\n\r\n")?;
    let mut received = 0;
    loop {
        let bytes = connection.read(u32::MAX)?;
        if bytes.is_empty() {
            return Ok(format!("{received} bytes"));
        }
        received += bytes.len();
    }
}

fn read_line(endpoint: &Endpoint) -> Result<String, NetError> {
    tcp::connect(endpoint)?.read_line(u32::MAX)
}

fn search_in_vain(endpoint: &Endpoint) -> Result<String, NetError> {
    let connection = tcp::connect(endpoint)?;
    let nearly = |end: u8| [b"x".repeat(1_023), vec![end]].concat();
    // Alternating, because the host caches the last search.
    let delimiters = [nearly(b'y'), nearly(b'z')];
    loop {
        for delimiter in &delimiters {
            match connection.read_until(delimiter, u32::MAX) {
                Err(error) if error.code == ErrorCode::Protocol => {}
                other => return other.map(|_| "found".to_owned()),
            }
        }
    }
}

fn start_tls(endpoint: &Endpoint) -> Result<String, NetError> {
    let connection = tcp::connect(endpoint)?;
    let session = connection.start_tls(&tls::Options::new().require_valid(false))?;
    Ok(match session.verified() {
        Ok(()) => "trusted".to_owned(),
        Err(reason) => reason,
    })
}

fn fetch(endpoint: &Endpoint, fetch: &Fetch) -> Result<String, NetError> {
    send(request(endpoint, fetch))
}

fn fetch_all(endpoint: &Endpoint, count: u32, fetch: &Fetch, notes: &mut Notes) {
    let requests = (0..count).map(|_| request(endpoint, fetch)).collect();
    for answer in http::send_all(requests) {
        notes.record("fetch", answer.map(|response| response.status.to_string()));
    }
}

pub(crate) fn request(endpoint: &Endpoint, fetch: &Fetch) -> Request {
    let url = fetch.url.clone().unwrap_or_else(|| format!("http://{endpoint}/"));
    let mut request = Request::get(url)
        .max_body(fetch.max_body)
        .max_redirects(fetch.max_redirects);
    request.options.read_for = fetch.read_for.map(Duration::from_millis);
    request.options.timeout = fetch.timeout.map(Duration::from_millis);
    request.options.connect_to.clone_from(&fetch.connect_to);
    request.options.proxy.clone_from(&fetch.proxy);
    request = request.body(vec![b'x'; fetch.body]);
    if fetch.http2 {
        request = request.version(http::Version::Http2);
    }
    let mut tls = tls::Options::new().require_valid(fetch.require_valid);
    tls.ca_certificates.clone_from(&fetch.ca_certificates);
    request.tls(tls)
}

pub(crate) fn send(request: Request) -> Result<String, NetError> {
    let response = request.send()?;
    let hops = response.hops.len();
    Ok(format!(
        "{} kept {} of {} truncated {} hops {hops}",
        response.status,
        response.body.len(),
        response.body_length,
        response.truncated
    ))
}

fn absurd(endpoint: &Endpoint) -> Vec<Request> {
    let url = format!("http://{endpoint}/");
    let mut many_headers = Request::get(&url);
    for number in 0..2_000 {
        many_headers = many_headers.header(format!("x-{number}"), vec![b'x'; 100]);
    }
    vec![
        Request::new("GET\r\nx: y", &url),
        Request::new("", &url),
        Request::get(""),
        Request::get("file:///etc/passwd"),
        Request::get(format!("{url}{}", "x".repeat(1 << 20))),
        Request::get(format!("http://{}/", "x".repeat(1 << 20))),
        Request::get(&url).header("x\r\ny", "z"),
        Request::get(&url).header("x", "y\r\nz: injected"),
        Request::get(&url).header("content-length", "-1"),
        Request::get(&url).header("transfer-encoding", "chunked"),
        many_headers,
        Request::get(&url).connect_to("nowhere"),
        Request::get(&url).proxy("socks5://127.0.0.1:1"),
        Request::get(&url).version(http::Version::Http2),
        Request::get(&url).max_body(u32::MAX).max_redirects(u32::MAX),
    ]
}

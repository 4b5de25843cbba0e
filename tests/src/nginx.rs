//! A real nginx on loopback, where one is installed.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a server that cannot start must fail its test"
)]

use std::fs;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::command::{Program, Running, find};
use crate::ports;

/// Maximum start attempts: another program may take an unused port before nginx does.
const MAX_STARTS: usize = 5;

/// An nginx with one site without TLS and one per certificate, all with the same pages. Killed on drop.
#[derive(Debug)]
pub struct Nginx {
    running: Running,
    plain: SocketAddr,
    secure: Vec<SocketAddr>,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it with `pages`, the `location` blocks of every site, and with `files` for them to serve or to read.
    /// `None` where nginx is not installed.
    #[must_use]
    pub fn start(pages: &str, files: &[(&str, &[u8])], certificates: &[&Certificate]) -> Option<Self> {
        let program = find("nginx")?;
        let folder = TempDir::new().expect("a folder for files");
        for (name, content) in files {
            fs::write(folder.path().join(name), content).expect("a new file");
        }
        for (number, certificate) in certificates.iter().enumerate() {
            let place = |what| folder.path().join(format!("{number}.{what}"));
            fs::write(place("pem"), certificate.chain_pem()).expect("a new file");
            fs::write(place("key"), certificate.key_pem()).expect("a new file");
        }
        let mut failure = String::new();
        for _ in 0..MAX_STARTS {
            let plain = ports::unused();
            let secure: Vec<SocketAddr> = certificates.iter().map(|_| ports::unused()).collect();
            let configuration = configuration(pages, plain, &secure);
            fs::write(folder.path().join("nginx.conf"), configuration).expect("a new file");
            let program = Program::at(&program).within(folder.path());
            let running = program
                .args(["-p", ".", "-c", "nginx.conf", "-e", "stderr"])
                .start();
            match wait_until_ready(running) {
                Ok(running) => {
                    return Some(Self {
                        running,
                        plain,
                        secure,
                        _folder: folder,
                    });
                }
                Err(notes) => failure = notes,
            }
        }
        panic!("nginx does not start: {failure}")
    }

    /// The address of the site without TLS.
    #[must_use]
    pub const fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// The address of the site with this certificate, by its index.
    ///
    /// # Panics
    /// There are fewer certificates.
    #[must_use]
    pub fn secure(&self, certificate: usize) -> SocketAddr {
        *self.secure.get(certificate).expect("as many as were given")
    }

    /// Waits until it has sent this many more responses. The client may not have read them yet.
    ///
    /// # Panics
    /// It ended.
    pub fn answer(&mut self, requests: usize) {
        for _ in 0..requests {
            self.running.line().expect("a line a request");
        }
    }
}

/// Waits for the log line about its event method, which it writes once its sockets listen.
fn wait_until_ready(mut running: Running) -> Result<Running, String> {
    let mut notes = Vec::new();
    while let Some(note) = running.log_line() {
        if note.contains("using the \"epoll\" event method") {
            return Ok(running);
        }
        notes.push(note);
    }
    Err(notes.join("\n"))
}

fn configuration(pages: &str, plain: SocketAddr, secure: &[SocketAddr]) -> String {
    let mut sites = format!("server {{ listen {plain}; {pages} }}\n");
    for (number, address) in secure.iter().enumerate() {
        sites += &format!(
            "server {{ listen {address} ssl http2; ssl_certificate {number}.pem; ssl_certificate_key {number}.key; \
             {pages} }}\n"
        );
    }
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         access_log /dev/stdout; root .; default_type application/octet-stream; server_tokens off;\n\
         types {{ text/html html; application/json json; }}\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
         {sites}}}\n"
    )
}

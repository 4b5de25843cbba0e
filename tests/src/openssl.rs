//! A real openssl, where it is installed, for keys that no library here can generate, and a TLS server with them.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program that fails must fail its test"
)]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::command::{Program, Running, find};
use crate::ports;

/// Maximum start attempts of a server: another program may take an unused port before it does.
const MAX_STARTS: usize = 5;

/// The openssl command with a folder for its files.
#[derive(Debug)]
pub struct Openssl {
    program: PathBuf,
    folder: TempDir,
}

/// An `openssl s_server` that answers HTTP requests. Killed on drop.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _running: Running,
}

impl Openssl {
    /// `None` where it is not installed.
    #[must_use]
    pub fn find() -> Option<Self> {
        Some(Self {
            program: find("openssl")?,
            folder: TempDir::new().expect("a folder for files"),
        })
    }

    /// Generates an RSA-PSS key with these options: `NAME.key`.
    pub fn pss_key(&self, name: &str, options: &[&str]) {
        let file = format!("{name}.key");
        let mut arguments = vec!["genpkey", "-algorithm", "RSA-PSS", "-out", &file];
        for option in options {
            arguments.extend(["-pkeyopt", option]);
        }
        self.run(&arguments);
    }

    /// The certificate, in PEM, of an authority with the key `NAME.key`: `NAME.pem`.
    #[must_use]
    pub fn authority(&self, name: &str) -> String {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let making = ["req", "-x509", "-new", "-days", "30", "-subj", &subject];
        let files = ["-key", &key, "-out", &certificate];
        let signing = ["-sha256", "-sigopt", "rsa_pss_saltlen:digest"];
        let usage = ["-addext", "keyUsage=critical,keyCertSign"];
        self.run(&[&making[..], &files, &signing, &usage].concat());
        fs::read_to_string(self.folder.path().join(certificate)).expect("what was written")
    }

    /// Issues a certificate for loopback to the key `NAME.key`: `NAME.pem`.
    pub fn issue(&self, name: &str, authority: &str) {
        let file = |name: &str, kind: &str| format!("{name}.{kind}");
        let (key, public, certificate) = (file(name, "key"), file(name, "pub"), file(name, "pem"));
        let (ca, ca_key) = (file(authority, "pem"), file(authority, "key"));
        let extensions = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:false\n";
        fs::write(self.folder.path().join("extensions"), extensions).expect("a new file");
        self.run(&["pkey", "-in", &key, "-pubout", "-out", &public]);
        let issuing = [
            "x509",
            "-new",
            "-subj",
            "/CN=leaf",
            "-days",
            "30",
            "-CAcreateserial",
        ];
        let files = [
            "-force_pubkey",
            &public,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-out",
            &certificate,
        ];
        let signing = [
            "-extfile",
            "extensions",
            "-sha256",
            "-sigopt",
            "rsa_pss_saltlen:digest",
        ];
        self.run(&[&issuing[..], &files, &signing].concat());
    }

    /// Starts a server with `NAME.pem`, `NAME.key` and these options.
    #[must_use]
    pub fn serve(&self, name: &str, options: &[&str]) -> Server {
        let mut failure = String::new();
        for _ in 0..MAX_STARTS {
            let address = ports::unused();
            match wait_until_ready(self.start(name, address, options)) {
                Ok(running) => {
                    return Server {
                        address,
                        _running: running,
                    };
                }
                Err(notes) => failure = notes,
            }
        }
        panic!("openssl s_server does not start: {failure}")
    }

    fn start(&self, name: &str, address: SocketAddr, options: &[&str]) -> Running {
        let (accept, certificate, key) = (address.to_string(), format!("{name}.pem"), format!("{name}.key"));
        let serving = [
            "s_server",
            "-www",
            "-accept",
            &accept,
            "-cert",
            &certificate,
            "-key",
            &key,
        ];
        let program = Program::at(&self.program).within(self.folder.path());
        program.args([&serving, options].concat()).start()
    }

    fn run(&self, arguments: &[&str]) {
        let program = Program::at(&self.program).within(self.folder.path());
        let ended = program.args(arguments).run();
        if ended.code != 0 {
            panic!("openssl {arguments:?}: {}", ended.err);
        }
    }
}

/// Waits for the line that it writes once it listens.
fn wait_until_ready(mut running: Running) -> Result<Running, String> {
    while let Some(line) = running.line() {
        if line == "ACCEPT" {
            return Ok(running);
        }
    }
    let notes: Vec<String> = std::iter::from_fn(|| running.log_line()).collect();
    Err(notes.join("\n"))
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

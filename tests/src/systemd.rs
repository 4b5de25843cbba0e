//! systemd's side of sd_notify(3): the socket to which a service sends its state.
#![expect(
    clippy::expect_used,
    reason = "a socket that cannot be had must fail its test"
)]

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

/// Time limit for the next message.
const LIMIT: Duration = Duration::from_secs(60);
/// Maximum size of a message in bytes.
const MAX_NOTICE: usize = 64 << 10;

/// Receives messages.
#[derive(Debug)]
pub struct Systemd {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Systemd {
    /// Creates the socket.
    ///
    /// # Panics
    /// The operating system refuses.
    #[must_use]
    pub fn listen() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the socket");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket in it");
        socket.set_read_timeout(Some(LIMIT)).expect("a time-out");
        Self { socket, folder }
    }

    /// The value for `NOTIFY_SOCKET`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("notify")
    }

    /// Blocks until the next message: one assignment per line.
    ///
    /// # Panics
    /// None comes within a minute.
    #[must_use]
    pub fn notice(&self) -> String {
        let mut notice = vec![0; MAX_NOTICE];
        let length = self.socket.recv(&mut notice).expect("a notice within a minute");
        notice.truncate(length);
        String::from_utf8(notice).expect("notices are UTF-8")
    }
}

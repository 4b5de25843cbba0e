//! systemd's end of sd_notify(3): a socket to which a service tells how it is.
#![expect(
    clippy::expect_used,
    reason = "a socket that cannot be had must fail its test"
)]

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

/// A service that tells nothing for so long will tell nothing more.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of a notice.
const MAX_NOTICE: usize = 64 << 10;

/// Takes notices.
#[derive(Debug)]
pub struct Systemd {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Systemd {
    /// Listens from now on.
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

    /// What `NOTIFY_SOCKET` must be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("notify")
    }

    /// The next notice, one assignment a line. Waits for it on this thread.
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

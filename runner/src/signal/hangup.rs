//! SIGHUP in the first moments of the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use signal_hook::{flag, low_level};

const HANGUP: i32 = Signal::HUP.as_raw();

/// SIGHUP ends a process that has not taken it over yet, and a service manager may send it at any time. So it is held from the
/// first moment on: a command that takes it has read nothing yet that it could read again, and others release it.
#[derive(Debug)]
pub struct HeldHangup {
    came: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    /// Whoever started the process wants it to outlive the terminal, as `nohup` does.
    is_ignored: bool,
}

impl HeldHangup {
    /// Holds the signal.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn hold() -> io::Result<Self> {
        let held = Self {
            came: Arc::default(),
            ends: Arc::default(),
            is_ignored: is_ignored()?,
        };
        flag::register_conditional_default(HANGUP, Arc::clone(&held.ends))?;
        flag::register(HANGUP, Arc::clone(&held.came))?;
        Ok(held)
    }

    /// The command takes SIGHUP itself. It has read nothing yet, so that there was nothing to read again.
    pub fn taken_over(self) {}

    /// Unless the command takes SIGHUP itself, it ends the process as usual, also if it came meanwhile.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn release_unless(self, is_taken: bool) -> io::Result<()> {
        if is_taken || self.is_ignored {
            return Ok(());
        }
        self.ends.store(true, Ordering::SeqCst);
        match self.came.load(Ordering::SeqCst) {
            true => low_level::emulate_default_handler(HANGUP),
            false => Ok(()),
        }
    }
}

fn is_ignored() -> io::Result<bool> {
    #[expect(unsafe_code, reason = "what is done with a signal has no safe wrapper")]
    // SAFETY: all bytes zero are a `sigaction`, and without a new one the call only fills it in.
    let (result, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(HANGUP, std::ptr::null(), &raw mut action), action)
    };
    match result {
        0 => Ok(action.sa_sigaction == libc::SIG_IGN),
        _ => Err(io::Error::last_os_error()),
    }
}

//! SIGHUP during the start of the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use signal_hook::{flag, low_level};

const HANGUP: i32 = Signal::HUP.as_raw();

/// SIGHUP ends a process without a handler, and a service manager may send it at any time. So it is held from the
/// very start: a command that handles it has read nothing yet that it could reload, and other commands release it.
#[derive(Debug)]
pub struct HeldHangup {
    received: Arc<AtomicBool>,
    should_exit: Arc<AtomicBool>,
    /// Whether the parent wants the process to outlive the terminal, as `nohup` does.
    is_ignored: bool,
}

impl HeldHangup {
    /// Holds the signal.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn hold() -> io::Result<Self> {
        let held = Self {
            received: Arc::default(),
            should_exit: Arc::default(),
            is_ignored: is_ignored()?,
        };
        flag::register_conditional_default(HANGUP, Arc::clone(&held.should_exit))?;
        flag::register(HANGUP, Arc::clone(&held.received))?;
        Ok(held)
    }

    /// Unless the command handles SIGHUP itself, lets it end the process as usual, also if it came meanwhile.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn release_unless(self, is_handled: bool) -> io::Result<()> {
        if is_handled || self.is_ignored {
            return Ok(());
        }
        self.should_exit.store(true, Ordering::SeqCst);
        if self.received.load(Ordering::SeqCst) {
            low_level::emulate_default_handler(HANGUP)
        } else {
            Ok(())
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

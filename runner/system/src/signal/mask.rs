//! The signal mask, which a process inherits from its parent.

use std::io;

/// Unblocks all signals for this thread, and for those that it starts. A parent that blocks signals for its own sake,
/// as one that reads them from a descriptor does, passes its mask on, and a process that keeps it can be ended by
/// SIGKILL alone.
///
/// # Errors
/// The operating system refused.
pub fn unblock_all() -> io::Result<()> {
    #[expect(unsafe_code, reason = "the signal mask has no safe wrapper")]
    // SAFETY: the set is initialised by `sigemptyset`, and the call only reads it.
    let result = unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

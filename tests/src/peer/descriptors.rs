//! Which descriptors of this process belong to peers, so that tests can count the others.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All descriptors in slots. Peers accept and close only under this lock, which makes a count exact. Lock order: a
/// slot's lock first, then this one.
static HELD: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

pub(super) fn held() -> MutexGuard<'static, BTreeSet<RawFd>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the descriptors of this process that no peer holds, all at one moment.
///
/// A test that compares two such counts needs a separate process: other tests open descriptors as well.
///
/// # Errors
/// When `/proc/self/fd` cannot be read, as on systems other than Linux.
pub fn descriptors_outside_peers() -> io::Result<usize> {
    let held = held();
    let mut count: usize = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let descriptor = name.to_str().and_then(|name| name.parse::<RawFd>().ok());
        count += usize::from(descriptor.is_some_and(|descriptor| !held.contains(&descriptor)));
    }
    // One of them is the directory handle of this read.
    Ok(count - 1)
}

#[cfg(test)]
mod tests;

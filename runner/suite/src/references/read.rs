//! Reads files that a policy permits.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{FileInfo, FilePolicy};
use canary_system::regular_file::{Policy, Session};

/// Reads a regular file of at most `limit` bytes, if `file_policy` permits it. The rule is applied to the opened file.
///
/// # Errors
/// `PermissionDenied` without an OS error code if the rule refuses the file; otherwise as [`Session::read`].
pub(crate) fn read_permitted(
    session: &Session,
    path: &Path,
    limit: u64,
    file_policy: &Arc<FilePolicy>,
) -> io::Result<Vec<u8>> {
    let file_policy = Arc::clone(file_policy);
    let policy: Policy =
        Arc::new(move |found: &FileInfo| file_policy.check_access(found).map_err(str::to_owned));
    session.read_permitted(path, limit, &policy)
}

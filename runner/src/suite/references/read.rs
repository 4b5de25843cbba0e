//! Reading a file that a rule permits.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{FileRule, Found};
use crate::regular_file::{Policy, Session};

/// Reads a regular file of at most `limit` bytes, if `rule` permits that. The very file is judged that is read.
///
/// # Errors
/// `PermissionDenied` without a number of the operating system where the rule refuses it; otherwise as
/// [`Session::read`].
pub(in crate::suite) fn read_permitted(
    session: &Session,
    path: &Path,
    limit: u64,
    rule: &Arc<FileRule>,
) -> io::Result<Vec<u8>> {
    let rule = Arc::clone(rule);
    let policy: Policy = Arc::new(move |found: &Found| rule.judge(found).map_err(str::to_owned));
    session.read_permitted(path, limit, &policy)
}

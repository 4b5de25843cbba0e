//! For the fuzz targets: what a name server replies.

use hickory_proto::op::Message;

use super::{Duration, Reply};

/// A datagram, or the message of a stream, as a plugin gets it.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Reply> {
    let message = Message::from_vec(bytes).ok()?;
    Some(Reply::new(&message, Duration::ZERO))
}

//! Reads with deadlines or without waiting, and half-closed connections.

use std::time::Duration;

use canary_sdk::{Endpoint, NetError, tcp};

use crate::notes::Notes;

/// Reads with a deadline, and then with the run's.
pub(crate) fn read_by_deadline(endpoint: &Endpoint, milliseconds: u32, notes: &mut Notes) {
    let connection = match tcp::connect(endpoint) {
        Ok(connection) => connection,
        Err(error) => return notes.record("connect", Err(error)),
    };
    connection.set_deadline(Some(Duration::from_millis(milliseconds.into())));
    notes.record("by deadline", text(connection.read_line(64)));
    connection.set_deadline(None);
    notes.record(
        "write",
        connection.write(b"go on\n").map(|()| "written".to_owned()),
    );
    notes.record("by run", text(connection.read_line(64)));
}

/// Polls an echo for data, before anything is sent and after.
pub(crate) fn read_ready(endpoint: &Endpoint) -> Result<String, NetError> {
    let connection = tcp::connect(endpoint)?;
    let before = connection.read_ready(64)?.is_some();
    connection.write(b"x")?;
    let mut came = None;
    while came.is_none() {
        came = connection.read_ready(64)?;
    }
    Ok(format!(
        "{before}, then {}",
        String::from_utf8_lossy(&came.unwrap_or_default())
    ))
}

/// An echo continues in the other direction.
pub(crate) fn half_close(endpoint: &Endpoint, notes: &mut Notes) {
    let connection = match tcp::connect(endpoint) {
        Ok(connection) => connection,
        Err(error) => return notes.record("connect", Err(error)),
    };
    notes.record("write", connection.write(b"over").map(|()| "written".to_owned()));
    notes.record("shut", connection.shutdown_write().map(|()| "shut".to_owned()));
    notes.record("write", connection.write(b"more").map(|()| "written".to_owned()));
    let read = connection
        .read_exact(4)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    notes.record("read", read);
    notes.record(
        "end",
        connection.read(1).map(|bytes| format!("{} bytes", bytes.len())),
    );
}

fn text(read: Result<String, NetError>) -> Result<String, NetError> {
    read.map(|line| format!("`{line}`"))
}

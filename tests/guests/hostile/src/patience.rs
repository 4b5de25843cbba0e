//! Reads that do not wait, or not for long, and ends of one direction.

use std::time::Duration;

use canary_sdk::{Endpoint, NetError, tcp};

use crate::notes::Notes;

/// Reads by a deadline, and then by the run's.
pub(crate) fn read_by_deadline(place: &Endpoint, milliseconds: u32, notes: &mut Notes) {
    let connection = match tcp::connect(place) {
        Ok(connection) => connection,
        Err(error) => return notes.take("connect", Err(error)),
    };
    connection.set_deadline(Some(Duration::from_millis(milliseconds.into())));
    notes.take("by deadline", text(connection.read_line(64)));
    connection.set_deadline(None);
    notes.take(
        "write",
        connection.write(b"go on\n").map(|()| "written".to_owned()),
    );
    notes.take("by run", text(connection.read_line(64)));
}

/// Whether anything has come of an echo, before there is any and after.
pub(crate) fn read_ready(place: &Endpoint) -> Result<String, NetError> {
    let connection = tcp::connect(place)?;
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

/// An echo goes on in the other direction.
pub(crate) fn half_close(place: &Endpoint, notes: &mut Notes) {
    let connection = match tcp::connect(place) {
        Ok(connection) => connection,
        Err(error) => return notes.take("connect", Err(error)),
    };
    notes.take("write", connection.write(b"over").map(|()| "written".to_owned()));
    notes.take("shut", connection.shutdown_write().map(|()| "shut".to_owned()));
    notes.take("write", connection.write(b"more").map(|()| "written".to_owned()));
    let read = connection
        .read_exact(4)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    notes.take("read", read);
    notes.take(
        "end",
        connection.read(1).map(|bytes| format!("{} bytes", bytes.len())),
    );
}

fn text(read: Result<String, NetError>) -> Result<String, NetError> {
    read.map(|line| format!("`{line}`"))
}

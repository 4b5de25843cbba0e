//! Name servers and their answers in the run's conversation.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Query, ResponseCode};

use super::shown;
use crate::net::NetError;
use crate::net::dns::response::Response;
use crate::net::dns::wire::code_word;

/// Records of an answer that are shown.
const RECORDS: usize = 16;
/// Characters of a record that are shown.
const CHARACTERS: usize = 200;

pub(super) fn asked(server: SocketAddr, query: &Query) -> String {
    format!("asking {server} for {}", what(query))
}

pub(super) fn silent(server: SocketAddr, after: Duration) -> String {
    format!("{server} has not answered within {} ms", after.as_millis())
}

pub(super) fn answered(
    server: SocketAddr,
    query: &Query,
    outcome: &Result<Option<Response>, NetError>,
) -> String {
    let answer = match outcome {
        Ok(Some(response)) => said(response),
        Ok(None) => "no answer".to_owned(),
        Err(error) => error.to_string(),
    };
    format!("{server} on {}: {answer}", what(query))
}

fn what(query: &Query) -> String {
    format!("{} `{}`", query.query_type(), shown(query.name()))
}

fn said(response: &Response) -> String {
    if response.code != ResponseCode::NoError {
        return code_word(response.code);
    }
    let record = |record: &hickory_proto::rr::Record| {
        let text = format!("{} {}", record.record_type(), record.data);
        text.chars().take(CHARACTERS).collect::<String>()
    };
    let records: Vec<String> = response.answers.iter().take(RECORDS).map(record).collect();
    let more = match response.answers.len().saturating_sub(records.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match records.is_empty() {
        true => "no records".to_owned(),
        false => format!("{}{more}", records.join(", ")),
    }
}

//! Messages about name servers and their responses in the run's conversation.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Query, ResponseCode};

use super::display_name;
use crate::NetError;
use crate::dns::client::rcode_name;
use crate::dns::response::Response;

/// Maximum number of records shown per response.
const MAX_RECORDS: usize = 16;
/// Maximum number of characters shown per record.
const MAX_CHARACTERS: usize = 200;

pub(super) fn querying(server: SocketAddr, query: &Query) -> String {
    format!("asking {server} for {}", question_text(query))
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
        Ok(Some(response)) => response_text(response),
        Ok(None) => "no answer".to_owned(),
        Err(error) => error.to_string(),
    };
    format!("{server} on {}: {answer}", question_text(query))
}

fn question_text(query: &Query) -> String {
    format!("{} `{}`", query.query_type(), display_name(query.name()))
}

fn response_text(response: &Response) -> String {
    if response.code != ResponseCode::NoError {
        return rcode_name(response.code);
    }
    let record = |record: &hickory_proto::rr::Record| {
        let text = format!("{} {}", record.record_type(), record.data);
        text.chars().take(MAX_CHARACTERS).collect::<String>()
    };
    let records: Vec<String> = response.answers.iter().take(MAX_RECORDS).map(record).collect();
    let more = match response.answers.len().saturating_sub(records.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if records.is_empty() {
        "no records".to_owned()
    } else {
        format!("{}{more}", records.join(", "))
    }
}

//! Converts a response to text for a plugin.

use std::fmt::{self, Display, Write};

use hickory_proto::rr::Record;

use super::ResourceRecord;
use super::response::yield_after_batch;
use crate::NetError;
use canary_record::quota::format_bytes;

/// Maximum number of bytes of text per response: names and data of all records.
pub(super) const TEXT_BYTES: usize = 64 << 10;

/// Formats records as text, up to a limit: escapes and decompressed names can make a response a hundred times longer.
pub(super) struct Presentation {
    left: usize,
}

impl Presentation {
    pub(super) fn new() -> Self {
        Self { left: TEXT_BYTES }
    }

    /// Formats a section of a response.
    ///
    /// # Errors
    /// `Protocol` if the text exceeds the limit.
    pub(super) async fn section(&mut self, records: &[Record]) -> Result<Vec<ResourceRecord>, NetError> {
        let mut answers = Vec::new();
        for record in records {
            answers.push(ResourceRecord {
                name: self.text(&record.name)?,
                kind: record.record_type().to_string(),
                ttl: record.ttl,
                data: self.text(&record.data)?,
            });
            yield_after_batch(answers.len()).await;
        }
        Ok(answers)
    }

    fn text(&mut self, value: &impl Display) -> Result<String, NetError> {
        let mut text = Limited {
            text: String::new(),
            left: &mut self.left,
        };
        write!(text, "{value}").map_err(|fmt::Error| {
            let limit = format_bytes(TEXT_BYTES as u64);
            NetError::Protocol(format!("the answer's text is longer than {limit}"))
        })?;
        Ok(text.text)
    }
}

/// A writer that fails when the remaining bytes do not suffice.
struct Limited<'a> {
    text: String,
    left: &'a mut usize,
}

impl Write for Limited<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        *self.left = self.left.checked_sub(text.len()).ok_or(fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{NS, TXT};
    use hickory_proto::rr::{Name, RData};

    use super::*;

    async fn presented(records: usize, data: RData) -> Result<usize, NetError> {
        let record = Record::from_rdata(Name::root(), 60, data);
        let answers = Presentation::new().section(&vec![record; records]).await?;
        Ok(answers
            .iter()
            .map(|answer| answer.name.len() + answer.data.len())
            .sum())
    }

    #[tokio::test]
    async fn a_reply_has_as_much_text_as_the_bound_and_not_a_byte_more() {
        let data = RData::TXT(TXT::new(vec!["x".repeat(255)]));
        assert_eq!(presented(256, data.clone()).await, Ok(TEXT_BYTES));
        let refused = presented(257, data).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "protocol: the answer's text is longer than 64 KiB"
        );
    }

    #[tokio::test]
    async fn escapes_count() {
        let labels = std::iter::repeat_n(&b"\x01"[..], 120);
        let data = RData::NS(NS(Name::from_labels(labels).unwrap()));
        assert!(presented(100, data.clone()).await.unwrap() < TEXT_BYTES);
        assert!(presented(200, data).await.is_err());
    }
}

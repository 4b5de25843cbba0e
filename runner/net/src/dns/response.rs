//! Parses a response only as far as needed. The server controls what 64 KiB expand to: names are compressed, and some
//! record types take much more time than their size suggests. So the number of records is bounded, only queryable types
//! are parsed, and parsing yields between batches.

use hickory_proto::op::{Header, HeaderCounts, Message, Metadata, Query, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, DecodeError, Restrict};
use tokio::task::yield_now;

use super::QUERYABLE_TYPES;

/// Maximum number of records parsed per response: those of the answer section, then those of the authority section.
pub(crate) const MAX_RECORDS: usize = 256;
/// Number of records parsed or written per batch. Each takes up to 0.1 ms; a single record that fills the response
/// takes up to 8 ms (32,000 `TXT` strings).
const BATCH: usize = 4;

/// Maximum number of compression pointers in a name: as many as a name can have labels. A chain of pointers alone could
/// be far longer.
const MAX_POINTERS: usize = 127;
/// Maximum length of a name, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 255;

/// Why a response cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("a name has more than {MAX_POINTERS} pointers")]
    TooManyPointers,
}

/// A parsed response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) code: ResponseCode,
    /// The server is authoritative for the zone.
    pub(crate) is_authoritative: bool,
    /// The server reports that it verified DNSSEC.
    pub(crate) is_authenticated: bool,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    /// There were more than [`MAX_RECORDS`].
    pub(crate) has_excess_records: bool,
    /// A lame delegation: the server has no data, does not recurse, and still reports success.
    pub(crate) is_lame: bool,
}

/// Yields after each batch of records.
pub(super) async fn yield_after_batch(records: usize) {
    if records.is_multiple_of(BATCH) {
        yield_now().await;
    }
}

/// The header and question of a response.
pub(super) struct ResponseHeader<'a> {
    decoder: BinDecoder<'a>,
    metadata: Metadata,
    counts: HeaderCounts,
    /// `None` if the server did not understand the query.
    query: Option<Query>,
}

impl<'a> ResponseHeader<'a> {
    /// Parses the header of `bytes`; `None` if they do not answer `question`.
    pub(super) fn for_question(bytes: &'a [u8], question: &Message) -> Option<Self> {
        let header = Self::read(bytes)?;
        let is_to_question = match &header.query {
            Some(query) => question.queries.as_slice() == std::slice::from_ref(query),
            None => true,
        };
        (header.metadata.id == question.metadata.id && is_to_question).then_some(header)
    }

    /// Parses the header of `bytes`; `None` if they are not a response to a single question.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut decoder = BinDecoder::new(bytes);
        let Header { metadata, counts } = Header::read(&mut decoder).ok()?;
        let query = match counts.queries {
            1 => Some(Query::read(&mut decoder).ok()?),
            // A query that is malformed or contains something unknown is answered with a header alone (RFC 6891,
            // section 7).
            0 if matches!(
                metadata.response_code,
                ResponseCode::FormErr | ResponseCode::NotImp
            ) =>
            {
                None
            }
            _ => return None,
        };
        Some(Self {
            decoder,
            metadata,
            counts,
            query,
        })
    }

    /// Whether the response has to be fetched over TCP.
    pub(super) fn is_truncated(&self) -> bool {
        self.metadata.truncation
    }

    /// Parses the records.
    pub(super) async fn response(mut self) -> Result<Response, Malformed> {
        let mut left = MAX_RECORDS;
        let answers = self.section(self.counts.answers, &mut left).await?;
        let authorities = self.section(self.counts.authorities, &mut left).await?;
        self.read_extended_code()?;
        let sent = usize::from(self.counts.answers) + usize::from(self.counts.authorities);
        let is_lame = self.metadata.response_code == ResponseCode::NoError
            && !self.metadata.authoritative
            && !self.metadata.recursion_available
            && (self.counts.answers, self.counts.additionals) == (0, 0);
        Ok(Response {
            code: self.metadata.response_code,
            is_authoritative: self.metadata.authoritative,
            is_authenticated: self.metadata.authentic_data,
            answers,
            authorities,
            has_excess_records: sent > MAX_RECORDS,
            is_lame,
        })
    }

    /// Parses `count` records while any are `left`, and skips the others.
    async fn section(&mut self, count: u16, left: &mut usize) -> Result<Vec<Record>, Malformed> {
        let mut records = Vec::new();
        for _ in 0..count {
            if *left == 0 {
                skip_record(&mut self.decoder)?;
                continue;
            }
            records.push(read(&mut self.decoder)?);
            *left -= 1;
            yield_after_batch(*left).await;
        }
        Ok(records)
    }

    /// EDNS carries the upper bits of the code (RFC 6891, section 6.1.3).
    fn read_extended_code(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.counts.additionals {
            let (kind, ttl) = skip_record(&mut self.decoder)?;
            if kind == RecordType::OPT {
                let [high, ..] = ttl.to_be_bytes();
                self.metadata.merge_response_code(high);
            }
        }
        Ok(())
    }
}

fn read(decoder: &mut BinDecoder<'_>) -> Result<Record, Malformed> {
    check_name(&mut fork(decoder)?)?;
    let name = Name::read(decoder)?;
    let (kind, ttl, length) = read_fixed(decoder)?;
    let data = match length {
        0 => RData::Update0(kind),
        _ if QUERYABLE_TYPES.contains(&kind) => {
            check_names(fork(decoder)?, kind)?;
            RData::read(decoder, kind, Restrict::new(length))?
        }
        _ => RData::Unknown {
            code: kind,
            rdata: NULL::with(decoder.read_vec(length.into())?.unverified()),
        },
    };
    Ok(Record::from_rdata(name, ttl, data))
}

/// Skips one record without parsing its names; returns its type and time to live.
fn skip_record(decoder: &mut BinDecoder<'_>) -> Result<(RecordType, u32), Malformed> {
    skip_name(decoder)?;
    let (kind, ttl, length) = read_fixed(decoder)?;
    decoder.read_slice(length.into())?;
    Ok((kind, ttl))
}

/// Reads the type, the time to live and the length of the data; the class between the first two is always IN.
fn read_fixed(decoder: &mut BinDecoder<'_>) -> Result<(RecordType, u32, u16), Malformed> {
    let kind = RecordType::read(decoder)?;
    decoder.read_u16()?;
    let ttl = decoder.read_u32()?.unverified();
    Ok((kind, ttl, decoder.read_u16()?.unverified()))
}

/// A decoder at the same position.
fn fork<'a>(decoder: &BinDecoder<'a>) -> Result<BinDecoder<'a>, DecodeError> {
    let position = u16::try_from(decoder.index()).map_err(|_| DecodeError::InsufficientBytes)?;
    at(decoder, position)
}

/// A decoder at a position in the message; `BinDecoder::clone` assumes that the position is valid.
fn at<'a>(decoder: &BinDecoder<'a>, position: u16) -> Result<BinDecoder<'a>, DecodeError> {
    if usize::from(position) <= decoder.index() + decoder.len() {
        Ok(decoder.clone(position))
    } else {
        Err(DecodeError::InsufficientBytes)
    }
}

/// Validates the names in the data of a record.
fn check_names(mut decoder: BinDecoder<'_>, kind: RecordType) -> Result<(), Malformed> {
    let (before, names) = match kind {
        RecordType::CNAME | RecordType::NS | RecordType::PTR => (0, 1),
        RecordType::SOA => (0, 2),
        RecordType::MX | RecordType::SVCB | RecordType::HTTPS => (2, 1),
        RecordType::SRV => (6, 1),
        RecordType::NAPTR => (4, 1),
        _ => (0, 0),
    };
    decoder.read_slice(before)?;
    if kind == RecordType::NAPTR {
        for _ in 0..3 {
            decoder.read_character_data()?;
        }
    }
    (0..names).try_for_each(|_| check_name(&mut decoder))
}

/// Skips a name, with a limit on its pointers.
fn check_name(decoder: &mut BinDecoder<'_>) -> Result<(), Malformed> {
    let mut pointer = skip_name(decoder)?;
    for _ in 0..MAX_POINTERS {
        let Some(position) = pointer else { return Ok(()) };
        pointer = skip_name(&mut at(decoder, position)?)?;
    }
    pointer.map_or(Ok(()), |_| Err(Malformed::TooManyPointers))
}

/// Skips a name up to its end or its pointer, which is returned.
fn skip_name(decoder: &mut BinDecoder<'_>) -> Result<Option<u16>, DecodeError> {
    let start = decoder.index();
    loop {
        match decoder.pop()?.unverified() {
            0 => return Ok(None),
            length @ 1..64 => _ = decoder.read_slice(length.into())?,
            high @ 192.. => {
                let low = decoder.pop()?.unverified();
                return Ok(Some(u16::from_be_bytes([high & 0x3f, low])));
            }
            other => return Err(DecodeError::UnrecognizedLabelCode(other)),
        }
        let length = decoder.index().saturating_sub(start);
        if length > MAX_NAME_BYTES {
            return Err(DecodeError::DomainNameTooLong(length));
        }
    }
}

#[cfg(test)]
mod tests;

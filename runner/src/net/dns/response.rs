//! A server's answer, of which as much is read as is used. The server decides what 64 KiB unfold to: names are
//! compressed, and a record of some types takes far more time than its bytes suggest. So the number of records is
//! bounded, only types that can be asked for are read, and others have their turn between two portions.

use hickory_proto::op::{Header, HeaderCounts, Message, Metadata, Query, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, DecodeError, Restrict};
use tokio::task::yield_now;

use super::KINDS;

/// Records of one answer that are read: those of the answer section and, after them, of the authority section.
pub(in crate::net) const RECORDS: usize = 256;
/// Records that are read or written in one go. Each takes up to a tenth of a millisecond; one that fills the answer, and
/// then is the only one, takes up to eight (32,000 strings of `TXT`).
const PORTION: usize = 4;

/// Pointers of one name: as many as a name can have labels. A chain of pointers alone could be far longer.
const POINTERS: usize = 127;
/// Longest name, in bytes (RFC 1035, section 2.3.4).
const NAME_BYTES: usize = 255;

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("a name has more than {POINTERS} pointers")]
    TooManyPointers,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::net) struct Response {
    pub(in crate::net) code: ResponseCode,
    /// The server owns the zone.
    pub(in crate::net) is_authoritative: bool,
    /// The server says that it verified DNSSEC.
    pub(in crate::net) is_authenticated: bool,
    pub(in crate::net) answers: Vec<Record>,
    pub(in crate::net) authorities: Vec<Record>,
    /// There were more than [`RECORDS`].
    pub(in crate::net) is_cut: bool,
    /// The server knows nothing, does not ask others, and says so as if all were well: a lame delegation.
    pub(in crate::net) is_lame: bool,
}

/// Gives others their turn after each portion of records.
pub(super) async fn pause_after(records: usize) {
    if records.is_multiple_of(PORTION) {
        yield_now().await;
    }
}

/// The beginning of an answer, which says what it is the answer to.
pub(super) struct Opening<'a> {
    decoder: BinDecoder<'a>,
    metadata: Metadata,
    counts: HeaderCounts,
    /// Absent where the server says that it did not understand the question.
    query: Option<Query>,
}

impl<'a> Opening<'a> {
    /// Reads the beginning of `bytes`; nothing when they do not answer `question`.
    pub(super) fn of(bytes: &'a [u8], question: &Message) -> Option<Self> {
        let opening = Self::read(bytes)?;
        let is_to_question = match &opening.query {
            Some(query) => question.queries.as_slice() == std::slice::from_ref(query),
            None => true,
        };
        (opening.metadata.id == question.metadata.id && is_to_question).then_some(opening)
    }

    /// Reads the beginning of `bytes`; nothing when it is not that of an answer to one question.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut decoder = BinDecoder::new(bytes);
        let Header { metadata, counts } = Header::read(&mut decoder).ok()?;
        let query = match counts.queries {
            1 => Some(Query::read(&mut decoder).ok()?),
            // What cannot be read, or has a part that is unknown, is answered with a header alone (RFC 6891, section 7).
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

    /// The whole answer has to be asked for over TCP.
    pub(super) fn is_truncated(&self) -> bool {
        self.metadata.truncation
    }

    /// Reads the records.
    pub(super) async fn response(mut self) -> Result<Response, Malformed> {
        let mut left = RECORDS;
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
            is_cut: sent > RECORDS,
            is_lame,
        })
    }

    /// Reads `count` records, as long as any are `left`, and passes over the others.
    async fn section(&mut self, count: u16, left: &mut usize) -> Result<Vec<Record>, Malformed> {
        let mut records = Vec::new();
        for _ in 0..count {
            if *left == 0 {
                pass_over(&mut self.decoder)?;
                continue;
            }
            records.push(read(&mut self.decoder)?);
            *left -= 1;
            pause_after(*left).await;
        }
        Ok(records)
    }

    /// EDNS has the upper bits of the code (RFC 6891, section 6.1.3).
    fn read_extended_code(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.counts.additionals {
            let (kind, ttl) = pass_over(&mut self.decoder)?;
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
        _ if KINDS.contains(&kind) => {
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

/// Passes over one record without a look at its names; its type and time to live.
fn pass_over(decoder: &mut BinDecoder<'_>) -> Result<(RecordType, u32), Malformed> {
    pass_over_name(decoder)?;
    let (kind, ttl, length) = read_fixed(decoder)?;
    decoder.read_slice(length.into())?;
    Ok((kind, ttl))
}

/// The type, the time to live and the length of the data; the class, between the first two, is always the Internet's.
fn read_fixed(decoder: &mut BinDecoder<'_>) -> Result<(RecordType, u32, u16), Malformed> {
    let kind = RecordType::read(decoder)?;
    decoder.read_u16()?;
    let ttl = decoder.read_u32()?.unverified();
    Ok((kind, ttl, decoder.read_u16()?.unverified()))
}

/// Another decoder at the same place.
fn fork<'a>(decoder: &BinDecoder<'a>) -> Result<BinDecoder<'a>, DecodeError> {
    let place = u16::try_from(decoder.index()).map_err(|_| DecodeError::InsufficientBytes)?;
    at(decoder, place)
}

/// Another decoder at a place of the message, which `BinDecoder::clone` takes for granted to be in it.
fn at<'a>(decoder: &BinDecoder<'a>, place: u16) -> Result<BinDecoder<'a>, DecodeError> {
    match usize::from(place) <= decoder.index() + decoder.len() {
        true => Ok(decoder.clone(place)),
        false => Err(DecodeError::InsufficientBytes),
    }
}

/// Checks the names in the data of a record.
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

/// Passes over a name whose pointers are not too many.
fn check_name(decoder: &mut BinDecoder<'_>) -> Result<(), Malformed> {
    let mut pointer = pass_over_name(decoder)?;
    for _ in 0..POINTERS {
        let Some(place) = pointer else { return Ok(()) };
        pointer = pass_over_name(&mut at(decoder, place)?)?;
    }
    pointer.map_or(Ok(()), |_| Err(Malformed::TooManyPointers))
}

/// Passes over a name up to its end or its pointer, which is returned.
fn pass_over_name(decoder: &mut BinDecoder<'_>) -> Result<Option<u16>, DecodeError> {
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
        if length > NAME_BYTES {
            return Err(DecodeError::DomainNameTooLong(length));
        }
    }
}

#[cfg(test)]
mod tests;

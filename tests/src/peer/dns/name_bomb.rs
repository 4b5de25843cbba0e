//! A DNS answer of maximum size whose compressed names expand to a hundred times that.

use hickory_proto::op::Message;

/// Records of the answer.
const RECORDS: u16 = 4_600;

/// The answer to `question`: records whose owner and data point to one long name that consists of escapes.
pub(super) fn name_bomb(question: &Message) -> Option<Vec<u8>> {
    let mut bytes = question.to_vec().ok()?;
    let end = question_end(&bytes)?;
    bytes.truncate(end);
    bytes.get_mut(2..12)?.copy_from_slice(&header());
    let name = [1; 252].into_iter().chain([0]).collect::<Vec<u8>>();
    let at = u16::try_from(end + 12).ok()? | 0xc000;
    bytes.extend(record(0xc00c, &name));
    for _ in 1..RECORDS {
        bytes.extend(record(at, &at.to_be_bytes()));
    }
    Some(bytes)
}

/// Flags of a response, one question, the answers, nothing else.
fn header() -> [u8; 10] {
    let [high, low] = RECORDS.to_be_bytes();
    [0x84, 0, 0, 1, high, low, 0, 0, 0, 0]
}

fn question_end(bytes: &[u8]) -> Option<usize> {
    let name = bytes.get(12..)?.iter().position(|byte| *byte == 0)?;
    Some(12 + name + 1 + 4)
}

/// A record of type NS whose owner is a pointer.
fn record(owner: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or_default().to_be_bytes();
    let owner = owner.to_be_bytes();
    [&owner, &[0, 2, 0, 1, 0, 0, 0, 60][..], &length, data].concat()
}

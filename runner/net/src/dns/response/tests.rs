use futures_util::FutureExt as _;

use super::*;

/// A query for `a.test`, and the header of a response with the given numbers of records per section.
fn answer(counts: [u16; 3]) -> (Message, Vec<u8>) {
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii("a.test.").unwrap(), RecordType::NS));
    let mut bytes = question.to_vec().unwrap();
    bytes[2] |= 0x80;
    for (position, count) in [6, 8, 10].into_iter().zip(counts) {
        bytes[position..position + 2].copy_from_slice(&count.to_be_bytes());
    }
    (question, bytes)
}

/// A record for the queried name.
fn record(kind: RecordType, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let kind = u16::from(kind).to_be_bytes();
    [&[0xc0, 12], &kind[..], &[0, 1, 0, 0, 0, 60], &length, data].concat()
}

async fn respond(question: &Message, bytes: &[u8]) -> Result<Response, Malformed> {
    ResponseHeader::for_question(bytes, question)
        .unwrap()
        .response()
        .await
}

#[tokio::test]
async fn of_thousands_of_records_the_first_are_read_and_others_have_their_turn_meanwhile() {
    let (question, mut bytes) = answer([4_600, 20, 0]);
    // A name of 253 bytes, and pointers to it.
    let name = [[1; 252].as_slice(), &[0]].concat();
    let at = u16::try_from(bytes.len() + 12).unwrap() | 0xc000;
    bytes.extend(record(RecordType::NS, &name));
    for _ in 1..4_620 {
        bytes.extend(record(RecordType::NS, &at.to_be_bytes()));
    }
    let mut reading = std::pin::pin!(respond(&question, &bytes));
    let mut polls = 0;
    let response = std::future::poll_fn(|cx| {
        polls += 1;
        reading.poll_unpin(cx)
    });
    let response = response.await.unwrap();
    assert_eq!(
        (response.answers.len(), response.authorities.len()),
        (MAX_RECORDS, 0)
    );
    assert!(
        response.has_excess_records && polls > MAX_RECORDS / BATCH,
        "{polls}"
    );
}

#[tokio::test]
async fn a_usual_answer_is_read_whole() {
    let (question, mut bytes) = answer([2, 1, 0]);
    bytes[2] |= 0x04;
    bytes.extend(record(RecordType::A, &[192, 0, 2, 1]));
    bytes.extend(record(RecordType::CNAME, b"\x01b\xc0\x0e"));
    bytes.extend(record(RecordType::NS, b"\xc0\x0e"));
    let response = respond(&question, &bytes).await.unwrap();
    let data: Vec<_> = response.answers.iter().chain(&response.authorities).collect();
    let data: Vec<_> = data.iter().map(|record| record.data.to_string()).collect();
    assert_eq!(data, ["192.0.2.1", "b.test.", "test."]);
    assert!(response.is_authoritative && !response.has_excess_records && response.authorities.len() == 1);
}

#[tokio::test]
async fn the_code_has_the_bits_of_edns_also_where_the_answer_is_cut() {
    let (question, mut bytes) = answer([300, 0, 1]);
    for _ in 0..300 {
        bytes.extend(record(RecordType::A, &[192, 0, 2, 1]));
    }
    bytes.extend([0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]);
    let response = respond(&question, &bytes).await.unwrap();
    assert_eq!(u16::from(response.code), 16, "BADVERS");
}

#[tokio::test]
async fn the_data_of_a_type_that_cannot_be_asked_for_is_not_interpreted() {
    let (question, mut bytes) = answer([1, 0, 0]);
    // Types for which a few bytes represent hundreds of entries.
    let windows = [[0, 32].as_slice(), &[0xff; 32]].concat().repeat(1_900);
    bytes.extend(record(RecordType::CSYNC, &[&[0; 6], windows.as_slice()].concat()));
    let response = respond(&question, &bytes).await.unwrap();
    assert!(matches!(&response.answers[0].data, RData::Unknown { code, .. } if *code == RecordType::CSYNC));
}

#[tokio::test]
async fn what_ends_too_soon_or_leads_in_circles_is_an_error() {
    let whole = record(RecordType::A, &[192, 0, 2, 1]);
    let (question, header) = answer([1, 0, 0]);
    for cut in 0..whole.len() {
        let bytes = [&header, &whole[..cut]].concat();
        assert!(respond(&question, &bytes).await.is_err(), "{cut}");
    }
    let to_itself = u16::try_from(header.len()).unwrap() | 0xc000;
    let bytes = [header, to_itself.to_be_bytes().to_vec(), whole].concat();
    assert!(respond(&question, &bytes).await.is_err());
}

#[tokio::test]
async fn a_pointer_behind_the_end_of_the_message_is_an_error() {
    for position in [0x3fff_u16, 200] {
        let (question, mut bytes) = answer([1, 0, 0]);
        bytes.extend(record(RecordType::NS, &(position | 0xc000).to_be_bytes()));
        assert!(respond(&question, &bytes).await.is_err(), "{position}");
    }
}

#[tokio::test]
async fn a_chain_of_pointers_ends_after_as_many_as_a_name_has_labels() {
    for (pointers, fits) in [(MAX_POINTERS, true), (MAX_POINTERS + 1, false), (8_000, false)] {
        let (question, mut bytes) = answer([2, 0, 0]);
        // The root, and a chain of pointers, each to the previous one.
        let base = u16::try_from(bytes.len() + 12).unwrap();
        let mut chain = vec![0];
        for number in 0..u16::try_from(pointers).unwrap() - 1 {
            let before = if number == 0 { base } else { base + 2 * number - 1 };
            chain.extend((before | 0xc000).to_be_bytes());
        }
        let last = base + u16::try_from(chain.len()).unwrap() - 2;
        bytes.extend(record(RecordType::NULL, &chain));
        bytes.extend(record(
            RecordType::MX,
            &[&[0, 1], &(last | 0xc000).to_be_bytes()[..]].concat(),
        ));
        assert_eq!(respond(&question, &bytes).await.is_ok(), fits, "{pointers}");
    }
}

#[test]
fn only_the_response_to_the_query_is_parsed() {
    let (question, mut bytes) = answer([0, 0, 0]);
    assert!(ResponseHeader::for_question(&bytes, &question).is_some());
    let (other, _) = answer([0, 0, 0]);
    assert!(
        other.metadata.id == question.metadata.id || ResponseHeader::for_question(&bytes, &other).is_none()
    );
    bytes[13] = b'b';
    assert!(ResponseHeader::for_question(&bytes, &question).is_none());
    assert!(ResponseHeader::for_question(&bytes[..14], &question).is_none());
}

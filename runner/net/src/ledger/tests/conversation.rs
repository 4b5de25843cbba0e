//! What the run's conversation records about its connections.

use std::time::Duration;

use super::*;

fn read_along(ledger: &Arc<Ledger>, quota: Quota) -> Arc<Page> {
    let recorder = Recorder::with_conversation(Secrets::default(), quota.record);
    ledger.open_page(owner("a check"), quota, recorder)
}

/// Kinds and texts of the lines, except the first line of each connection, which contains varying addresses.
fn said(page: &Page) -> Vec<(&'static str, String)> {
    let lines = page.recorder().transcript().unwrap().lines.into_iter();
    lines
        .map(|line| (line.kind.as_str(), line.text.to_string()))
        .filter(|(_, text)| !text.starts_with("connected to "))
        .collect()
}

fn note(text: &str) -> (&'static str, String) {
    ("note", text.to_owned())
}

#[tokio::test]
async fn what_goes_through_a_stream_is_in_the_conversation_from_its_beginning_to_its_end() {
    let page = read_along(&Ledger::new(Budget::new(10)), Quota::default());
    let (mut ours, mut theirs) = connected(&page, &listener().await).await;
    ours.connected().await.unwrap();
    ours.write_all(b"question\r\n").await.unwrap();
    theirs.read_exact(&mut [0; 10]).await.unwrap();
    theirs.write_all(b"answer\r\n").await.unwrap();
    drop(theirs);
    ours.read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!(ours.read(&mut [0]).await.unwrap(), 0, "again, and said once");
    let (peer, local) = (ours.peer_addr().unwrap(), ours.local_addr().unwrap());
    drop(ours);
    let lines = page.recorder().transcript().unwrap().lines;
    assert_eq!(
        lines[0].text.to_string(),
        format!("connected to {peer} from {local}")
    );
    assert_eq!(
        said(&page),
        [
            ("sent", "question".to_owned()),
            ("received", "answer".to_owned()),
            note("the peer closes its side"),
            note("closed, first by the peer; sent 10 B, received 8 B"),
        ]
    );
}

#[tokio::test]
async fn a_conversation_distinguishes_a_reset_from_an_end_and_names_who_closed_a_connection() {
    let ledger = Ledger::new(Budget::new(10));
    let page = read_along(&ledger, Quota::default());
    let (mut ours, theirs) = connected(&page, &listener().await).await;
    ours.connected().await.unwrap();
    socket2::SockRef::from(&theirs)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(theirs);
    ours.read_u8().await.unwrap_err();
    assert_eq!(said(&page), [note("the peer resets the connection")]);

    let page = read_along(&ledger, Quota::default());
    let (ours, _theirs) = connected(&page, &listener().await).await;
    ours.connected().await.unwrap();
    page.end(EndCause::Deadline);
    let ends = format!(
        "reclaimed by the host ({}); sent 0 B, received 0 B",
        EndCause::Deadline.as_str()
    );
    assert_eq!(said(&page), [note(&ends)]);
}

#[tokio::test]
async fn what_goes_through_a_stream_in_a_handshake_is_left_to_tls() {
    let page = read_along(&Ledger::new(Budget::new(10)), Quota::default());
    let (mut ours, _theirs) = connected(&page, &listener().await).await;
    ours.connected().await.unwrap();
    ours.set_activity(Activity::Handshake);
    ours.write_all(b"\x16\x03\x01\r\n").await.unwrap();
    assert_eq!(said(&page), []);
}

#[test]
fn a_conversation_has_what_was_refused() {
    let page = read_along(&Ledger::new(Budget::new(10)), Quota::default());
    let denial = page.record_denial(QuotaKind::Sockets);
    assert_eq!(said(&page), [note(&format!("refused: {denial}"))]);
}

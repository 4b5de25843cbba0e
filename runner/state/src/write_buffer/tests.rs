use super::*;

async fn seconds(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

fn open() -> WriteBuffer {
    let write_buffer = WriteBuffer::default();
    write_buffer.mark_ready(PendingBatch::default());
    write_buffer
}

fn put(table: Table, key: &str) -> Vec<Change> {
    vec![Change::put(table, key, "text".to_owned())]
}

#[tokio::test(start_paused = true)]
async fn a_hanging_disk_is_reported_until_a_commit_succeeds() {
    let write_buffer = open();
    let put = || write_buffer.put(vec![Change::delete(Table::Check, "a")]);
    put();
    let pending = write_buffer.next_batch().unwrap();
    seconds(3).await;
    put();
    assert_eq!(write_buffer.health(), Health::Healthy);
    seconds(3).await;
    let expected = Health::Failing("state writes have been stalled for 6 s".to_owned());
    assert_eq!(write_buffer.health(), expected);
    drop(pending);
    write_buffer.mark_committed();
    // Later changes wait for the next batch.
    assert_eq!(write_buffer.health(), Health::Healthy);
    seconds(6).await;
    assert_eq!(write_buffer.health(), expected);
    write_buffer.next_batch().unwrap();
    write_buffer.mark_committed();
    seconds(60).await;
    assert_eq!(write_buffer.health(), Health::Healthy);
}

#[tokio::test(start_paused = true)]
async fn an_idle_disk_is_healthy() {
    let write_buffer = open();
    write_buffer.put(Vec::new());
    seconds(60).await;
    assert_eq!(write_buffer.health(), Health::Healthy);
}

#[test]
fn nothing_is_committed_before_the_database_was_read_and_its_rows_merged() {
    let write_buffer = WriteBuffer::default();
    let number = write_buffer.put(put(Table::Check, "a"));
    assert!(
        write_buffer
            .next_batch_after(number - 1, Duration::ZERO)
            .is_none()
    );
    write_buffer.offer_rows(StoredRows::default());
    assert!(
        write_buffer
            .next_batch_after(number - 1, Duration::ZERO)
            .is_none()
    );
    assert!(matches!(write_buffer.take_request(), Some(SyncRequest::Merge(_))));
    assert!(write_buffer.take_request().is_none());
    write_buffer.put_all(put(Table::Check, "b"));
    let pending = write_buffer.next_batch().unwrap();
    assert!(pending.replaces_all && pending.batch.len() == 1);
}

#[test]
fn changes_that_are_not_urgent_are_batched_into_one_commit() {
    let write_buffer = open();
    let batched = |_| {
        write_buffer.put(put(Table::Check, "a"));
        let began = Instant::now();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| write_buffer.next_batch().unwrap());
            let is_put = put_during_delay(&write_buffer, || next.is_finished());
            let pending = next.join().unwrap();
            assert!(began.elapsed() >= BATCH_DELAY);
            is_put.then_some(pending)
        })
    };
    // On a busy machine the delay may be over before this thread sees it.
    let pending = (0..100).find_map(batched).expect("it waits for more changes");
    assert_eq!(pending.batch.len(), 2);
}

/// Puts `b` while the buffer waits for more changes; false if `is_over` before that was seen.
fn put_during_delay(write_buffer: &WriteBuffer, is_over: impl Fn() -> bool) -> bool {
    while !is_over() {
        // Locked from the look to the change, so that the delay cannot end between the two.
        let mut inner = write_buffer.inner();
        if inner.is_batching {
            inner.add(Change::put(Table::Check, "b", "text".to_owned()));
            return true;
        }
        drop(inner);
        std::thread::yield_now();
    }
    false
}

#[test]
fn urgent_changes_are_not_delayed() {
    let write_buffer = open();
    write_buffer.put(put(Table::Check, "a"));
    assert!(!write_buffer.inner().is_urgent);
    write_buffer.put(put(Table::Alert, "a"));
    assert!(write_buffer.inner().is_urgent);
    assert_eq!(write_buffer.next_batch().unwrap().batch.len(), 2);
    assert!(!write_buffer.inner().is_urgent);
}

#[test]
fn short_lived_rows_do_not_accumulate_while_nothing_can_be_committed() {
    let write_buffer = open();
    for number in 0..1_000 {
        write_buffer.put(put(Table::Notification, &number.to_string()));
        let pending = write_buffer.next_batch().unwrap();
        write_buffer.put_back(pending);
        write_buffer.put(vec![Change::delete(Table::Notification, &number.to_string())]);
    }
    write_buffer.put(put(Table::Check, "a"));
    assert_eq!(write_buffer.next_batch().unwrap().batch.len(), 1);
}

#[test]
fn a_batch_that_was_not_committed_is_older_than_changes_put_meanwhile() {
    let write_buffer = open();
    write_buffer.put(vec![Change::put(Table::Check, "a", "old".to_owned())]);
    let pending = write_buffer.next_batch().unwrap();
    write_buffer.put(vec![Change::put(Table::Check, "a", "new".to_owned())]);
    write_buffer.put_back(pending);
    let pending = write_buffer.next_batch().unwrap();
    assert_eq!(pending.batch.values().next().unwrap().as_deref(), Some("new"));
}

#[test]
fn beyond_the_maximum_number_of_keys_everything_is_put_again_later() {
    let write_buffer = open();
    let changes = (0..=MAX_KEYS).map(|key| Change::delete(Table::Check, &key.to_string()));
    write_buffer.put(changes.collect());
    assert!(matches!(
        write_buffer.take_request(),
        Some(SyncRequest::RewriteAll)
    ));
    write_buffer.put_all(put(Table::Check, "a"));
    assert!(write_buffer.next_batch().unwrap().replaces_all);
}

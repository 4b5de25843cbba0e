use super::*;

async fn seconds(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

fn open() -> Mailbox {
    let mailbox = Mailbox::default();
    mailbox.open(Batch::new());
    mailbox
}

fn keep(shelf: Shelf, key: &str) -> Vec<Change> {
    vec![Change::keep(shelf, key, "text".to_owned())]
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_told_until_it_takes_something() {
    let mailbox = open();
    let put = || mailbox.put(vec![Change::forget(Shelf::Check, "a")]);
    put();
    let taken = mailbox.take().unwrap();
    seconds(3).await;
    put();
    assert_eq!(mailbox.health(), Health::Well);
    seconds(3).await;
    let told = Health::Failing("the disk has taken nothing for 6 s".to_owned());
    assert_eq!(mailbox.health(), told);
    drop(taken);
    mailbox.committed();
    // What came meanwhile waits for the next batch.
    assert_eq!(mailbox.health(), Health::Well);
    seconds(6).await;
    assert_eq!(mailbox.health(), told);
    mailbox.take().unwrap();
    mailbox.committed();
    seconds(60).await;
    assert_eq!(mailbox.health(), Health::Well);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_nobody_asks_for_anything_is_well() {
    let mailbox = open();
    mailbox.put(Vec::new());
    seconds(60).await;
    assert_eq!(mailbox.health(), Health::Well);
}

#[test]
fn nothing_is_committed_before_the_database_was_read_and_its_rows_taken_in() {
    let mailbox = Mailbox::default();
    let number = mailbox.put(keep(Shelf::Check, "a"));
    assert!(mailbox.take_after(number - 1, Duration::ZERO).is_none());
    mailbox.offer(Kept::default());
    assert!(mailbox.take_after(number - 1, Duration::ZERO).is_none());
    assert!(matches!(mailbox.request(), Some(Request::Merge(_))));
    assert!(mailbox.request().is_none());
    mailbox.put_all(keep(Shelf::Check, "b"));
    let taken = mailbox.take().unwrap();
    assert!(taken.is_whole && taken.batch.len() == 1);
}

#[test]
fn what_can_wait_is_gathered_into_one_commit() {
    let mailbox = open();
    let taken = std::thread::scope(|scope| {
        let taken = scope.spawn(|| mailbox.take().unwrap());
        for key in 0.. {
            if taken.is_finished() {
                break;
            }
            mailbox.put(keep(Shelf::Check, &key.to_string()));
            std::thread::yield_now();
        }
        taken.join().unwrap()
    });
    assert!(taken.batch.len() > 1);
}

#[test]
fn what_is_urgent_is_not_gathered() {
    let mailbox = open();
    mailbox.put(keep(Shelf::Check, "a"));
    assert!(!mailbox.waiting().is_urgent);
    mailbox.put(keep(Shelf::Alert, "a"));
    assert!(mailbox.waiting().is_urgent);
    assert_eq!(mailbox.take().unwrap().batch.len(), 2);
    assert!(!mailbox.waiting().is_urgent);
}

#[test]
fn what_comes_and_goes_while_the_disk_takes_nothing_does_not_pile_up() {
    let mailbox = open();
    for number in 0..1_000 {
        mailbox.put(keep(Shelf::Notification, &number.to_string()));
        let taken = mailbox.take().unwrap();
        mailbox.take_back(taken);
        mailbox.put(vec![Change::forget(Shelf::Notification, &number.to_string())]);
    }
    mailbox.put(keep(Shelf::Check, "a"));
    assert_eq!(mailbox.take().unwrap().batch.len(), 1);
}

#[test]
fn a_batch_that_was_not_committed_is_older_than_what_was_put_meanwhile() {
    let mailbox = open();
    mailbox.put(vec![Change::keep(Shelf::Check, "a", "old".to_owned())]);
    let taken = mailbox.take().unwrap();
    mailbox.put(vec![Change::keep(Shelf::Check, "a", "new".to_owned())]);
    mailbox.take_back(taken);
    let taken = mailbox.take().unwrap();
    assert_eq!(taken.batch.values().next().unwrap().as_deref(), Some("new"));
}

#[test]
fn more_keys_than_there_is_room_for_are_asked_for_later() {
    let mailbox = open();
    let changes = (0..=MAX_KEYS).map(|key| Change::forget(Shelf::Check, &key.to_string()));
    mailbox.put(changes.collect());
    assert!(matches!(mailbox.request(), Some(Request::Everything)));
    mailbox.put_all(keep(Shelf::Check, "a"));
    assert!(mailbox.take().unwrap().is_whole);
}

use std::sync::mpsc::{Receiver, Sender, channel};

use canary_system::liveness::Impact;

use super::*;

const TEST: Component = Component {
    name: "test",
    impact: Impact::Readiness,
};

/// A stream that accepts a text whenever the test allows it.
struct Reader {
    texts: Sender<String>,
    answers: Receiver<io::Result<()>>,
}

impl Write for Reader {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let own = String::from_utf8(text.to_vec()).unwrap();
        // A test that has ended neither reads nor answers.
        if self.texts.send(own).is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let answer = self.answers.recv();
        answer.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    output: Output,
    thread: OutputThread,
    texts: Receiver<String>,
    answers: Sender<io::Result<()>>,
}

fn fixture() -> Fixture {
    let (texts_tx, texts) = channel();
    let (answers, answers_rx) = channel();
    let reader = Reader {
        texts: texts_tx,
        answers: answers_rx,
    };
    let recovered = |count| Some(format!("{count} dropped"));
    let (output, thread) = Output::start(TEST, &Registry::default(), reader, recovered).unwrap();
    Fixture {
        output,
        thread,
        texts,
        answers,
    }
}

#[test]
fn texts_that_find_no_room_are_dropped_counted_and_reported_once() {
    let fixture = fixture();
    fixture.output.push("first");
    // From here on the thread waits for its reader.
    assert_eq!(fixture.texts.recv().unwrap(), "first");
    for number in 0..MAX_ENTRIES + 7 {
        fixture.output.push(&number.to_string());
    }
    assert_eq!(fixture.output.dropped(), 7);
    for _ in 0..MAX_ENTRIES + 3 {
        fixture.answers.send(Ok(())).unwrap();
    }
    let mut read: Vec<String> = (0..MAX_ENTRIES).map(|_| fixture.texts.recv().unwrap()).collect();
    assert_eq!(read.pop().unwrap(), (MAX_ENTRIES - 1).to_string());
    assert_eq!(fixture.texts.recv().unwrap(), "7 dropped");
    fixture.output.push("last");
    assert_eq!(fixture.texts.recv().unwrap(), "last");
    drop(fixture.thread);
    assert!(fixture.texts.try_recv().is_err());
}

#[test]
fn waiting_texts_are_weighed() {
    let fixture = fixture();
    fixture.output.push("first");
    fixture.texts.recv().unwrap();
    let quarter = "x".repeat(MAX_BYTES / 4);
    for _ in 0..5 {
        fixture.output.push(&quarter);
    }
    assert_eq!(fixture.output.dropped(), 1);
}

#[test]
fn a_reader_that_does_not_read_holds_up_neither_a_text_nor_the_end() {
    let fixture = fixture();
    fixture.output.push("first");
    fixture.texts.recv().unwrap();
    let limit = Some(Duration::from_millis(10));
    let late = fixture.output.write("second", limit);
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(fixture.thread);
    fixture.output.push("third");
    assert_eq!(fixture.output.dropped(), 1);
}

#[test]
fn what_is_written_whole_has_no_bound_and_learns_when_the_reader_is_gone() {
    let fixture = fixture();
    let long = "x".repeat(MAX_BYTES * 2);
    fixture.answers.send(Ok(())).unwrap();
    fixture.output.write(&long, None).unwrap();
    assert_eq!(fixture.texts.recv().unwrap(), long);
    fixture
        .answers
        .send(Err(io::ErrorKind::BrokenPipe.into()))
        .unwrap();
    let gone = fixture.output.write("more", None);
    assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(fixture.output.dropped(), 1);
}

#[test]
fn an_output_without_a_thread_drops_everything_and_waits_for_nothing() {
    let output = Output::default();
    output.push("text");
    assert!(output.write("text", None).is_err());
    assert_eq!(output.dropped(), 2);
}

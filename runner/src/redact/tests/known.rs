//! What one holder has is masked in the texts of all.

use super::*;
use crate::redact::known::{SuiteSecrets, TooManySecrets};

const ONE: &str = "correct-horse-battery";
const TWO: &str = "staple-tr0ub4dor";

fn shared(values: &[&str]) -> Vec<Arc<Secret>> {
    values.iter().map(|value| Arc::new(Secret::new(value))).collect()
}

#[test]
fn a_secret_of_one_holder_is_masked_in_the_texts_of_all() {
    let known = KnownSecrets::default();
    let nobody = known.others();
    assert!(nobody.is_empty());
    let holders = [known.hold([ONE]), known.hold([TWO]), nobody];
    for holder in &holders {
        for written in encodings(ONE).into_iter().chain(encodings(TWO)) {
            let redacted = holder.redact(&written);
            assert!(redacted.contains("***"), "{redacted}");
            assert!(!redacted.contains(&written), "{redacted}");
        }
    }
    let elsewhere = KnownSecrets::default().others();
    assert_eq!(elsewhere.redact(ONE), ONE);
}

#[test]
fn what_another_part_of_the_runner_holds_is_known_once_it_is_shared() {
    let known = KnownSecrets::default();
    let apart = Secrets::of([ONE]);
    assert_eq!(known.others().redact(ONE), ONE);
    let shared = apart.shared(&known);
    let _other = known.hold([TWO]);
    assert_eq!(known.others().redact(ONE), "***");
    assert_eq!(shared.redact(TWO), "***");
    assert_eq!(apart.redact(TWO), TWO);
}

#[test]
fn what_may_be_an_ordinary_word_is_masked_for_its_holder_only() {
    let known = KnownSecrets::default();
    for value in ["1234", "hunter2", "0000000000000000", "-=-=-=-=-=-=-=-=-=-="] {
        let holder = known.hold([value]);
        let text = format!("got {value}, or {}", hex::encode(value));
        assert_eq!(known.others().redact(&text), text);
        assert_eq!(holder.redact(&text), "got ***, or ***");
    }
    let holder = known.hold(["https://canary:hunter2@shop.secret.example/"]);
    assert_eq!(holder.redact("no hunter2"), "no ***");
    assert_eq!(known.others().redact("no hunter2"), "no hunter2");
    assert_eq!(
        known.others().redact("no user at shop.secret.example"),
        "no user at ***"
    );
    let _holder = known.hold(["hunter2!"]);
    assert_eq!(known.others().redact("got hunter2!"), "got ***");
}

#[test]
fn the_secrets_of_a_suite_are_known_once_they_are_published() {
    let known = KnownSecrets::default();
    let mut suite = SuiteSecrets::new(&known);
    let secrets = shared(&[ONE, "1234"]);
    let secrets = suite.part(&secrets);
    let (with, without) = (suite.of(&[secrets]), suite.of(&[]));
    assert_eq!(without.redact(ONE), ONE);
    suite.publish().unwrap();
    for secrets in [&with, &without, &known.others()] {
        assert_eq!(secrets.redact(ONE), "***");
    }
    assert_eq!(with.redact("pin 1234"), "pin ***");
    assert_eq!(without.redact("pin 1234"), "pin 1234");
}

#[test]
fn the_secrets_of_the_suite_before_are_masked_while_one_of_its_checks_is_left() {
    let known = KnownSecrets::default();
    let publish = |value: &str| {
        let mut suite = SuiteSecrets::new(&known);
        let value = suite.part(&shared(&[value]));
        let _with = suite.of(&[value]);
        let check = suite.of(&[]);
        suite.publish().unwrap();
        check
    };
    let before = publish(ONE);
    let after = publish(TWO);
    assert_eq!(before.redact(TWO), "***");
    assert_eq!(after.redact(ONE), "***");
    drop(before);
    let last = publish("another-secret-of-mine");
    assert_eq!(last.redact(ONE), ONE);
    assert_eq!(last.redact(TWO), "***");
    drop(after);
}

#[test]
fn secrets_for_which_there_is_no_memory_are_refused_and_those_before_stay_known() {
    let known = KnownSecrets::default();
    let set = |value: &str| {
        let set = Arc::new(SecretSet::default());
        set.extend(&shared(&[value]));
        set
    };
    assert!(TooManySecrets::All.is_transient() && !TooManySecrets::Suite.is_transient());
    let (one, two) = (set(ONE), set(TWO));
    let refused = known.admit(&one, 500, usize::MAX);
    assert_eq!(refused, Err(TooManySecrets::Suite));
    let bytes = 9 * Pieces::from(needle::shared(ONE)).len();
    assert_eq!(known.admit(&one, bytes, bytes), Ok(()));
    assert_eq!(known.admit(&two, bytes, bytes), Err(TooManySecrets::All));
    assert_eq!(known.others().redact(ONE), "***");
    assert_eq!(known.others().redact(TWO), TWO);
}

#[test]
fn a_suite_without_secrets_forgets_those_that_nobody_has_any_more() {
    let known = KnownSecrets::default();
    drop(known.hold([ONE]));
    assert_eq!(known.others().redact(ONE), "***", "until others come");
    SuiteSecrets::new(&known).publish().unwrap();
    assert_eq!(known.others().redact(ONE), ONE);
}

#[test]
fn a_secret_that_is_written_for_all_to_see_is_found_whole_in_each_encoding() {
    let value = "Correct horse+12";
    let known = KnownSecrets::default();
    let mut suite = SuiteSecrets::new(&known);
    let part = suite.part(&shared(&[value, "seven-7", "eight--8", "abababababab"]));
    let _held = suite.of(&[part]);
    suite.publish().unwrap();
    let exposed = suite.exposed();
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    for written in [
        value.to_owned(),
        value.to_uppercase(),
        hex::encode(value),
        STANDARD.encode(value),
        STANDARD.encode(format!("{value}x")),
        form,
        "eight--8".to_owned(),
    ] {
        assert!(exposed.are_in(&format!("see {written}.")), "{written}");
    }
    for text in ["see Correct horse", "seven-7", "abababababab", "nothing"] {
        assert!(!exposed.are_in(text), "{text}");
    }
    let none = SuiteSecrets::new(&known).exposed();
    assert!(none.is_empty() && !none.are_in(value));
}

//! The secrets of one owner are masked in the texts of all.

use super::*;
use crate::redact::registry::{SuiteSecrets, TooManySecrets};

const ONE: &str = "correct-horse-battery";
const TWO: &str = "staple-tr0ub4dor";

fn shared(values: &[&str]) -> Vec<Arc<Secret>> {
    values.iter().map(|value| Arc::new(Secret::new(value))).collect()
}

#[test]
fn a_secret_of_one_owner_is_masked_in_the_texts_of_all() {
    let known = SecretRegistry::default();
    let without_own = known.secrets();
    assert!(without_own.is_empty());
    let owners = [known.register([ONE]), known.register([TWO]), without_own];
    for owner in &owners {
        for written in encodings(ONE).into_iter().chain(encodings(TWO)) {
            let redacted = owner.redact(&written);
            assert!(redacted.contains("***"), "{redacted}");
            assert!(!redacted.contains(&written), "{redacted}");
        }
    }
    let elsewhere = SecretRegistry::default().secrets();
    assert_eq!(elsewhere.redact(ONE), ONE);
}

#[test]
fn what_another_part_of_the_runner_holds_is_known_once_it_is_shared() {
    let known = SecretRegistry::default();
    let apart = Secrets::new([ONE]);
    assert_eq!(known.secrets().redact(ONE), ONE);
    let shared = apart.registered_in(&known);
    let _other = known.register([TWO]);
    assert_eq!(known.secrets().redact(ONE), "***");
    assert_eq!(shared.redact(TWO), "***");
    assert_eq!(apart.redact(TWO), TWO);
}

#[test]
fn what_may_be_an_ordinary_word_is_masked_for_its_owner_only() {
    let known = SecretRegistry::default();
    for value in ["1234", "hunter2", "0000000000000000", "-=-=-=-=-=-=-=-=-=-="] {
        let owner = known.register([value]);
        let text = format!("got {value}, or {}", hex::encode(value));
        assert_eq!(known.secrets().redact(&text), text);
        assert_eq!(owner.redact(&text), "got ***, or ***");
    }
    let owner = known.register(["https://canary:hunter2@shop.secret.example/"]);
    assert_eq!(owner.redact("no hunter2"), "no ***");
    assert_eq!(known.secrets().redact("no hunter2"), "no hunter2");
    assert_eq!(
        known.secrets().redact("no user at shop.secret.example"),
        "no user at ***"
    );
    let _owner = known.register(["hunter2!"]);
    assert_eq!(known.secrets().redact("got hunter2!"), "got ***");
}

#[test]
fn the_secrets_of_a_suite_are_known_once_they_are_published() {
    let known = SecretRegistry::default();
    let mut suite = SuiteSecrets::new(&known);
    let secrets = shared(&[ONE, "1234"]);
    let secrets = suite.group(&secrets);
    let (with, without) = (suite.for_check(&[secrets]), suite.for_check(&[]));
    assert_eq!(without.redact(ONE), ONE);
    suite.publish().unwrap();
    for secrets in [&with, &without, &known.secrets()] {
        assert_eq!(secrets.redact(ONE), "***");
    }
    assert_eq!(with.redact("pin 1234"), "pin ***");
    assert_eq!(without.redact("pin 1234"), "pin 1234");
}

#[test]
fn the_secrets_of_the_suite_before_are_masked_while_one_of_its_checks_is_left() {
    let known = SecretRegistry::default();
    let publish = |value: &str| {
        let mut suite = SuiteSecrets::new(&known);
        let value = suite.group(&shared(&[value]));
        let _with = suite.for_check(&[value]);
        let check = suite.for_check(&[]);
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
    let known = SecretRegistry::default();
    let set = |value: &str| {
        let set = Arc::new(SecretSet::default());
        set.extend(&shared(&[value]));
        set
    };
    assert!(TooManySecrets::All.is_transient() && !TooManySecrets::Suite.is_transient());
    let (one, two) = (set(ONE), set(TWO));
    let refused = known.try_register(&one, 500, usize::MAX);
    assert_eq!(refused, Err(TooManySecrets::Suite));
    let bytes = 9 * Fingerprints::from(secret_forms::shared(ONE)).len();
    assert_eq!(known.try_register(&one, bytes, bytes), Ok(()));
    assert_eq!(known.try_register(&two, bytes, bytes), Err(TooManySecrets::All));
    assert_eq!(known.secrets().redact(ONE), "***");
    assert_eq!(known.secrets().redact(TWO), TWO);
}

#[test]
fn a_value_that_two_owners_have_takes_memory_once() {
    let known = SecretRegistry::default();
    let set = |values: &[&str]| {
        let set = Arc::new(SecretSet::default());
        set.extend(&shared(values));
        set
    };
    let bytes = |value| 9 * Fingerprints::from(secret_forms::shared(value)).len();
    let (one, both) = (set(&[ONE]), set(&[ONE, TWO]));
    assert_eq!(known.try_register(&one, usize::MAX, usize::MAX), Ok(()));
    let most = bytes(ONE) + bytes(TWO);
    assert_eq!(known.try_register(&both, most, most), Ok(()));
}

#[test]
fn what_is_known_already_is_not_fingerprinted_again() {
    let known = SecretRegistry::default();
    let _one = known.register([ONE]);
    let before = known.fingerprints();
    let _same = known.register([ONE]);
    assert!(Arc::ptr_eq(&before, &known.fingerprints()));
}

#[test]
fn a_check_masks_the_only_secret_of_a_group_and_shares_what_is_empty() {
    let mut suite = SuiteSecrets::new(&SecretRegistry::default());
    let [single, empty] = [suite.group(&shared(&["1234"])), suite.group(&[])];
    assert_eq!(suite.for_check(&[single]).redact("pin 1234"), "pin ***");
    let [one, two] = [suite.for_check(&[empty]), suite.for_check(&[])];
    assert!(Arc::ptr_eq(one.own.as_ref().unwrap(), two.own.as_ref().unwrap()));
}

#[test]
fn a_secret_of_a_check_that_does_not_run_is_masked_for_others() {
    let known = SecretRegistry::default();
    let suite = SuiteSecrets::new(&known);
    suite.add(&shared(&[ONE]));
    suite.publish().unwrap();
    assert_eq!(known.secrets().redact(ONE), "***");
}

#[test]
fn a_plugin_gets_a_secret_as_it_was_given() {
    assert_eq!(Secret::new(" Correct\thorse ").expose(), " Correct\thorse ");
}

#[test]
fn a_suite_without_secrets_forgets_those_without_an_owner() {
    let known = SecretRegistry::default();
    drop(known.register([ONE]));
    assert_eq!(known.secrets().redact(ONE), "***", "until others come");
    SuiteSecrets::new(&known).publish().unwrap();
    assert_eq!(known.secrets().redact(ONE), ONE);
}

#[test]
fn a_secret_that_is_written_for_all_to_see_is_found_whole_in_each_encoding() {
    let value = "Correct horse+12";
    let known = SecretRegistry::default();
    let mut suite = SuiteSecrets::new(&known);
    let part = suite.group(&shared(&[
        value,
        "seven-7",
        "eight--8",
        "abababababab",
        "abcabcabcabc",
    ]));
    let _held = suite.for_check(&[part]);
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
        "abcabcabcabc".to_owned(),
    ] {
        assert!(exposed.appear_in(&format!("see {written}.")), "{written}");
    }
    let other = STANDARD.encode("eight--x");
    for text in ["see Correct horse", "seven-7", "abababababab", "nothing", &other] {
        assert!(!exposed.appear_in(text), "{text}");
        // An excerpt of one does not lead to another.
        assert!(!exposed.appear_in(&format!("{text}, Correct horse")), "{text}");
    }
    let none = SuiteSecrets::new(&known).exposed();
    assert!(none.is_empty() && !none.appear_in(value));
}

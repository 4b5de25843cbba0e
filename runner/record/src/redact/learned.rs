//! Secrets that a run learns from a peer, such as an access token.

use std::fmt;
use std::sync::Arc;

use super::fingerprints::FingerprintBuilder;
use super::{OwnSecrets, REDACTED, SecretGroup, Secrets, secret_forms};

/// Maximum number of learned secrets of one attempt, and of those that a run remembers.
const MAX_VALUES: usize = 16;
/// Maximum length of all of them, in bytes: their fingerprints take some hundred bytes of memory for each.
const MAX_BYTES: usize = 16 << 10;

/// The secrets of a run's check, and those that the run has learned. The latter are masked in texts of this run only.
pub struct LearnedSecrets {
    known: Secrets,
    /// In the order in which they were learned.
    values: Vec<String>,
    /// How many of the values are those of earlier attempts.
    earlier: usize,
    all: Secrets,
}

/// A secret that is not masked, because there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// The number that is allowed.
    #[error("more than {0} secrets")]
    TooMany(usize),
    /// The number of bytes that is allowed.
    #[error("secrets of more than {0} bytes")]
    TooLong(usize),
}

impl LearnedSecrets {
    pub(crate) fn new(known: Secrets) -> Self {
        Self {
            all: known.clone(),
            known,
            values: Vec::new(),
            earlier: 0,
        }
    }

    /// Those of the check, which no plugin chooses.
    pub(crate) fn known(&self) -> &Secrets {
        &self.known
    }

    /// Starts another attempt, which may learn as many. Its values replace the oldest of earlier attempts, once there
    /// are too many.
    pub(crate) fn next_attempt(&mut self) {
        self.earlier = self.values.len();
    }

    /// All secrets.
    pub(crate) fn all(&self) -> &Secrets {
        &self.all
    }

    /// Adds a secret, unless it is masked already.
    pub(crate) fn add(&mut self, value: &str) -> Result<(), MaskError> {
        // Before anything is searched: nothing interrupts a search.
        if value.len() > MAX_BYTES {
            return Err(MaskError::TooLong(MAX_BYTES));
        }
        if value.is_empty() || self.is_masked(value) {
            return Ok(());
        }
        self.make_room(value.len())?;
        self.values.push(value.to_owned());
        // In one group, so that each text is searched once for all of them.
        let mut fingerprints = FingerprintBuilder::default();
        for value in &self.values {
            fingerprints.absorb(secret_forms::own(value));
            fingerprints.absorb(secret_forms::shared(value));
        }
        self.all = self.known.with_group(SecretGroup {
            fingerprints: fingerprints.into(),
            count: self.values.len(),
        });
        Ok(())
    }
}

impl LearnedSecrets {
    /// Whether a value is masked wherever it occurs: at the end of a text, the beginning of a secret is masked as well.
    fn is_masked(&self, value: &str) -> bool {
        let within = self.all.redact(&format!("{value} x"));
        within.strip_suffix(" x").is_some_and(|masked| masked == REDACTED)
    }

    /// Forgets the oldest secrets of earlier attempts until there is room for a value of `bytes` bytes.
    fn make_room(&mut self, bytes: usize) -> Result<(), MaskError> {
        loop {
            let used: usize = self.values.iter().map(String::len).sum();
            let error = if self.values.len() >= MAX_VALUES {
                MaskError::TooMany(MAX_VALUES)
            } else if used.saturating_add(bytes) > MAX_BYTES {
                MaskError::TooLong(MAX_BYTES)
            } else {
                return Ok(());
            };
            if self.earlier == 0 {
                return Err(error);
            }
            self.earlier -= 1;
            self.values.remove(0);
        }
    }
}

impl Secrets {
    /// These secrets, and a group that is masked in texts of the same owner only.
    fn with_group(&self, group: SecretGroup) -> Self {
        let mut groups = self.own.as_ref().map_or_else(Vec::new, |own| own.groups.clone());
        groups.push(Arc::new(group));
        let set = self.own.as_ref().map(|own| Arc::clone(&own.set));
        Self {
            registry: self.registry.clone(),
            own: Some(Arc::new(OwnSecrets {
                groups,
                set: set.unwrap_or_default(),
            })),
        }
    }
}

impl fmt::Debug for LearnedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD_NO_PAD;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl";

    #[test]
    fn a_learned_secret_is_masked_like_one_of_the_suite() {
        let mut secrets = LearnedSecrets::new(Secrets::new(["hunter2!"]));
        secrets.add(TOKEN).unwrap();
        secrets.add("k9-x").unwrap();
        let masked = |text: &str| secrets.all().redact(text);
        assert_eq!(
            masked(&format!("hunter2! and {TOKEN} and k9-x")),
            "*** and *** and ***"
        );
        assert_eq!(masked(&BASE64_STANDARD_NO_PAD.encode(TOKEN)), "***");
        assert_eq!(masked(&TOKEN[5..40]), "***");
        assert_eq!(masked("a word"), "a word");
    }

    #[test]
    fn nothing_is_masked_for_others() {
        let known = Secrets::new(["hunter2!"]);
        let mut secrets = LearnedSecrets::new(known.clone());
        secrets.add(TOKEN).unwrap();
        assert_eq!(known.redact(TOKEN), TOKEN);
        assert!(!format!("{secrets:?}").contains("eyJ"));
    }

    #[test]
    fn there_is_a_limit_to_what_a_run_learns() {
        let mut secrets = LearnedSecrets::new(Secrets::default());
        assert_eq!(
            secrets.add(&"x".repeat(MAX_BYTES + 1)),
            Err(MaskError::TooLong(MAX_BYTES))
        );
        for number in 0..MAX_VALUES {
            secrets.add(&format!("learned-secret-{number:08}")).unwrap();
        }
        assert_eq!(
            secrets.add("one-more-secret"),
            Err(MaskError::TooMany(MAX_VALUES))
        );
        assert_eq!(secrets.add("learned-secret-00000001"), Ok(()), "masked already");
    }

    #[test]
    fn each_attempt_learns_as_many_and_the_newest_are_remembered() {
        let mut secrets = LearnedSecrets::new(Secrets::default());
        for attempt in 0..20 {
            for number in 0..3 {
                secrets
                    .add(&format!("token-{attempt:02}-{number}-{}", "x".repeat(2_000)))
                    .unwrap();
            }
            secrets.next_attempt();
        }
        assert_eq!(
            secrets.all().redact("token-19-0-xxxx and token-18-2-xxxx"),
            "*** and ***"
        );
        assert!(secrets.values.len() <= MAX_VALUES);
    }

    #[test]
    fn a_new_attempt_forgets_the_oldest_of_earlier_ones_and_none_of_its_own() {
        let value = |attempt: usize, number: usize| format!("token-{attempt}-{number:02}-wxyz");
        let mut secrets = LearnedSecrets::new(Secrets::default());
        for number in 0..MAX_VALUES {
            secrets.add(&value(1, number)).unwrap();
        }
        secrets.next_attempt();
        secrets.add(&value(2, 0)).unwrap();
        assert!(!secrets.is_masked(&value(1, 0)));
        assert!(secrets.is_masked(&value(1, 1)));
        for number in 1..MAX_VALUES {
            secrets.add(&value(2, number)).unwrap();
        }
        let too_many = Err(MaskError::TooMany(MAX_VALUES));
        assert_eq!(secrets.add(&value(2, MAX_VALUES)), too_many);
        assert!((0..MAX_VALUES).all(|number| secrets.is_masked(&value(2, number))));
    }

    #[test]
    fn what_is_too_long_or_empty_takes_no_room() {
        let mut secrets = LearnedSecrets::new(Secrets::default());
        secrets.add("first-secret").unwrap();
        secrets.next_attempt();
        let too_long = Err(MaskError::TooLong(MAX_BYTES));
        assert_eq!(secrets.add(&"x".repeat(MAX_BYTES + 1)), too_long);
        for _ in 0..=MAX_VALUES {
            secrets.add("").unwrap();
        }
        secrets.add("second-one").unwrap();
        assert!(secrets.is_masked("first-secret"));
    }

    #[test]
    fn the_bytes_of_all_values_together_have_a_limit() {
        let mut secrets = LearnedSecrets::new(Secrets::default());
        secrets.add(&"x".repeat(MAX_BYTES)).unwrap();
        assert_eq!(secrets.add("efgh"), Err(MaskError::TooLong(MAX_BYTES)));
        let mut secrets = LearnedSecrets::new(Secrets::default());
        secrets.add(&"x".repeat(MAX_BYTES - 4)).unwrap();
        secrets.add("abcd").unwrap();
        assert_eq!(secrets.add("efgh"), Err(MaskError::TooLong(MAX_BYTES)));
    }

    #[test]
    fn the_beginning_of_a_secret_is_learned_as_one_of_its_own() {
        let mut secrets = LearnedSecrets::new(Secrets::new(["hunter2hunter3"]));
        secrets.add("hunter2hu").unwrap();
        assert_eq!(secrets.all().redact("it is hunter2hu here"), "it is *** here");
    }
}

//! Problems of a configuration, with their locations.

use std::fmt;

use serde_path_to_error::{Path, Segment};

/// A problem of a check's configuration, or of its target: returned by
/// [`Probe::check_config`](crate::Probe::check_config).
///
/// ```
/// use canary_sdk::{Pointer, Problem};
///
/// let at = Pointer::root().key("expect").index(0).key("matches");
/// let problem = Problem::config(&at, "unclosed group at `(`").hint("write `\\(` for a parenthesis");
/// assert_eq!(problem.pointer(), "/config/expect/0/matches");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Problem {
    pointer: String,
    message: String,
    hint: Option<String>,
}

impl Problem {
    /// A problem at this location of the configuration. The message is one line for a person: it is cut at 1 KiB.
    pub fn config(at: &Pointer, message: impl fmt::Display) -> Self {
        Self::new(format!("/config{at}"), message)
    }

    /// A problem of the target.
    pub fn target(message: impl fmt::Display) -> Self {
        Self::new("/target".to_owned(), message)
    }

    fn new(pointer: String, message: impl fmt::Display) -> Self {
        Self {
            pointer,
            message: message.to_string(),
            hint: None,
        }
    }

    /// Adds what to do about it, in at most 1 KiB.
    pub fn hint(self, hint: impl fmt::Display) -> Self {
        Self {
            hint: Some(hint.to_string()),
            ..self
        }
    }

    /// The location: a JSON pointer into the check, such as `/config/expect/0` or `/target`.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (String, String, Option<String>) {
        (self.pointer, self.message, self.hint)
    }
}

/// `/config/expect/0: unclosed group`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

/// A location in a configuration, as a JSON pointer (RFC 6901).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Pointer(String);

impl Pointer {
    /// The configuration as a whole.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value under this key.
    pub fn key(&self, key: &str) -> Self {
        Self(format!(
            "{}/{}",
            self.0,
            key.replace('~', "~0").replace('/', "~1")
        ))
    }

    /// The element at this index, which counts from 0.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// Converts the path that serde reports.
    pub(crate) fn of(path: &Path) -> Self {
        let mut pointer = Self::root();
        for segment in path.iter() {
            pointer = match segment {
                Segment::Seq { index } => pointer.index(*index),
                Segment::Map { key } => pointer.key(key),
                // The name of a variant is usually not a key.
                Segment::Enum { .. } => pointer,
                Segment::Unknown => return pointer,
            };
        }
        pointer
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::plumbing::check_config;
    use crate::{Check, Duration, Error, Probe, TargetForm, Verdict};

    #[derive(Deserialize, schemars::JsonSchema)]
    struct Config {
        steps: Vec<Step>,
    }

    #[derive(Deserialize, schemars::JsonSchema)]
    struct Step {
        wait: Duration,
    }

    struct Waits;

    impl Probe for Waits {
        type Config = Config;
        const NAME: &'static str = "waits";
        const SUMMARY: &'static str = "";
        const TARGETS: &'static [TargetForm] = &[TargetForm::HostPort];

        fn check_config(config: &Config) -> Vec<Problem> {
            let steps = Pointer::root().key("steps");
            let problems = (0..config.steps.len())
                .filter(|index| config.steps[*index].wait.get().is_zero())
                .map(|index| Problem::config(&steps.index(index).key("wait"), "is zero"));
            problems.collect()
        }

        fn check_target(target: &str, _: &Config) -> Vec<Problem> {
            let problem = (target == "nowhere").then(|| Problem::target("leads nowhere"));
            problem.into_iter().collect()
        }

        fn run(_: &Check<Config>) -> Result<Verdict, Error> {
            Ok(Verdict::pass(""))
        }
    }

    fn found(target: &str, config: &str) -> Vec<String> {
        let problems = check_config::<Waits>(Some(target), config);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_probe_says_what_is_wrong_with_its_configuration_and_its_target() {
        let config = r#"{"steps":[{"wait":"1s"},{"wait":"0s"}]}"#;
        assert_eq!(
            found("nowhere", config),
            ["/config/steps/1/wait: is zero", "/target: leads nowhere"]
        );
        assert!(found("somewhere", r#"{"steps":[]}"#).is_empty());
    }

    #[test]
    fn what_does_not_fit_the_type_is_a_problem_at_its_place() {
        let found = found("somewhere", r#"{"steps":[{"wait":"1s"},{"wait":"soon"}]}"#);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("/config/steps/1/wait: "), "{}", found[0]);
    }

    #[test]
    fn a_pointer_escapes_what_would_end_a_token() {
        assert_eq!(Pointer::root().key("a/b~c").index(2).to_string(), "/a~1b~0c/2");
    }
}

//! The record of a run: all of its texts are created by its [`Recorder`], which redacts secrets and enforces a byte
//! budget.
//!
//! [`Text`] and [`Peer`] cannot be created anywhere else, so nothing enters a run's record without passing its budget
//! and redaction. Texts are bounded before they are stored: what does not fit is truncated and counted. Nothing here
//! knows who records, or who reads.

mod conversation;
mod peer;
pub mod quota;
pub mod redact;
#[cfg(test)]
mod tests;
mod text;
pub mod trace;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

pub use conversation::{ConnectionLog, Content, Conversation, Layer, Line, LineKind, Transcript};
pub use peer::{Address, Peer};
pub use text::Text;

use crate::redact::{LearnedSecrets, MaskError, OVERLAP, REDACTED, Secrets};

/// Maximum length of a text, in bytes.
pub const MAX_TEXT: usize = 4 << 10;
/// Memory overhead of a text in addition to its bytes: the handle and the allocation.
pub(crate) const TEXT_OVERHEAD: u64 = 56;
/// Maximum number of entries in one list of a verdict, or of fields in one log line. Measurements have a quota.
const MAX_ENTRIES: usize = 256;
/// The least number that is recognised as a secret: one of fewer than six digits may be a coincidence.
const MIN_SECRET: f64 = 100_000.0;

/// A section of a record. Later, more important sections have budget that earlier ones cannot use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Log lines of the guest.
    Log,
    /// Actions of the host.
    Trail,
    /// The guest's verdict on its target.
    Verdict,
    /// The summary of the verdict, its first failed assertion, or the error that ended the run.
    Conclusion,
}

impl Section {
    const COUNT: usize = 4;

    /// How many bytes of the budget may be used once this section has been written.
    fn share(self, budget: u64) -> u64 {
        let sixteenths = match self {
            Self::Log => 12,
            Self::Trail => 14,
            Self::Verdict => 15,
            Self::Conclusion => 16,
        };
        budget / 16 * sixteenths + budget % 16
    }
}

/// Size of a run's record, and what was left out of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordUsage {
    /// Bytes used of the budget.
    pub bytes: u64,
    /// Number of truncated texts and omitted entries.
    pub cut: u64,
    /// How many of these were cut because the budget was exhausted.
    pub denied: u64,
    /// Bytes that were truncated or omitted.
    pub cut_bytes: u64,
}

/// Records the texts of one run, across all of its attempts. Shared by all components that work for the run.
#[derive(Debug)]
pub struct Recorder {
    /// Written only when the run learns a secret.
    secrets: RwLock<LearnedSecrets>,
    budget: u64,
    /// Held for a few assignments.
    counts: Mutex<Counters>,
    /// Present only if a conversation was requested.
    conversation: Option<Conversation>,
}

#[derive(Debug, Default)]
struct Counters {
    /// Bytes used per section.
    used: [u64; Section::COUNT],
    cut: u64,
    denied: u64,
    cut_bytes: u64,
}

impl Recorder {
    /// Creates a record of at most `budget` bytes that contains none of `secrets`.
    #[must_use]
    pub fn new(secrets: Secrets, budget: u64) -> Arc<Self> {
        Arc::new(Self {
            secrets: RwLock::new(LearnedSecrets::new(secrets)),
            budget,
            counts: Mutex::default(),
            conversation: None,
        })
    }

    /// Like [`Recorder::new`], but also records the run's conversation, up to 256 KiB.
    #[must_use]
    pub fn with_conversation(secrets: Secrets, budget: u64) -> Arc<Self> {
        Arc::new(Self {
            secrets: RwLock::new(LearnedSecrets::new(secrets)),
            budget,
            counts: Mutex::default(),
            conversation: Some(Conversation::new()),
        })
    }

    /// The run's conversation, if it is recorded.
    #[must_use]
    pub fn conversation(&self) -> Option<&Conversation> {
        self.conversation.as_ref()
    }

    /// Masks a secret that the run has learned, in all texts from now on and in the whole conversation.
    pub fn mask(&self, value: &str) -> Result<(), MaskError> {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.add(value)
    }

    /// The secrets of the run, those that it has learned included.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        self.learned().all().clone()
    }

    /// Adds a note to the conversation; `text` is called only if one is recorded.
    pub fn note(&self, text: impl FnOnce() -> String) {
        if let Some(conversation) = &self.conversation {
            conversation.note(text());
        }
    }

    /// The conversation so far, with secrets redacted.
    #[must_use]
    pub fn transcript(&self) -> Option<Transcript> {
        let conversation = self.conversation.as_ref()?;
        Some(conversation.transcript(&self.secrets()))
    }

    /// Records a text with secrets redacted, truncated to 4 KiB and to the remaining budget.
    pub fn text<'t>(&self, section: Section, text: impl Into<Cow<'t, str>>) -> Text {
        self.entry(section, MAX_TEXT).text(text)
    }

    /// Starts a group of related texts, of at most `max_bytes` in total.
    pub fn entry(&self, section: Section, max_bytes: usize) -> Entry<'_> {
        Entry {
            recorder: self,
            section,
            left: max_bytes,
            scanned_bytes: 0,
        }
    }

    /// Reserves `bytes` for something in addition to its texts. If this fails, the item must be omitted; it is counted
    /// as cut.
    #[must_use]
    pub fn admit(&self, section: Section, bytes: u64) -> bool {
        let mut counts = self.counts();
        let fits = bytes <= counts.remaining(section, self.budget);
        if fits {
            counts.charge(section, bytes)
        } else {
            counts.count_omitted(bytes)
        }
        fits
    }

    /// Counts the texts of an item that was omitted entirely.
    pub fn record_omitted(&self, bytes: u64) {
        self.counts().cut_bytes += bytes;
    }

    /// The secrets of the run's check. A plugin cannot add to these: it must not hide where it connects.
    fn secrets_of_check(&self) -> Secrets {
        self.learned().known().clone()
    }

    /// Records the name of a host that the run looks up or connects to, like [`Recorder::text`]. Only secrets of the
    /// check are redacted.
    pub fn host<'t>(&self, section: Section, name: impl Into<Cow<'t, str>>) -> Text {
        let secrets = self.secrets_of_check();
        self.entry(section, MAX_TEXT).text_without(name.into(), &secrets)
    }

    /// The address of a peer, redacted if it is a secret of the check.
    #[must_use]
    pub fn peer(&self, address: SocketAddr) -> Peer {
        Peer::new(address, &self.secrets_of_check())
    }

    /// An IP address, redacted if it is a secret of the check.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> Address {
        Address::new(address, &self.secrets_of_check())
    }

    /// Frees the budget of an attempt that is retried: only its trail is kept. The next one may learn secrets of its
    /// own.
    pub fn reset_for_retry(&self) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.next_attempt();
        drop(secrets);
        let mut counts = self.counts();
        for section in [Section::Log, Section::Verdict, Section::Conclusion] {
            if let Some(used) = counts.used.get_mut(section as usize) {
                *used = 0;
            }
        }
    }

    /// Size of the record so far, and what was left out.
    #[must_use]
    pub fn usage(&self) -> RecordUsage {
        let counts = self.counts();
        RecordUsage {
            bytes: counts.total(),
            cut: counts.cut,
            denied: counts.denied,
            cut_bytes: counts.cut_bytes,
        }
    }

    /// Held while one text is redacted: only the run itself learns secrets, and it does so between two texts.
    fn learned(&self) -> RwLockReadGuard<'_, LearnedSecrets> {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counters> {
        // Critical sections are a few assignments.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    fn total(&self) -> u64 {
        self.used.iter().sum()
    }

    fn remaining(&self, section: Section, budget: u64) -> u64 {
        section.share(budget).saturating_sub(self.total())
    }

    fn charge(&mut self, section: Section, bytes: u64) {
        if let Some(used) = self.used.get_mut(section as usize) {
            *used += bytes;
        }
    }

    fn count_omitted(&mut self, bytes: u64) {
        self.cut += 1;
        self.denied += 1;
        self.cut_bytes += bytes;
    }
}

/// Related texts, such as those of one log line, with a limit of their own.
#[derive(Debug)]
pub struct Entry<'r> {
    recorder: &'r Recorder,
    section: Section,
    left: usize,
    scanned_bytes: usize,
}

impl Entry<'_> {
    /// Records the next text.
    pub fn text<'t>(&mut self, text: impl Into<Cow<'t, str>>) -> Text {
        let secrets = self.recorder.learned();
        self.text_without(text.into(), secrets.all())
    }

    fn text_without(&mut self, text: Cow<'_, str>, secrets: &Secrets) -> Text {
        let wanted = text.floor_char_boundary(self.left.min(MAX_TEXT));
        let kept = text.floor_char_boundary(self.reserve(wanted, text.len()));
        self.left = self.left.saturating_sub(kept);
        self.scanned_bytes = self
            .scanned_bytes
            .saturating_add(text.len().min(kept.saturating_add(OVERLAP)));
        Text::redacted(text, kept, secrets)
    }

    /// Records key-value pairs, at most 256 and as long as there is room.
    pub fn pairs(&mut self, pairs: Vec<(String, String)>) -> Vec<(Text, Text)> {
        let mut kept = Vec::new();
        for (key, value) in pairs {
            kept.extend(self.pair(kept.len(), key, value));
        }
        kept.shrink_to_fit();
        kept
    }

    /// Records one more pair in addition to `count` others; returns `None` if there is no room.
    pub fn pair(&mut self, count: usize, key: String, value: String) -> Option<(Text, Text)> {
        let is_wanted = count < MAX_ENTRIES && self.left > 0;
        if is_wanted && self.has_remaining() {
            return Some((self.text(key), self.text(value)));
        }
        self.count_omitted(key.len().saturating_add(value.len()), is_wanted);
        None
    }

    /// Returns the number, or NaN if its digits are a secret of at least six digits.
    #[must_use]
    pub fn number(&self, value: f64) -> f64 {
        // Most values have fewer digits, and there is one for each measurement.
        let digits = value.abs().trunc();
        if digits < MIN_SECRET {
            return value;
        }
        let written = digits.to_string();
        let is_secret = self.recorder.learned().all().redact(&written) == REDACTED;
        if is_secret { f64::NAN } else { value }
    }

    /// Reserves space for one more `T` in addition to `count` others in a list. If this fails, the item must be
    /// omitted; it is counted as cut.
    #[must_use]
    pub fn admit<T>(&self, count: usize) -> bool {
        let bytes = u64::try_from(size_of::<T>()).unwrap_or(u64::MAX);
        if count >= MAX_ENTRIES {
            self.count_omitted(0, false);
            return false;
        }
        self.recorder.admit(self.section, bytes)
    }

    /// Number of bytes searched for secrets so far.
    #[must_use]
    pub fn scanned_bytes(&self) -> usize {
        self.scanned_bytes
    }

    /// Sets the section to which subsequent texts belong.
    pub fn section(&mut self, section: Section) -> &mut Self {
        self.section = section;
        self
    }

    fn has_remaining(&self) -> bool {
        let recorder = self.recorder;
        recorder.counts().remaining(self.section, recorder.budget) > 2 * TEXT_OVERHEAD
    }

    fn count_omitted(&self, bytes: usize, is_denied: bool) {
        let mut counts = self.recorder.counts();
        counts.cut += 1;
        counts.denied += u64::from(is_denied);
        counts.cut_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Reserves space for `wanted` of `total` bytes; returns the number of bytes granted.
    fn reserve(&self, wanted: usize, total: usize) -> usize {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut counts = self.recorder.counts();
        let room = counts.remaining(self.section, self.recorder.budget);
        let granted = count(wanted).min(room.saturating_sub(TEXT_OVERHEAD));
        counts.charge(self.section, room.min(granted + TEXT_OVERHEAD));
        if granted < count(total) {
            counts.cut += 1;
            counts.cut_bytes += count(total) - granted;
            counts.denied += u64::from(granted < count(wanted));
        }
        usize::try_from(granted).unwrap_or(usize::MAX)
    }
}

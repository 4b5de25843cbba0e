//! What is recorded of a run: every text of it comes from its [`Recorder`], which redacts secrets and counts bytes.
//!
//! A [`Text`] and a [`Peer`] can be made nowhere else, so nothing gets into a run's record around its budget and its
//! secrets. Texts are judged before they are stored: what does not fit is cut, and counted.

mod conversation;
mod peer;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use conversation::{Channel, Content, Conversation, Layer, Line, Speaker, Transcript};
pub use peer::{Address, Peer};
pub use text::Text;

use crate::redact::{OVERLAP, REDACTED, Secrets};

/// Longest text of a record, in bytes.
pub const MAX_TEXT: usize = 4 << 10;
/// What a text takes besides its bytes: its place, and the allocator's.
pub const TEXT_WEIGHT: u64 = 56;
/// Entries of one list of a verdict, or fields of one log line.
const MAX_ENTRIES: usize = 256;
/// Digits; a shorter number may be any.
const MIN_DIGITS: usize = 6;

/// Part of a record. What comes late and matters most finds room that earlier parts cannot use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the guest logs.
    Log,
    /// What the host did.
    Trail,
    /// What the guest says of its target.
    Verdict,
    /// The summary of the verdict, its first failing assertion, or the error that ended the run.
    Conclusion,
}

impl Part {
    const COUNT: usize = 4;

    /// How far this part may fill the budget.
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

/// What a run's record takes, and what it lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordUsage {
    /// Bytes of the budget.
    pub bytes: u64,
    /// Texts that were cut, and entries that were left out.
    pub cut: u64,
    /// Of these, the ones for which the budget had no room.
    pub denied: u64,
    /// Bytes that were cut or left out.
    pub cut_bytes: u64,
}

/// Records texts of one run, all its attempts together. Shared by the parts of the host that work for the run.
#[derive(Debug)]
pub struct Recorder {
    secrets: Secrets,
    budget: u64,
    /// Held for a few assignments.
    counts: Mutex<Counts>,
    /// Only where somebody wants to read it.
    conversation: Option<Conversation>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Bytes by part.
    used: [u64; Part::COUNT],
    cut: u64,
    denied: u64,
    cut_bytes: u64,
}

impl Recorder {
    /// A record of at most `budget` bytes that shows none of `secrets`.
    #[must_use]
    pub fn new(secrets: Secrets, budget: u64) -> Arc<Self> {
        Arc::new(Self {
            secrets,
            budget,
            counts: Mutex::default(),
            conversation: None,
        })
    }

    /// The same, with the conversation of the run beside its record: 256 KiB of it at most.
    #[must_use]
    pub fn with_conversation(secrets: Secrets, budget: u64) -> Arc<Self> {
        Arc::new(Self {
            secrets,
            budget,
            counts: Mutex::default(),
            conversation: Some(Conversation::new()),
        })
    }

    /// The run's conversation, if it is wanted.
    #[must_use]
    pub fn conversation(&self) -> Option<&Conversation> {
        self.conversation.as_ref()
    }

    /// Writes a note into the conversation; the text is made only where it is wanted.
    pub fn note(&self, text: impl FnOnce() -> String) {
        if let Some(conversation) = &self.conversation {
            conversation.note(text());
        }
    }

    /// The conversation up to now, without secrets.
    #[must_use]
    pub fn transcript(&self) -> Option<Transcript> {
        let conversation = self.conversation.as_ref()?;
        Some(conversation.transcript(&self.secrets))
    }

    /// A text without secrets, of 4 KiB and of what the budget has left at most.
    pub fn text<'t>(&self, part: Part, text: impl Into<Cow<'t, str>>) -> Text {
        self.entry(part, MAX_TEXT).text(text)
    }

    /// Several texts that belong together, of `most` bytes in all.
    pub fn entry(&self, part: Part, most: usize) -> Entry<'_> {
        Entry {
            recorder: self,
            part,
            left: most,
            judged: 0,
        }
    }

    /// Room for something that takes `bytes` besides its texts; without room it must be left out, and counts as cut.
    #[must_use]
    pub fn admit(&self, part: Part, bytes: u64) -> bool {
        let mut counts = self.counts();
        let fits = bytes <= counts.room(part, self.budget);
        match fits {
            true => counts.charge(part, bytes),
            false => counts.leave_out(bytes),
        }
        fits
    }

    /// Counts the texts of something that was left out as a whole.
    pub fn leave_out(&self, bytes: u64) {
        self.counts().cut_bytes += bytes;
    }

    /// The address of a peer, unless it is secret.
    #[must_use]
    pub fn peer(&self, address: SocketAddr) -> Peer {
        Peer::new(address, &self.secrets)
    }

    /// An address, unless it is secret.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> Address {
        Address::new(address, &self.secrets)
    }

    /// Of an attempt that is tried again only its trail is kept: gives back the room of the rest.
    pub fn try_again(&self) {
        let mut counts = self.counts();
        for part in [Part::Log, Part::Verdict, Part::Conclusion] {
            if let Some(used) = counts.used.get_mut(part as usize) {
                *used = 0;
            }
        }
    }

    /// What was recorded, and what was not, up to now.
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

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Every section is a few assignments.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn total(&self) -> u64 {
        self.used.iter().sum()
    }

    fn room(&self, part: Part, budget: u64) -> u64 {
        part.share(budget).saturating_sub(self.total())
    }

    fn charge(&mut self, part: Part, bytes: u64) {
        if let Some(used) = self.used.get_mut(part as usize) {
            *used += bytes;
        }
    }

    fn leave_out(&mut self, bytes: u64) {
        self.cut += 1;
        self.denied += 1;
        self.cut_bytes += bytes;
    }
}

/// Texts that belong together, such as a log line, with a limit of their own.
#[derive(Debug)]
pub struct Entry<'r> {
    recorder: &'r Recorder,
    part: Part,
    left: usize,
    judged: usize,
}

impl Entry<'_> {
    /// The next text.
    pub fn text<'t>(&mut self, text: impl Into<Cow<'t, str>>) -> Text {
        let text = text.into();
        let wanted = text.floor_char_boundary(self.left.min(MAX_TEXT));
        let kept = text.floor_char_boundary(self.take(wanted, text.len()));
        self.left = self.left.saturating_sub(kept);
        self.judged = self
            .judged
            .saturating_add(text.len().min(kept.saturating_add(OVERLAP)));
        Text::recorded(text, kept, &self.recorder.secrets)
    }

    /// Pairs, as far as there is room: at most 256.
    pub fn pairs(&mut self, pairs: Vec<(String, String)>) -> Vec<(Text, Text)> {
        let mut kept = Vec::new();
        for (key, value) in pairs {
            kept.extend(self.pair(kept.len(), key, value));
        }
        kept.shrink_to_fit();
        kept
    }

    /// One more pair beside `kept` others, unless there is no room for it.
    pub fn pair(&mut self, kept: usize, key: String, value: String) -> Option<(Text, Text)> {
        let is_wanted = kept < MAX_ENTRIES && self.left > 0;
        if is_wanted && self.has_room() {
            return Some((self.text(key), self.text(value)));
        }
        self.leave_out(key.len().saturating_add(value.len()), is_wanted);
        None
    }

    /// A number, unless its digits are a secret of six or more of them: then it is not a number.
    #[must_use]
    pub fn number(&self, value: f64) -> f64 {
        let written = value.abs().trunc().to_string();
        let secrets = &self.recorder.secrets;
        let is_secret = written.len() >= MIN_DIGITS && secrets.redact(&written) == REDACTED;
        if is_secret { f64::NAN } else { value }
    }

    /// Room for one more `T` beside `kept` others in a list; without room it must be left out, and counts as cut.
    #[must_use]
    pub fn admit<T>(&self, kept: usize) -> bool {
        let bytes = u64::try_from(size_of::<T>()).unwrap_or(u64::MAX);
        if kept >= MAX_ENTRIES {
            self.leave_out(0, false);
            return false;
        }
        self.recorder.admit(self.part, bytes)
    }

    /// Bytes in which secrets were looked for up to now.
    #[must_use]
    pub fn judged(&self) -> usize {
        self.judged
    }

    /// The part of a run's record to which what follows belongs.
    pub fn part(&mut self, part: Part) -> &mut Self {
        self.part = part;
        self
    }

    fn has_room(&self) -> bool {
        let recorder = self.recorder;
        recorder.counts().room(self.part, recorder.budget) > 2 * TEXT_WEIGHT
    }

    fn leave_out(&self, bytes: usize, is_denied: bool) {
        let mut counts = self.recorder.counts();
        counts.cut += 1;
        counts.denied += u64::from(is_denied);
        counts.cut_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Takes room for `wanted` of `whole` bytes; returns what was granted of it.
    fn take(&self, wanted: usize, whole: usize) -> usize {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut counts = self.recorder.counts();
        let room = counts.room(self.part, self.recorder.budget);
        let granted = count(wanted).min(room.saturating_sub(TEXT_WEIGHT));
        counts.charge(self.part, room.min(granted + TEXT_WEIGHT));
        if granted < count(whole) {
            counts.cut += 1;
            counts.cut_bytes += count(whole) - granted;
            counts.denied += u64::from(granted < count(wanted));
        }
        usize::try_from(granted).unwrap_or(usize::MAX)
    }
}

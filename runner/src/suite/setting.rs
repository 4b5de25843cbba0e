//! What a layer says of a key: nothing, a value, or that what is below does not hold.

use super::fields::Reader;
use super::tree::{Entry, Kind};

/// In place of a value, where that is a word of its own: there is none.
pub(super) const NONE: &str = "none";

/// A key of a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Setting<T> {
    /// Nothing is written: what is below holds.
    #[default]
    Inherited,
    /// `null`: as if nobody had written it.
    Removed,
    /// Something is written that is wrong, which was reported: nobody knows what holds.
    Invalid,
    /// This holds.
    Set(T),
}

impl<T> Setting<T> {
    /// What is written: `null`, or what `read` makes of it; nothing where that is wrong and was reported.
    pub(super) fn of(
        reader: &mut Reader<'_>,
        entry: &Entry,
        read: impl FnOnce(&mut Reader<'_>, &Entry) -> Option<T>,
    ) -> Self {
        if entry.value.is_null() {
            return Self::Removed;
        }
        read(reader, entry).map_or(Self::Invalid, Self::Set)
    }

    /// The same, where `none` says what `null` says.
    pub(super) fn of_or_none(
        reader: &mut Reader<'_>,
        entry: &Entry,
        read: impl FnOnce(&mut Reader<'_>, &Entry) -> Option<T>,
    ) -> Self {
        match &entry.value.kind {
            Kind::Text(text) if &**text == NONE => Self::Removed,
            _ => Self::of(reader, entry, read),
        }
    }

    /// The value that is written.
    pub(super) fn get(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Inherited | Self::Removed | Self::Invalid => None,
        }
    }

    /// Whether something is written that is wrong.
    pub(super) fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid)
    }

    /// Whether a value is written, right or wrong.
    pub(super) fn is_written(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Invalid)
    }

    /// Whether what is below is of no account.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Inherited)
    }
}

impl<T: Clone> Setting<T> {
    /// This, or what is below.
    pub(super) fn over(&self, base: &Self) -> Self {
        match self {
            Self::Inherited => base.clone(),
            own => own.clone(),
        }
    }
}

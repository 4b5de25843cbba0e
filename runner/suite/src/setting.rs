//! The state of a key in a layer: inherited, removed, invalid or set.

use super::fields::Reader;
use super::tree::{Entry, Kind};

/// The value that means "none" for some keys.
pub(super) const NONE: &str = "none";

/// The state of a key in a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Setting<T> {
    /// Not set: the value of the layer below applies.
    #[default]
    Inherited,
    /// `null`: no value, and none is inherited.
    Removed,
    /// Set to an invalid value, which was reported: the effective value is unknown.
    Invalid,
    /// Set to this value.
    Set(T),
}

impl<T> Setting<T> {
    /// Reads an entry: `null`, or a value by `read`, which returns nothing for an invalid value that it reported.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        entry: &Entry,
        read: impl FnOnce(&mut Reader<'_>, &Entry) -> Option<T>,
    ) -> Self {
        if entry.value.is_null() {
            return Self::Removed;
        }
        read(reader, entry).map_or(Self::Invalid, Self::Set)
    }

    /// As [`Self::read`], with `none` treated as `null`.
    pub(super) fn read_or_none(
        reader: &mut Reader<'_>,
        entry: &Entry,
        read: impl FnOnce(&mut Reader<'_>, &Entry) -> Option<T>,
    ) -> Self {
        match &entry.value.kind {
            Kind::Text(text) if &**text == NONE => Self::Removed,
            _ => Self::read(reader, entry, read),
        }
    }

    /// The value, if one is set.
    pub(super) fn get(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Inherited | Self::Removed | Self::Invalid => None,
        }
    }

    /// Whether it is set to an invalid value.
    pub(super) fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid)
    }

    /// Whether it is set to a value, valid or not.
    pub(super) fn is_written(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Invalid)
    }

    /// Whether nothing is inherited.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Inherited)
    }
}

impl<T: Clone> Setting<T> {
    /// This, or `base` if inherited.
    pub(super) fn over(&self, base: &Self) -> Self {
        match self {
            Self::Inherited => base.clone(),
            own => own.clone(),
        }
    }
}

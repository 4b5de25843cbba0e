//! Reads a sequence of DER elements without interpreting them.

use x509_parser::asn1_rs::{Any, FromDer, Oid};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
/// Context-specific constructed tags 0 and 3.
pub(super) const PART_0: u8 = 0xa0;
pub(super) const PART_3: u8 = 0xa3;

/// The unread rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    /// Including tag and length.
    pub(super) whole: &'a [u8],
    pub(super) content: &'a [u8],
}

impl<'a> Element<'a> {
    pub(super) fn tag(&self) -> u8 {
        self.whole.first().copied().unwrap_or_default()
    }

    /// The element as an object identifier.
    pub(super) fn oid(&self) -> Option<Oid<'a>> {
        let (_, oid) = Oid::from_der(self.whole).ok()?;
        Some(oid)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let (rest, element) = Any::from_der(self.0).ok()?;
        let length = self.0.len().checked_sub(rest.len())?;
        let whole = self.0.get(..length)?;
        self.0 = rest;
        Some(Element {
            whole,
            content: element.data,
        })
    }

    /// Reads the next element, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        match self.0.first() {
            Some(next) if *next == tag => self.any(),
            _ => None,
        }
    }

    /// Reads the content of the next element, if it has this tag.
    pub(super) fn within(&mut self, tag: u8) -> Option<Self> {
        Some(Self(self.take(tag)?.content))
    }

    /// Reads the content of the next element, if it has this tag and is the last one.
    pub(super) fn only(&mut self, tag: u8) -> Option<Self> {
        let within = self.within(tag)?;
        self.0.is_empty().then_some(within)
    }
}

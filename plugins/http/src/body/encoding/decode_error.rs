//! Errors in compressed data, unified over the libraries that decode it.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::{Encoding, Layer, MAX_BETWEEN};
use crate::memory::MemoryBudget;
use crate::text::size;

/// Why data cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("the {} data ends too early", .0.as_str())]
    Cut(Encoding),
    #[error("it is not {} data, or is damaged", .0.as_str())]
    Damaged(Encoding),
    #[error("the {} data has the wrong checksum", .0.as_str())]
    Checksum(Encoding),
    #[error("the {} data has the wrong length", .0.as_str())]
    Length(Encoding),
    #[error("extra data follows the end of the {} data", .0.as_str())]
    Trailing(Encoding),
    #[error("the {} data needs a dictionary, which web servers and clients do not share", .0.as_str())]
    Dictionary(Encoding),
    #[error(
        "the {} data needs a window of {}, and a run has memory for {} (raise the quota `memory`)",
        .encoding.as_str(), size(*.window), size(*.most)
    )]
    Window {
        encoding: Encoding,
        /// Bytes.
        window: u64,
        /// Bytes.
        most: u64,
    },
    #[error("the zstd data needs a window of {}, more than the limit of {} on the web", size(*.window), size(*.most))]
    TooWide {
        /// Bytes.
        window: u64,
        /// Bytes.
        most: u64,
    },
    #[error("the gzip data has a file name or a comment of more than 64 KiB")]
    LongHeader,
    #[error("it has more than {} of {} data", size(MAX_BETWEEN), .0.as_str())]
    TooLong(Encoding),
}

impl From<DecodeError> for io::Error {
    fn from(decode_error: DecodeError) -> Self {
        Self::other(decode_error)
    }
}

impl DecodeError {
    /// The error for a window of this many bytes without memory for it.
    pub(super) fn window(encoding: Encoding, window: u64, memory: MemoryBudget) -> Self {
        Self::Window {
            encoding,
            window,
            most: u64::try_from(memory.left()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn find(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// How the input of a decoder ended.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The input ended, and the decoder wanted more.
    Over,
    Failed(DecodeError),
}

/// The input of a decoder: at most [`MAX_BETWEEN`] bytes, with a record of how it ended.
pub(super) struct Source<'b> {
    encoding: Encoding,
    layer: Layer<'b>,
    left: u64,
    end: Rc<Cell<Option<End>>>,
}

impl<'b> Source<'b> {
    fn new(encoding: Encoding, layer: Layer<'b>) -> Self {
        Self {
            encoding,
            layer,
            left: MAX_BETWEEN,
            end: Rc::default(),
        }
    }

    fn bounded(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        match buffer.get_mut(..room) {
            Some([]) if self.layer.read(&mut [0])? > 0 => Err(DecodeError::TooLong(self.encoding).into()),
            Some(bounded) => self.layer.read(bounded),
            None => self.layer.read(buffer),
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.bounded(buffer);
        match &read {
            Ok(0) => self.end.set(Some(End::Over)),
            Ok(read) => self.left = self.left.saturating_sub(u64::try_from(*read).unwrap_or(u64::MAX)),
            Err(error) => self.end.set(DecodeError::find(error).map(End::Failed)),
        }
        read
    }
}

/// A decoder whose errors are all a [`DecodeError`].
pub(super) struct Decoder<'b> {
    encoding: Encoding,
    decoder: Layer<'b>,
    end: Rc<Cell<Option<End>>>,
}

impl<'b> Decoder<'b> {
    /// Wraps the decoder of a layer that `make` creates.
    pub(super) fn new(
        encoding: Encoding,
        layer: Layer<'b>,
        make: impl FnOnce(Source<'b>) -> io::Result<Layer<'b>>,
    ) -> io::Result<Self> {
        let source = Source::new(encoding, layer);
        let end = Rc::clone(&source.end);
        let decoder = make(source).map_err(|error| explain(encoding, &end, &error))?;
        Ok(Self {
            encoding,
            decoder,
            end,
        })
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer);
        Ok(read.map_err(|error| explain(self.encoding, &self.end, &error))?)
    }
}

fn explain(encoding: Encoding, end: &Cell<Option<End>>, error: &io::Error) -> DecodeError {
    match (end.get(), DecodeError::find(error)) {
        (Some(End::Failed(decode_error)), _) | (_, Some(decode_error)) => decode_error,
        (Some(End::Over), None) => DecodeError::Cut(encoding),
        (None, None) => DecodeError::Damaged(encoding),
    }
}

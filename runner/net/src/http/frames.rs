//! Inspects the frames of an HTTP/2 connection: header blocks are counted, because they use far more memory than their
//! size, and violations are found that the HTTP library does not report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::frame_error::{FrameError, HEADER_BLOCKS};
use super::pseudo_fields;

/// Size of a frame header in bytes: length, type, flags, stream (RFC 9113, section 4.1).
const FRAME_HEADER: usize = 9;

/// Frame types (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;

/// Flags of DATA and HEADERS, and of SETTINGS.
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
const ACK: u8 = 1;

/// The stream of the only request on a connection.
const RESPONSE_STREAM: [u8; 4] = [0, 0, 0, 1];
/// Size of a setting in bytes: identifier and value (RFC 9113, section 6.5.1).
const SETTING: usize = 6;
/// SETTINGS_ENABLE_PUSH with value 1, which only a client may send (RFC 9113, section 6.5.2).
const ENABLE_PUSH: [u8; SETTING] = [0, 2, 0, 0, 0, 1];

/// Inspected bytes at the start of a HEADERS frame: at most 6 of padding and priority, then pseudo-header fields.
const HEADERS_START: usize = 64;

/// Whether the peer ended its response without content. The HTTP library compares the length of a response with an
/// announced one, although a 304 announces the length of another response (RFC 9113, section 8.1.1).
#[derive(Debug, Clone, Default)]
pub(super) struct EmptyResponse(Arc<AtomicBool>);

impl EmptyResponse {
    pub(super) fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tracks the frames in a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; FRAME_HEADER],
    filled: usize,
    /// Remaining bytes of the frame's payload.
    payload: usize,
    header_blocks: u32,
    /// The first frame was received.
    has_begun: bool,
    /// The first payload byte of this frame is the length of its padding.
    is_padded: bool,
    setting: [u8; SETTING],
    setting_filled: usize,
    /// The first bytes of the response's current HEADERS frame, and how many there will be.
    headers: Vec<u8>,
    headers_start: usize,
    /// The response has a DATA frame, which only trailers can follow.
    has_data: bool,
    /// The response has content.
    has_content: bool,
    empty: EmptyResponse,
}

impl Frames {
    pub(super) fn new(empty: EmptyResponse) -> Self {
        Self {
            empty,
            ..Self::default()
        }
    }

    /// Inspects the next bytes of the connection.
    ///
    /// # Errors
    /// The peer violates HTTP/2, or exceeds a limit.
    pub(super) fn inspect(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let (payload, rest) = bytes.split_at(self.payload.min(bytes.len()));
                self.read_payload(*first, payload)?;
                bytes = rest;
                continue;
            }
            if let Some(slot) = self.header.get_mut(self.filled) {
                *slot = *first;
            }
            self.filled += 1;
            bytes = rest;
            if self.filled == FRAME_HEADER {
                self.begin()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), FrameError> {
        let [high, middle, low, kind, flags, ..] = self.header;
        (self.filled, self.setting_filled) = (0, 0);
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.headers.clear();
        self.headers_start = self.payload.min(HEADERS_START);
        let is_preface = kind == SETTINGS && flags & ACK == 0;
        if !std::mem::replace(&mut self.has_begun, true) && !is_preface {
            return Err(FrameError::NoSettings);
        }
        if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
            self.header_blocks += 1;
        }
        if self.header_blocks > HEADER_BLOCKS {
            return Err(FrameError::TooManyHeaders);
        }
        self.is_padded = kind == DATA && flags & PADDED != 0;
        if !self.is_padded {
            let content = if kind == DATA { self.payload } else { 0 };
            self.note_content(content);
        }
        Ok(())
    }

    fn read_payload(&mut self, first: u8, payload: &[u8]) -> Result<(), FrameError> {
        if std::mem::take(&mut self.is_padded) {
            self.note_content(self.payload.saturating_sub(1 + usize::from(first)));
        }
        let remaining = self.payload;
        self.payload -= payload.len();
        let [_, _, _, kind, _, stream @ ..] = self.header;
        match kind {
            SETTINGS => self.read_settings(payload),
            HEADERS if stream == RESPONSE_STREAM => self.read_headers(payload, remaining),
            _ => Ok(()),
        }
    }

    /// Reads a part of a HEADERS frame, of which so many bytes remained before.
    fn read_headers(&mut self, payload: &[u8], remaining: usize) -> Result<(), FrameError> {
        let wanted = self.headers_start - self.headers.len();
        let new = payload.get(..wanted).unwrap_or(payload);
        self.headers.extend_from_slice(new);
        if new.is_empty() || new.len() < wanted {
            return Ok(());
        }
        let length = self.headers.len() - new.len() + remaining;
        pseudo_fields::check(self.header_block(length).unwrap_or_default(), self.has_data)
    }

    /// The start of the header block in a HEADERS frame of this length, without padding and priority.
    fn header_block(&self, length: usize) -> Option<&[u8]> {
        let [_, _, _, _, flags, ..] = self.header;
        let (padding, rest) = if flags & PADDED == 0 {
            (0, self.headers.as_slice())
        } else {
            let (padding, rest) = self.headers.split_first()?;
            (usize::from(*padding), rest)
        };
        let rest = if flags & PRIORITY == 0 {
            rest
        } else {
            rest.get(5..)?
        };
        let cut = length - self.headers.len();
        rest.get(..rest.len().saturating_sub(padding.saturating_sub(cut)))
    }

    /// Notes how many bytes of content the current frame has.
    fn note_content(&mut self, content: usize) {
        let [_, _, _, kind, flags, stream @ ..] = self.header;
        if stream != RESPONSE_STREAM || !matches!(kind, DATA | HEADERS) {
            return;
        }
        self.has_data |= kind == DATA;
        self.has_content |= content > 0;
        if flags & END_STREAM != 0 && !self.has_content {
            self.empty.end();
        }
    }

    fn read_settings(&mut self, payload: &[u8]) -> Result<(), FrameError> {
        for byte in payload {
            if let Some(slot) = self.setting.get_mut(self.setting_filled) {
                *slot = *byte;
            }
            self.setting_filled += 1;
            if self.setting_filled == SETTING {
                self.setting_filled = 0;
                if self.setting == ENABLE_PUSH {
                    return Err(FrameError::PushEnabled);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// What these frames lead to, however their bytes are cut: an error, or whether the response ended empty.
    fn inspected(frames: &[Vec<u8>]) -> Result<bool, FrameError> {
        let bytes = frames.concat();
        let results = [1, 7, 9, 10, 4_096, usize::MAX].map(|cut| {
            let empty = EmptyResponse::default();
            let mut frames = Frames::new(empty.clone());
            let mut pieces = bytes.chunks(cut.min(bytes.len()));
            pieces
                .try_for_each(|piece| frames.inspect(piece))
                .map(|()| empty.has_ended())
        });
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        results[0]
    }

    #[test]
    fn header_blocks_are_counted() {
        let allowed = [frame(HEADERS, 0, &[b'x'; 300]), frame(DATA, 0, &[1; 7_000])]
            .concat()
            .repeat(64);
        let mut frames = vec![frame(SETTINGS, 0, b""), allowed];
        assert_eq!(inspected(&frames), Ok(false));
        frames.push(frame(CONTINUATION, 0, b""));
        assert_eq!(inspected(&frames), Err(FrameError::TooManyHeaders));
    }

    #[test]
    fn a_connection_begins_with_settings_that_do_not_allow_pushes() {
        for (first, result) in [
            (frame(SETTINGS, 0, b""), Ok(false)),
            (
                frame(SETTINGS, 0, &[0, 2, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]),
                Ok(false),
            ),
            (frame(HEADERS, 0, b"x"), Err(FrameError::NoSettings)),
            (frame(SETTINGS, ACK, b""), Err(FrameError::NoSettings)),
            (
                frame(SETTINGS, 0, &[0, 3, 0, 0, 0, 9, 0, 2, 0, 0, 0, 1]),
                Err(FrameError::PushEnabled),
            ),
        ] {
            assert_eq!(inspected(std::slice::from_ref(&first)), result, "{first:?}");
        }
    }

    #[test]
    fn pseudo_header_fields_are_found_behind_padding_and_priority_and_not_in_them() {
        let (path, trailer) = (Err(FrameError::PseudoField), frame(HEADERS, END_STREAM, &[0x88]));
        let long = [&[0x88, 0x40, 0x01, b'x', 0x7f, 0x80, 0x84][..], &[0x84; 300]].concat();
        for (frames, result) in [
            (vec![frame(HEADERS, 0, &[0x88, 0x84])], path),
            (
                vec![frame(
                    HEADERS,
                    PADDED | PRIORITY,
                    &[1, 0, 0, 0, 0, 0, 0x88, 0x84, 0],
                )],
                path,
            ),
            (vec![frame(HEADERS, PADDED, &[1, 0x88, 0x84])], Ok(false)),
            (vec![frame(HEADERS, PADDED, &[9, 0x88, 0x84])], Ok(false)),
            (
                vec![frame(HEADERS, PRIORITY, &[0x84, 0x84, 0x84, 0x84, 0x84, 0x88])],
                Ok(false),
            ),
            (vec![frame(HEADERS, PRIORITY, &[0x84; 3])], Ok(false)),
            (vec![frame(HEADERS, 0, &long)], Ok(false)),
            (
                vec![frame(HEADERS, 0, &[0x88]), frame(DATA, 0, b"x"), trailer],
                path,
            ),
        ] {
            let frames = [vec![frame(SETTINGS, 0, b"")], frames].concat();
            assert_eq!(inspected(&frames), result, "{frames:?}");
        }
    }

    #[test]
    fn a_response_is_empty_if_it_ends_without_content_whatever_its_padding() {
        let head = || frame(HEADERS, 0, b"x");
        for (frames, is_empty) in [
            (vec![frame(HEADERS, END_STREAM, b"x")], true),
            (vec![head()], false),
            (
                vec![head(), frame(DATA, 0, b""), frame(DATA, END_STREAM, b"")],
                true,
            ),
            (vec![head(), frame(DATA, END_STREAM | PADDED, &[2, 0, 0])], true),
            (
                vec![head(), frame(DATA, END_STREAM | PADDED, &[2, 9, 0, 0])],
                false,
            ),
            (vec![head(), frame(DATA, END_STREAM, b"x")], false),
            (vec![head(), frame(HEADERS, END_STREAM, b"x")], true),
            (
                vec![head(), frame(DATA, 0, b"x"), frame(HEADERS, END_STREAM, b"x")],
                false,
            ),
        ] {
            let frames = [vec![frame(SETTINGS, 0, b"")], frames].concat();
            assert_eq!(inspected(&frames), Ok(is_empty), "{frames:?}");
        }
    }
}

//! One fake connection: a script, seen from the probe's end.

use std::collections::VecDeque;
use std::time::Duration;

use super::script::{Script, Step};
use crate::error::{NetError, Phase};
use crate::tcp::Timings;
use crate::tls;

/// The state of a conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    steps: VecDeque<Step>,
    expected: Vec<u8>,
    received: VecDeque<u8>,
    pub(super) timings: Timings,
    waited: Duration,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Conversation {
    pub(super) fn new(script: Script) -> Self {
        let timings = Timings {
            connect: Some(Duration::from_millis(1)),
            ..Timings::default()
        };
        let (expected, received) = Default::default();
        Self {
            steps: script.steps,
            expected,
            received,
            timings,
            waited: Duration::ZERO,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// How long it has taken so far.
    pub(super) fn age(&self) -> Duration {
        self.timings.total() + self.waited
    }

    pub(super) fn read(&mut self, max: u32) -> Result<Vec<u8>, NetError> {
        if self.received.is_empty() {
            self.fill()?;
        }
        let count = self
            .received
            .len()
            .min(usize::try_from(max).unwrap_or(usize::MAX));
        Ok(self.take(count))
    }

    pub(super) fn read_until(&mut self, delimiter: &[u8], max: u32) -> Result<Vec<u8>, NetError> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        loop {
            let bytes = self.received.make_contiguous();
            if let Some(start) = bytes
                .windows(delimiter.len().max(1))
                .position(|window| window == delimiter)
                && start + delimiter.len() <= max
            {
                return Ok(self.take(start + delimiter.len()));
            }
            if self.received.len() >= max {
                return Err(NetError::Protocol(format!("no delimiter within {max} bytes")));
            }
            if !self.fill()? {
                return Err(NetError::Closed);
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        self.bytes_out += count(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.expected.is_empty() {
                match self.next_expected() {
                    Some(expected) => self.expected = expected,
                    None => return self.failure().map_or(Ok(()), Err),
                }
            }
            let common = rest.len().min(self.expected.len());
            let (now, later) = rest.split_at(common);
            assert!(
                self.expected.starts_with(now),
                "the peer expected `{}`, the probe wrote `{}`",
                self.expected.escape_ascii(),
                bytes.escape_ascii(),
            );
            self.expected.drain(..common);
            rest = later;
        }
        Ok(())
    }

    pub(super) fn start_tls(&mut self) -> Result<tls::Session, NetError> {
        match self.steps.front() {
            Some(Step::Tls(_)) => {}
            Some(Step::Expect(_) | Step::Silence) => return Err(NetError::Timeout(Phase::Handshake)),
            Some(Step::Fail(error)) => return Err(error.clone()),
            Some(Step::Send(_) | Step::Wait(_)) => return Err(NetError::Tls("not a TLS record".into())),
            None => return Err(NetError::Closed),
        }
        self.timings.handshake = Some(Duration::from_millis(2));
        match self.steps.pop_front() {
            Some(Step::Tls(result)) => *result,
            _ => Err(NetError::Closed),
        }
    }

    /// Receives what the peer sends next. False: it has closed.
    fn fill(&mut self) -> Result<bool, NetError> {
        loop {
            match self.steps.front() {
                Some(Step::Send(bytes)) => {
                    self.bytes_in += count(bytes.len());
                    self.received.extend(bytes);
                    self.steps.pop_front();
                    return Ok(true);
                }
                Some(Step::Wait(time)) => {
                    self.waited += *time;
                    self.steps.pop_front();
                }
                Some(Step::Fail(error)) => return Err(error.clone()),
                Some(Step::Expect(_) | Step::Silence | Step::Tls(_)) => {
                    return Err(NetError::Timeout(Phase::Receive));
                }
                None if !self.expected.is_empty() => return Err(NetError::Timeout(Phase::Receive)),
                None => return Ok(false),
            }
        }
    }

    /// The next bytes that the peer waits for, whatever it sends in between.
    fn next_expected(&mut self) -> Option<Vec<u8>> {
        let place = self
            .steps
            .iter()
            .position(|step| matches!(step, Step::Expect(_)))?;
        match self.steps.remove(place) {
            Some(Step::Expect(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The error that a write meets.
    fn failure(&self) -> Option<NetError> {
        match self.steps.front() {
            Some(Step::Fail(error)) => Some(error.clone()),
            _ => None,
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.received.drain(..count).collect()
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

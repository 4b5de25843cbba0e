//! One fake connection: a script, seen from the probe's side.

use std::collections::VecDeque;
use std::time::Duration;

use super::script::{Script, Step};
use crate::error::{ErrorCode, NetError, Phase};
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
    /// As the age of the conversation.
    deadline: Option<Duration>,
    is_shut_down: bool,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) examination: Option<tls::Examination>,
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
            deadline: None,
            is_shut_down: false,
            bytes_in: 0,
            bytes_out: 0,
            examination: None,
        }
    }

    pub(super) fn set_deadline(&mut self, time: Option<Duration>) {
        self.deadline = time.map(|time| self.age() + time);
    }

    /// Marks the end of what is written to the peer, which notices it when its script continues.
    pub(super) fn shut_down(&mut self) {
        self.is_shut_down = true;
    }

    /// What the peer has sent by now without any wait.
    pub(super) fn read_ready(&mut self, max: u32) -> Result<Option<Vec<u8>>, NetError> {
        let is_ready = match self.steps.front() {
            _ if !self.received.is_empty() => true,
            Some(Step::Wait(_) | Step::Expect(_) | Step::Silence | Step::Tls(_) | Step::OldTls(..)) => false,
            Some(Step::Send(_) | Step::Fail(_)) => true,
            None => self.expected.is_empty(),
        };
        is_ready.then(|| self.read(max)).transpose()
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
                let message = format!("protocol error: no delimiter within {max} bytes");
                return Err(NetError::new(ErrorCode::Protocol, message).in_phase(Phase::Receive));
            }
            if !self.fill()? {
                return Err(closed(Phase::Receive));
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        if self.is_shut_down {
            let message = "invalid request: the connection is shut down for writing";
            return Err(NetError::new(ErrorCode::Invalid, message));
        }
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
        if !self.received.is_empty() {
            let message = "protocol error: the peer sent more plain text before TLS";
            return Err(NetError::new(ErrorCode::Protocol, message).in_phase(Phase::Handshake));
        }
        match self.steps.front() {
            Some(Step::Tls(_) | Step::OldTls(..)) => {}
            Some(Step::Expect(_) | Step::Silence) => return Err(NetError::timeout(Phase::Handshake)),
            Some(Step::Fail(error)) => return Err(error.clone()),
            Some(Step::Send(_) | Step::Wait(_)) => {
                return Err(NetError::new(ErrorCode::Tls, "TLS: not a TLS record"));
            }
            None => return Err(closed(Phase::Handshake)),
        }
        self.timings.handshake = Some(Duration::from_millis(2));
        match self.steps.pop_front() {
            Some(Step::Tls(result)) => *result,
            Some(Step::OldTls(reason, shown)) => {
                self.examination = Some(*shown);
                Err(NetError::new(ErrorCode::Tls, format!("TLS: {reason}")))
            }
            _ => Err(closed(Phase::Handshake)),
        }
    }

    /// Receives what the peer sends next. False: the peer has closed.
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
                    let time = *time;
                    self.wait(time)?;
                }
                Some(Step::Fail(error)) => return Err(error.clone()),
                Some(Step::Expect(_) | Step::Silence | Step::Tls(_) | Step::OldTls(..)) => {
                    return Err(self.wait_in_vain());
                }
                None if !self.expected.is_empty() => return Err(self.wait_in_vain()),
                None => return Ok(false),
            }
        }
    }

    /// Advances the time by the first step's wait, as far as the deadline allows.
    fn wait(&mut self, time: Duration) -> Result<(), NetError> {
        let left = self.deadline.map(|deadline| deadline.saturating_sub(self.age()));
        let passes = left.map_or(time, |left| left.min(time));
        self.waited += passes;
        self.steps.pop_front();
        if passes == time {
            return Ok(());
        }
        self.steps.push_front(Step::Wait(time - passes));
        Err(NetError::timeout(Phase::Receive))
    }

    /// Advances the time to the deadline.
    fn wait_in_vain(&mut self) -> NetError {
        let left = self.deadline.map(|deadline| deadline.saturating_sub(self.age()));
        self.waited += left.unwrap_or_default();
        NetError::timeout(Phase::Receive)
    }

    /// The next bytes that the peer waits for, whatever it sends before.
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

    /// The error that a write returns.
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

fn closed(phase: Phase) -> NetError {
    NetError::from(ErrorCode::Closed).in_phase(phase)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

//! The resource limits of an attempt: the keys of `quota:` in a suite.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

/// A kind of quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaKind {
    /// Concurrently open sockets of the guest.
    Sockets,
    /// Concurrently open kernel descriptors of any kind that the run causes: its sockets, and those to name servers
    /// that it waits for, whether shared with other runs or not.
    Fds,
    /// Connection attempts over the run.
    Connections,
    /// DNS queries over the run.
    Lookups,
    /// Bytes received over the run.
    BytesIn,
    /// Bytes sent over the run.
    BytesOut,
    /// Bytes of linear memories and tables together.
    Memory,
    /// CPU time of the guest, and of the host on its behalf, in milliseconds.
    Cpu,
    /// Log lines over the run.
    LogLines,
    /// Bytes of the run's record, all attempts together.
    Record,
}

impl QuotaKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Sockets,
        Self::Fds,
        Self::Connections,
        Self::Lookups,
        Self::BytesIn,
        Self::BytesOut,
        Self::Memory,
        Self::Cpu,
        Self::LogLines,
        Self::Record,
    ];

    /// The key in a suite, in metrics and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Fds => "fds",
            Self::Connections => "connections",
            Self::Lookups => "lookups",
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::LogLines => "log_lines",
            Self::Record => "record",
        }
    }

    /// A formatted value of this quota: `4`, `8 MiB`, `1s`.
    #[must_use]
    pub fn format_value(self, value: u64) -> String {
        match self {
            Self::BytesIn | Self::BytesOut | Self::Memory | Self::Record => format_bytes(value),
            Self::Cpu => humantime::format_duration(Duration::from_millis(value)).to_string(),
            _ => value.to_string(),
        }
    }
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A formatted number of bytes: `8 MiB`, `1000 B`.
pub(crate) fn format_bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    UNITS
        .into_iter()
        .find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size))
        .map_or_else(
            || format!("{bytes} B"),
            |(size, unit)| format!("{} {unit}", bytes / size),
        )
}

/// The limits of one attempt. A limit of 0 allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Concurrently open sockets of the guest.
    pub sockets: u64,
    /// Concurrently open kernel descriptors of any kind that the run causes: its sockets, and those to name servers
    /// that it waits for, whether shared with other runs or not.
    pub fds: u64,
    /// Connection attempts over the run.
    pub connections: u64,
    /// DNS queries over the run.
    pub lookups: u64,
    /// Bytes received over the run.
    pub bytes_in: u64,
    /// Bytes sent over the run.
    pub bytes_out: u64,
    /// Bytes of linear memories and tables together.
    pub memory: u64,
    /// CPU time of the guest, and of the host on its behalf.
    pub cpu: Duration,
    /// Log lines over the run.
    pub log_lines: u64,
    /// Bytes of the run's record, all attempts together.
    pub record: u64,
}

impl Default for Quota {
    /// The defaults of the suite format: 4 sockets, 8 fds, 16 connections, 16 lookups, 8 MiB in, 1 MiB out, 32 MiB
    /// memory, 1 s cpu, 64 log lines, a record of 256 KiB.
    fn default() -> Self {
        Self {
            sockets: 4,
            fds: 8,
            connections: 16,
            lookups: 16,
            bytes_in: 8 << 20,
            bytes_out: 1 << 20,
            memory: 32 << 20,
            cpu: Duration::from_secs(1),
            log_lines: 64,
            record: 256 << 10,
        }
    }
}

impl Quota {
    /// The limit of one quota, in its unit (`cpu` in milliseconds).
    #[must_use]
    pub fn limit(&self, kind: QuotaKind) -> u64 {
        match kind {
            QuotaKind::Sockets => self.sockets,
            QuotaKind::Fds => self.fds,
            QuotaKind::Connections => self.connections,
            QuotaKind::Lookups => self.lookups,
            QuotaKind::BytesIn => self.bytes_in,
            QuotaKind::BytesOut => self.bytes_out,
            QuotaKind::Memory => self.memory,
            QuotaKind::Cpu => u64::try_from(self.cpu.as_millis()).unwrap_or(u64::MAX),
            QuotaKind::LogLines => self.log_lines,
            QuotaKind::Record => self.record,
        }
    }

    /// Sets the limit of one quota, in its unit (`cpu` in milliseconds).
    pub fn set_limit(&mut self, kind: QuotaKind, limit: u64) {
        match kind {
            QuotaKind::Sockets => self.sockets = limit,
            QuotaKind::Fds => self.fds = limit,
            QuotaKind::Connections => self.connections = limit,
            QuotaKind::Lookups => self.lookups = limit,
            QuotaKind::BytesIn => self.bytes_in = limit,
            QuotaKind::BytesOut => self.bytes_out = limit,
            QuotaKind::Memory => self.memory = limit,
            QuotaKind::Cpu => self.cpu = Duration::from_millis(limit),
            QuotaKind::LogLines => self.log_lines = limit,
            QuotaKind::Record => self.record = limit,
        }
    }

    /// The default maximum that a suite may set: 64 sockets, 128 fds, 1,024 connections, 1,024 lookups, 1 GiB in, 256
    /// MiB out, 512 MiB memory, 30 s cpu, 4,096 log lines, a record of 4 MiB.
    #[must_use]
    pub fn ceiling() -> Self {
        Self {
            sockets: 64,
            fds: 128,
            connections: 1_024,
            lookups: 1_024,
            bytes_in: 1 << 30,
            bytes_out: 256 << 20,
            memory: 512 << 20,
            cpu: Duration::from_secs(30),
            log_lines: 4_096,
            record: 4 << 20,
        }
    }
}

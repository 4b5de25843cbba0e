//! The resource limits of an attempt: the keys of `quota:` in a suite. The table below is all that the host knows of
//! each; the ledger counts and denies.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::{Add, RangeInclusive};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The unit of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds; in a suite, a duration.
    Millis,
}

impl Unit {
    /// The highest limit that a suite may set: sums of these do not overflow.
    const fn max(self) -> u64 {
        match self {
            Self::Count => 1_000_000,
            Self::Bytes => 1 << 40,
            Self::Millis => 24 * 60 * 60 * 1_000,
        }
    }
}

/// How the use of a quota is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// At one moment: the peak counts.
    AtOnce,
    /// Over an attempt: the sum counts, and each attempt has the whole quota.
    PerAttempt,
    /// Over all attempts of a run together.
    PerRun,
}

impl Counted {
    /// The use of two attempts together.
    fn combine<T: Ord + Add<Output = T>>(self, first: T, second: T) -> T {
        match self {
            Self::AtOnce => first.max(second),
            Self::PerAttempt | Self::PerRun => first + second,
        }
    }
}

/// What a run cannot do when a quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denies {
    /// Open connections.
    Connecting,
    /// Look up names.
    Resolving,
    /// Send.
    Sending,
    /// Receive.
    Receiving,
    /// Add to its log or record, which the status of its verdict does not depend on.
    Recording,
}

/// Declares the quotas, in the order of the documentation: for each its name in the code, its key in a suite, and its
/// type there. `minimum` is in the quota's unit. `as` names what is used of it in [`QuotaUsage`], in JSON and in spans.
macro_rules! quotas {
    ($(
        $(#[doc = $doc:literal])+
        $kind:ident($key:ident: $type:ident) {
            unit: $unit:ident,
            default: $default:expr,
            ceiling: $ceiling:expr,
            minimum: $minimum:expr,
            counted: $counted:ident $(as $(#[$attribute:meta])* $used:ident)?,
            denies: $denies:ident,
        }
    )*) => {
        /// A kind of quota.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum QuotaKind {
            $($(#[doc = $doc])+ $kind,)*
        }

        impl QuotaKind {
            /// All kinds, in the order of the documentation.
            pub const ALL: [Self; [$(Self::$kind),*].len()] = [$(Self::$kind),*];

            /// The key in a suite, in metrics and in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => stringify!($key),)* }
            }

            /// The name of what was used of it, in JSON and in spans: `memory_peak`.
            #[must_use]
            pub fn used_as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => [$(stringify!($used),)? stringify!($key)][0],)*
                }
            }

            /// What is limited, as a sentence.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$kind => concat!($($doc),+).trim_start(),)* }
            }

            /// The unit of its limit.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self { $(Self::$kind => Unit::$unit,)* }
            }

            /// The limits that a suite may set, in its unit.
            #[must_use]
            pub fn range(self) -> RangeInclusive<u64> {
                match self { $(Self::$kind => $minimum..=Unit::$unit.max(),)* }
            }

            /// How its use is counted.
            #[must_use]
            pub fn counted(self) -> Counted {
                match self { $(Self::$kind => Counted::$counted,)* }
            }

            /// What a run cannot do when it is used up.
            #[must_use]
            pub fn denies(self) -> Denies {
                match self { $(Self::$kind => Denies::$denies,)* }
            }
        }

        /// The limits of one attempt. A limit of 0 allows nothing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Quota {
            $($(#[doc = $doc])+ pub $key: $type,)*
        }

        impl Default for Quota {
            /// The defaults of the suite format.
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl Quota {
            /// The default maximum that a suite may set.
            #[must_use]
            pub fn ceiling() -> Self {
                Self { $($key: $ceiling,)* }
            }

            /// The limit of one quota, in its unit.
            #[must_use]
            pub fn limit(&self, kind: QuotaKind) -> u64 {
                match kind { $(QuotaKind::$kind => self.$key.to_units(),)* }
            }

            /// Sets the limit of one quota, in its unit.
            pub fn set_limit(&mut self, kind: QuotaKind, limit: u64) {
                match kind { $(QuotaKind::$kind => self.$key = Amount::from_units(limit),)* }
            }
        }

        /// What was used of the quotas, but of the record, which has an account of its own.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub struct QuotaUsage {
            $($(
                #[doc = concat!("What was used of `", stringify!($key), "`.")]
                $(#[$attribute])*
                pub $used: $type,
            )?)*
        }

        impl QuotaUsage {
            /// What was used of one quota, in its unit.
            #[must_use]
            pub fn of(&self, kind: QuotaKind) -> u64 {
                match kind {
                    $(QuotaKind::$kind => {
                        let used: Option<u64> = [$(self.$used.to_units())?].first().copied();
                        used.unwrap_or_default()
                    })*
                }
            }

            /// Adds the use of a further attempt: sums for quotas that count over an attempt, peaks for the others.
            pub fn absorb(&mut self, other: &Self) {
                $($(self.$used = Counted::$counted.combine(self.$used, other.$used);)?)*
            }
        }
    };
}

quotas! {
    /// Concurrently open sockets of the guest.
    Sockets(sockets: u64) {
        unit: Count,
        default: 4,
        ceiling: 64,
        minimum: 0,
        counted: AtOnce as sockets_peak,
        denies: Connecting,
    }
    /// Concurrently open kernel descriptors of any kind that the run causes: its sockets, and those to name servers
    /// that it waits for, whether shared with other runs or not.
    Fds(fds: u64) {
        unit: Count,
        default: 8,
        ceiling: 128,
        minimum: 0,
        counted: AtOnce as #[serde(skip)] fds_peak,
        denies: Connecting,
    }
    /// Connection attempts over the run.
    Connections(connections: u64) {
        unit: Count,
        default: 16,
        ceiling: 1_024,
        minimum: 0,
        counted: PerAttempt as connections,
        denies: Connecting,
    }
    /// DNS queries over the run.
    Lookups(lookups: u64) {
        unit: Count,
        default: 16,
        ceiling: 1_024,
        minimum: 0,
        counted: PerAttempt as lookups,
        denies: Resolving,
    }
    /// Bytes received over the run.
    BytesIn(bytes_in: u64) {
        unit: Bytes,
        default: 8 << 20,
        ceiling: 1 << 30,
        minimum: 0,
        counted: PerAttempt as bytes_in,
        denies: Receiving,
    }
    /// Bytes sent over the run.
    BytesOut(bytes_out: u64) {
        unit: Bytes,
        default: 1 << 20,
        ceiling: 256 << 20,
        minimum: 0,
        counted: PerAttempt as bytes_out,
        denies: Sending,
    }
    /// Bytes of linear memories and tables together.
    // With less than the minimum, no guest could even start. The buffered part of a response counts as memory.
    Memory(memory: u64) {
        unit: Bytes,
        default: 32 << 20,
        ceiling: 512 << 20,
        minimum: 64 << 10,
        counted: AtOnce as memory_peak,
        denies: Receiving,
    }
    /// CPU time of the guest, and of the host on its behalf.
    Cpu(cpu: Duration) {
        unit: Millis,
        default: Duration::from_secs(1),
        ceiling: Duration::from_secs(30),
        minimum: 10,
        counted: PerAttempt as
            #[serde(rename = "cpu_ms", with = "fractional_millis")]
            #[schemars(with = "f64")]
            cpu,
        denies: Receiving,
    }
    /// Log lines over the run.
    LogLines(log_lines: u64) {
        unit: Count,
        default: 64,
        ceiling: 4_096,
        minimum: 0,
        counted: PerAttempt as #[serde(skip)] log_lines,
        denies: Recording,
    }
    /// Measurements in the verdict.
    // Each becomes a metric series of its own, so this is what a check may cost there.
    Measurements(measurements: u64) {
        unit: Count,
        default: 256,
        ceiling: 4_096,
        minimum: 0,
        counted: PerAttempt as #[serde(skip)] measurements,
        denies: Recording,
    }
    /// Bytes of the run's record, all attempts together.
    // With less than the minimum, not even the summary of a verdict fits.
    Record(record: u64) {
        unit: Bytes,
        default: 256 << 10,
        ceiling: 4 << 20,
        minimum: 16 << 10,
        counted: PerRun,
        denies: Recording,
    }
}

impl QuotaKind {
    /// A formatted value of this quota: `4`, `8 MiB`, `1s`.
    #[must_use]
    pub fn format_value(self, value: u64) -> String {
        match self.unit() {
            Unit::Count => value.to_string(),
            Unit::Bytes => format_bytes(value),
            Unit::Millis => humantime::format_duration(Duration::from_millis(value)).to_string(),
        }
    }
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A limit, or what was used of it, by its type.
trait Amount {
    fn to_units(self) -> u64;
    fn from_units(units: u64) -> Self;
}

impl Amount for u64 {
    fn to_units(self) -> u64 {
        self
    }

    fn from_units(units: u64) -> Self {
        units
    }
}

impl Amount for Duration {
    fn to_units(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }

    fn from_units(units: u64) -> Self {
        Self::from_millis(units)
    }
}

/// Durations in JSON: milliseconds, rounded to the microsecond.
pub mod fractional_millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    /// A duration in milliseconds, rounded to the microsecond.
    pub fn millis(duration: Duration) -> f64 {
        (duration.as_secs_f64() * 1e6).round() / 1e3
    }

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(millis(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(millis / 1e3).map_err(serde::de::Error::custom)
    }
}

/// A formatted number of bytes: `8 MiB`, `1000 B`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    UNITS
        .into_iter()
        .find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size))
        .map_or_else(
            || format!("{bytes} B"),
            |(size, unit)| format!("{} {unit}", bytes / size),
        )
}

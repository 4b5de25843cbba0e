//! The quotas of a run.

use std::time::Duration;

/// Declares the quotas, each with its key, its type and its default.
macro_rules! quotas {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ident = $default:expr;)*) => {
        /// The limits of one attempt: the keys under `quota:` in a suite. The host enforces them; a probe that knows
        /// them can do what fits, and name the one to raise if it does not.
        ///
        /// The default is that of a suite that sets none.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Quotas {
            $($(#[doc = $doc])+ pub $key: $type,)*
        }

        impl Default for Quotas {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl Quotas {
            /// Sets the quota with this key. Unknown ones of a later host are ignored.
            fn set(&mut self, key: &str, limit: u64) {
                match key {
                    $(stringify!($key) => self.$key = Limit::from_host(limit),)*
                    _ => {}
                }
            }
        }
    };
}

quotas! {
    /// Sockets open at once.
    sockets: u64 = 4;
    /// Descriptors of any kind open at once.
    fds: u64 = 8;
    /// Connects over the run.
    connections: u64 = 16;
    /// DNS questions over the run.
    lookups: u64 = 16;
    /// Bytes received over the run.
    bytes_in: u64 = 8 << 20;
    /// Bytes sent over the run.
    bytes_out: u64 = 1 << 20;
    /// Bytes of linear memory and tables.
    memory: u64 = 32 << 20;
    /// CPU time, including what the host computes for the probe.
    cpu: Duration = Duration::from_secs(1);
    /// Log lines over the run.
    log_lines: u64 = 64;
    /// Measurements in the verdict.
    measurements: u64 = 256;
    /// Bytes of the run's record.
    record: u64 = 256 << 10;
}

impl Quotas {
    /// The quotas that the host names, by their keys.
    #[cfg_attr(
        not(target_family = "wasm"),
        allow(dead_code, reason = "it comes over the boundary")
    )]
    pub(crate) fn named<'a>(limits: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut quotas = Self::default();
        for (key, limit) in limits {
            quotas.set(key, limit);
        }
        quotas
    }
}

/// A limit as the host passes it: a duration in milliseconds, anything else as it is.
trait Limit {
    fn from_host(limit: u64) -> Self;
}

impl Limit for u64 {
    fn from_host(limit: u64) -> Self {
        limit
    }
}

impl Limit for Duration {
    fn from_host(limit: u64) -> Self {
        Self::from_millis(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_the_host_names_take_the_place_of_the_defaults() {
        let named = Quotas::named([("cpu", 250), ("memory", 64), ("teapots", 3)]);
        let expected = Quotas {
            cpu: Duration::from_millis(250),
            memory: 64,
            ..Quotas::default()
        };
        assert_eq!(named, expected);
    }
}

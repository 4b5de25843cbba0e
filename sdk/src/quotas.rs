//! The quotas of a run.

use std::time::Duration;

/// The limits of one attempt: the keys under `quota:` in a suite. The host enforces them; a probe that knows them can
/// do what fits, and name the one to raise if it does not.
///
/// The default is that of a suite that sets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quotas {
    /// Sockets open at once.
    pub sockets: u64,
    /// Descriptors of any kind open at once.
    pub fds: u64,
    /// Connects over the run.
    pub connections: u64,
    /// DNS questions over the run.
    pub lookups: u64,
    /// Bytes received over the run.
    pub bytes_in: u64,
    /// Bytes sent over the run.
    pub bytes_out: u64,
    /// Bytes of linear memory and tables.
    pub memory: u64,
    /// CPU time, including what the host computes for the probe.
    pub cpu: Duration,
    /// Log lines over the run.
    pub log_lines: u64,
    /// Bytes of the run's record.
    pub record: u64,
}

impl Default for Quotas {
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

impl Quotas {
    /// The quotas that the host names, by their keys. Unknown ones of a later host are ignored.
    #[cfg_attr(
        not(target_family = "wasm"),
        allow(dead_code, reason = "it comes over the boundary")
    )]
    pub(crate) fn named<'a>(limits: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut quotas = Self::default();
        for (key, limit) in limits {
            let place = match key {
                "sockets" => &mut quotas.sockets,
                "fds" => &mut quotas.fds,
                "connections" => &mut quotas.connections,
                "lookups" => &mut quotas.lookups,
                "bytes_in" => &mut quotas.bytes_in,
                "bytes_out" => &mut quotas.bytes_out,
                "memory" => &mut quotas.memory,
                "log_lines" => &mut quotas.log_lines,
                "record" => &mut quotas.record,
                "cpu" => {
                    quotas.cpu = Duration::from_millis(limit);
                    continue;
                }
                _ => continue,
            };
            *place = limit;
        }
        quotas
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

//! Attacks as values: the attacker, and the promise under attack.

use std::time::Duration;

use canary_tests::peer::Hostile;
use canary_tests::peer::tls::HostileTls;

use crate::clients::{ClientBehaviour, Sources};

/// An attack on a running service, and the promise that must hold under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// The promise as listed in `SECURITY.md`.
    pub(crate) promise: &'static str,
    pub(crate) attacker: Attacker,
    /// The problem that `/readyz` must report.
    pub(crate) expected_issue: Option<ExpectedIssue>,
}

/// The attacker, or the fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attacker {
    /// The hostile plugin with this behaviour (as JSON), against this target.
    Guest(&'static str, Hostile),
    /// The target of a built-in plugin.
    Target(&'static str, Hostile),
    /// The target of the built-in plugin `tls`.
    TlsTarget(HostileTls),
    /// This many targets whose name servers never answer.
    SilentZones(usize),
    /// This many plugins that look up one name after another.
    FloodOfNames(usize),
    /// A fault of the environment of the process.
    HostFault(HostFault),
    /// Thousands of clients of the admin address.
    Clients(ClientBehaviour, Sources),
    /// A fault of the disk with state and spool.
    DiskFault(DiskFault),
}

/// A fault of the environment of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// Its output pipes are full and not read.
    UnreadOutput,
    /// An alert receiver accepts requests and never responds.
    HangingReceiver,
    /// The wall clock is set an hour ahead, and back.
    ClockSteps,
}

/// A fault of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// Writes fail with `EIO`.
    Errors,
    /// Writes block.
    Hangs,
    /// The file system turns read-only after an error while files are open.
    ReadOnly,
    /// The disk works, but hardly any file can be opened.
    NoDescriptors,
}

/// A problem that `/readyz` must report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedIssue {
    /// Its code.
    pub(crate) code: &'static str,
    /// A substring of its message.
    pub(crate) message: &'static str,
    /// Whether it is reported only after longer than a short attack.
    pub(crate) takes_long: bool,
}

impl Attack {
    /// Maximum latency of a probe under this attack, on a machine that is not busy with anything else.
    pub(crate) fn probe_limit(&self) -> Duration {
        match self.attacker {
            // Their requests cost as much as a probe and cannot be distinguished from one.
            Attacker::Clients(ClientBehaviour::Hello | ClientBehaviour::Probe, _) => Duration::from_secs(5),
            _ => Duration::from_secs(1),
        }
    }
}

const fn attack(name: &'static str, promise: &'static str, attacker: Attacker) -> Attack {
    Attack {
        name,
        promise,
        attacker,
        expected_issue: None,
    }
}

const RECORD: &str = "A run's record is bounded";
const WORK: &str = "Host work counts and ends";
const PEER: &str = "A peer cannot make the host grow";
const STARVE: &str = "No check starves the others";
const LEAK: &str = "No plugin leaks a descriptor";
const SILENT: &str = "Nothing stops silently";
const PROBES: &str = "Probes are answered";
const STATE: &str = "State and alerts survive trouble";

/// Plugins and targets that use up all resources they get.
pub(crate) const HOGS: [Attack; 22] = [
    attack(
        "texts of a MiB wherever the host takes one",
        RECORD,
        Attacker::Guest(r#"{"long_texts": 1048576}"#, Hostile::ClosesAtOnce),
    ),
    attack(
        "a huge verdict",
        RECORD,
        Attacker::Guest(r#""huge_verdict""#, Hostile::Silent),
    ),
    attack(
        "a flood of log lines",
        RECORD,
        Attacker::Guest(r#""flood_log""#, Hostile::Silent),
    ),
    attack(
        "a search in vain",
        WORK,
        Attacker::Guest(r#""search_in_vain""#, Hostile::EndlessLine),
    ),
    attack(
        "the longest inputs",
        WORK,
        Attacker::Guest(r#""extremes""#, Hostile::EndlessLine),
    ),
    attack(
        "requests without sense",
        WORK,
        Attacker::Guest(r#""fetch_absurd""#, Hostile::LargeBody),
    ),
    attack(
        "a call of 20 MiB",
        WORK,
        Attacker::Guest(r#""huge_call""#, Hostile::LargeBody),
    ),
    attack(
        "a spinning plugin",
        STARVE,
        Attacker::Guest(r#""spin""#, Hostile::Silent),
    ),
    attack(
        "another spinning plugin",
        STARVE,
        Attacker::Guest(r#""spin""#, Hostile::Silent),
    ),
    attack(
        "endless recursion",
        STARVE,
        Attacker::Guest(r#""recurse""#, Hostile::Silent),
    ),
    attack(
        "memory without end",
        STARVE,
        Attacker::Guest(r#""grow_memory""#, Hostile::Silent),
    ),
    attack(
        "connections without end",
        LEAK,
        Attacker::Guest(r#""connect_without_end""#, Hostile::Silent),
    ),
    attack(
        "a panic",
        LEAK,
        Attacker::Guest(r#""panic""#, Hostile::NeverReads),
    ),
    attack(
        "sleep for ever",
        LEAK,
        Attacker::Guest(r#""sleep""#, Hostile::HalfOpen),
    ),
    attack(
        "a thousand requests at once",
        STARVE,
        Attacker::Guest(r#"{"fetch_all": [1000, {}]}"#, Hostile::LargeBody),
    ),
    attack(
        "sending without end",
        STARVE,
        Attacker::Guest(r#""send_without_end""#, Hostile::NeverReads),
    ),
    attack(
        "reading on after errors",
        PEER,
        Attacker::Guest(r#""ignore_errors""#, Hostile::EndlessLine),
    ),
    attack(
        "a flood of informational answers",
        PEER,
        Attacker::Guest(
            r#"{"fetch": {"http2": true, "max_body": 1000}}"#,
            Hostile::InformationalFlood,
        ),
    ),
    attack(
        "an endless body",
        PEER,
        Attacker::Target("http", Hostile::EndlessBody),
    ),
    attack(
        "endless headers",
        PEER,
        Attacker::Target("http", Hostile::EndlessHeaders),
    ),
    attack("a huge chain", PEER, Attacker::TlsTarget(HostileTls::HugeChain)),
    attack(
        "a chain of many certificates",
        PEER,
        Attacker::TlsTarget(HostileTls::ManyCertificates),
    ),
];

/// Lookups of names that are never answered, and floods of lookups.
pub(crate) const NAMES: [Attack; 2] = [
    attack("targets in silent zones", STARVE, Attacker::SilentZones(100)),
    attack("floods of names", STARVE, Attacker::FloodOfNames(10)),
];

/// Faults of the environment: unread output, a hanging receiver, clock steps.
pub(crate) const HOST_FAULTS: [Attack; 3] = [
    Attack {
        expected_issue: Some(ExpectedIssue {
            code: "component_stalled",
            message: "`log`",
            takes_long: false,
        }),
        ..attack(
            "output that nobody reads",
            SILENT,
            Attacker::HostFault(HostFault::UnreadOutput),
        )
    },
    Attack {
        expected_issue: Some(ExpectedIssue {
            code: "notifier_failing",
            message: "`hanging`",
            takes_long: true,
        }),
        ..attack(
            "a receiver that hangs",
            SILENT,
            Attacker::HostFault(HostFault::HangingReceiver),
        )
    },
    attack(
        "a clock that is set",
        SILENT,
        Attacker::HostFault(HostFault::ClockSteps),
    ),
];

/// Clients that try to occupy the admin address.
pub(crate) const CLIENTS: [Attack; 9] = [
    clients("silent clients", ClientBehaviour::Silent, Sources::One),
    clients(
        "silent clients of many addresses",
        ClientBehaviour::Silent,
        Sources::Many,
    ),
    clients("half a request", ClientBehaviour::HalfARequest, Sources::One),
    clients(
        "half a request, of many addresses",
        ClientBehaviour::HalfARequest,
        Sources::Many,
    ),
    clients(
        "requests byte by byte",
        ClientBehaviour::ByteByByte,
        Sources::Many,
    ),
    clients("answers that nobody reads", ClientBehaviour::Unread, Sources::One),
    clients(
        "answers read byte by byte",
        ClientBehaviour::ReadByByte,
        Sources::One,
    ),
    clients("a crowd of probes", ClientBehaviour::Probe, Sources::One),
    clients("clients that come and go", ClientBehaviour::Churn, Sources::One),
];

/// The same for an admin address with TLS.
pub(crate) const TLS_CLIENTS: [Attack; 7] = [
    clients("silent clients, TLS", ClientBehaviour::Silent, Sources::One),
    clients("half a hello", ClientBehaviour::HalfAHello, Sources::One),
    clients(
        "half a hello, of many addresses",
        ClientBehaviour::HalfAHello,
        Sources::Many,
    ),
    clients("a hello and no more", ClientBehaviour::Hello, Sources::One),
    clients(
        "half a request, TLS",
        ClientBehaviour::HalfARequest,
        Sources::Many,
    ),
    clients(
        "answers that nobody reads, TLS",
        ClientBehaviour::Unread,
        Sources::Many,
    ),
    clients(
        "clients that come and go, TLS",
        ClientBehaviour::Churn,
        Sources::One,
    ),
];

const fn clients(name: &'static str, behaviour: ClientBehaviour, sources: Sources) -> Attack {
    attack(name, PROBES, Attacker::Clients(behaviour, sources))
}

const fn disk(name: &'static str, fault: DiskFault, code: &'static str) -> Attack {
    Attack {
        expected_issue: Some(ExpectedIssue {
            code,
            message: "",
            takes_long: false,
        }),
        ..attack(name, STATE, Attacker::DiskFault(fault))
    }
}

/// A disk on which every write is an error.
pub(crate) const ERRORS: Attack = disk("a disk that fails", DiskFault::Errors, "state_not_kept");
/// A disk on which every write hangs.
pub(crate) const HANGS: Attack = disk("a disk that hangs", DiskFault::Hangs, "state_not_kept");
/// A disk that turns read-only while it is in use.
pub(crate) const READ_ONLY: Attack = disk(
    "a disk that turns read-only",
    DiskFault::ReadOnly,
    "state_not_kept",
);
/// Files that cannot be opened.
pub(crate) const NO_DESCRIPTORS: Attack = attack(
    "no descriptor to be had",
    STATE,
    Attacker::DiskFault(DiskFault::NoDescriptors),
);

#[test]
fn every_promise_that_is_attacked_is_one_that_is_made() {
    let made = include_str!("../../SECURITY.md");
    let disks = [ERRORS, HANGS, READ_ONLY, NO_DESCRIPTORS];
    let all = [&HOGS[..], &NAMES, &HOST_FAULTS, &CLIENTS, &TLS_CLIENTS, &disks].concat();
    for attack in all {
        let row = format!("\n| {} |", attack.promise);
        assert!(
            made.contains(&row),
            "{attack:?}: SECURITY.md does not promise that"
        );
    }
}

//! Attacks as values: who attacks, and which promise.

use std::time::Duration;

use canary_tests::peer::Hostile;
use canary_tests::peer::tls::HostileTls;

use crate::crowd::{Manner, Sources};

/// An attack on a running service, and the promise that has to hold under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// As `SECURITY.md` lists it.
    pub(crate) promise: &'static str,
    pub(crate) by: By,
    /// What `/readyz` has to say of it.
    pub(crate) complaint: Option<Complaint>,
}

/// Who attacks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    /// A plugin that behaves so (the JSON of its behaviour), against this target.
    Guest(&'static str, Hostile),
    /// The target of a built-in plugin.
    Target(&'static str, Hostile),
    /// The target of the built-in plugin `tls`.
    TlsTarget(HostileTls),
    /// So many targets whose name servers never answer.
    SilentZones(usize),
    /// So many plugins that ask for one name after the other.
    FloodOfNames(usize),
    /// What surrounds the process.
    Machine(Machine),
    /// Thousands of clients at the admin address.
    Crowd(Manner, Sources),
    /// The disk that state and spool are on.
    Disk(Trouble),
}

/// What is done to the process, or to its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// The pipes that it writes its output to are full, and nobody reads.
    UnreadOutput,
    /// A receiver of alerts takes requests and never answers.
    HangingReceiver,
    /// The time of day is set an hour ahead, and back.
    ClockSteps,
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Whoever writes gets `EIO`.
    Errors,
    /// Whoever writes waits.
    Hangs,
    /// Its file system found an error, and takes nothing more while files are open.
    ReadOnly,
    /// It is fine, but next to no file can be opened.
    NoDescriptors,
}

/// A problem in `/readyz`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complaint {
    /// Its word.
    pub(crate) what: &'static str,
    /// A part of its message.
    pub(crate) names: &'static str,
    /// Whether it takes longer than a short attack.
    pub(crate) takes_long: bool,
}

impl Attack {
    /// How long a probe may wait under it.
    pub(crate) fn probe(&self) -> Duration {
        match self.by {
            // Theirs cost what the probe's own costs, and nothing tells them apart.
            By::Crowd(Manner::Hello | Manner::Probe, _) => Duration::from_secs(5),
            _ => Duration::from_secs(1),
        }
    }
}

const fn by(name: &'static str, promise: &'static str, by: By) -> Attack {
    Attack {
        name,
        promise,
        by,
        complaint: None,
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

/// Plugins and targets that use up whatever they get.
pub(crate) const HOGS: [Attack; 22] = [
    by(
        "texts of a MiB wherever the host takes one",
        RECORD,
        By::Guest(r#"{"long_texts": 1048576}"#, Hostile::ClosesAtOnce),
    ),
    by(
        "a huge verdict",
        RECORD,
        By::Guest(r#""huge_verdict""#, Hostile::Silent),
    ),
    by(
        "a flood of log lines",
        RECORD,
        By::Guest(r#""flood_log""#, Hostile::Silent),
    ),
    by(
        "a search in vain",
        WORK,
        By::Guest(r#""search_in_vain""#, Hostile::EndlessLine),
    ),
    by(
        "the longest inputs",
        WORK,
        By::Guest(r#""extremes""#, Hostile::EndlessLine),
    ),
    by(
        "requests without sense",
        WORK,
        By::Guest(r#""fetch_absurd""#, Hostile::LargeBody),
    ),
    by(
        "a call of 20 MiB",
        WORK,
        By::Guest(r#""huge_call""#, Hostile::LargeBody),
    ),
    by(
        "a spinning plugin",
        STARVE,
        By::Guest(r#""spin""#, Hostile::Silent),
    ),
    by(
        "another spinning plugin",
        STARVE,
        By::Guest(r#""spin""#, Hostile::Silent),
    ),
    by(
        "endless recursion",
        STARVE,
        By::Guest(r#""recurse""#, Hostile::Silent),
    ),
    by(
        "memory without end",
        STARVE,
        By::Guest(r#""grow_memory""#, Hostile::Silent),
    ),
    by(
        "connections without end",
        LEAK,
        By::Guest(r#""connect_without_end""#, Hostile::Silent),
    ),
    by("a panic", LEAK, By::Guest(r#""panic""#, Hostile::NeverReads)),
    by("sleep for ever", LEAK, By::Guest(r#""sleep""#, Hostile::HalfOpen)),
    by(
        "a thousand requests at once",
        STARVE,
        By::Guest(r#"{"fetch_all": [1000, {}]}"#, Hostile::LargeBody),
    ),
    by(
        "sending without end",
        STARVE,
        By::Guest(r#""send_without_end""#, Hostile::NeverReads),
    ),
    by(
        "reading on after errors",
        PEER,
        By::Guest(r#""ignore_errors""#, Hostile::EndlessLine),
    ),
    by(
        "a flood of informational answers",
        PEER,
        By::Guest(
            r#"{"fetch": {"http2": true, "max_body": 1000}}"#,
            Hostile::InformationalFlood,
        ),
    ),
    by("an endless body", PEER, By::Target("http", Hostile::EndlessBody)),
    by(
        "endless headers",
        PEER,
        By::Target("http", Hostile::EndlessHeaders),
    ),
    by("a huge chain", PEER, By::TlsTarget(HostileTls::HugeChain)),
    by(
        "a chain of many certificates",
        PEER,
        By::TlsTarget(HostileTls::ManyCertificates),
    ),
];

/// Names that nobody answers for, and too many of them.
pub(crate) const NAMES: [Attack; 2] = [
    by("targets in silent zones", STARVE, By::SilentZones(100)),
    by("floods of names", STARVE, By::FloodOfNames(10)),
];

/// A machine where nobody reads, a receiver hangs, and somebody sets the clock.
pub(crate) const SURROUNDINGS: [Attack; 3] = [
    Attack {
        complaint: Some(Complaint {
            what: "component_stalled",
            names: "`log`",
            takes_long: false,
        }),
        ..by(
            "output that nobody reads",
            SILENT,
            By::Machine(Machine::UnreadOutput),
        )
    },
    Attack {
        complaint: Some(Complaint {
            what: "notifier_failing",
            names: "`hanging`",
            takes_long: true,
        }),
        ..by(
            "a receiver that hangs",
            SILENT,
            By::Machine(Machine::HangingReceiver),
        )
    },
    by("a clock that is set", SILENT, By::Machine(Machine::ClockSteps)),
];

/// Clients that want the admin address for themselves.
pub(crate) const CLIENTS: [Attack; 9] = [
    crowd("silent clients", Manner::Silent, Sources::One),
    crowd("silent clients of many addresses", Manner::Silent, Sources::Many),
    crowd("half a request", Manner::HalfARequest, Sources::One),
    crowd(
        "half a request, of many addresses",
        Manner::HalfARequest,
        Sources::Many,
    ),
    crowd("requests byte by byte", Manner::ByteByByte, Sources::Many),
    crowd("answers that nobody reads", Manner::Unread, Sources::One),
    crowd("answers read byte by byte", Manner::ReadByByte, Sources::One),
    crowd("a crowd of probes", Manner::Probe, Sources::One),
    crowd("clients that come and go", Manner::Churn, Sources::One),
];

/// The same where it has a certificate.
pub(crate) const TLS_CLIENTS: [Attack; 7] = [
    crowd("silent clients, TLS", Manner::Silent, Sources::One),
    crowd("half a hello", Manner::HalfAHello, Sources::One),
    crowd(
        "half a hello, of many addresses",
        Manner::HalfAHello,
        Sources::Many,
    ),
    crowd("a hello and no more", Manner::Hello, Sources::One),
    crowd("half a request, TLS", Manner::HalfARequest, Sources::Many),
    crowd("answers that nobody reads, TLS", Manner::Unread, Sources::Many),
    crowd("clients that come and go, TLS", Manner::Churn, Sources::One),
];

const fn crowd(name: &'static str, manner: Manner, sources: Sources) -> Attack {
    by(name, PROBES, By::Crowd(manner, sources))
}

const fn disk(name: &'static str, trouble: Trouble, what: &'static str) -> Attack {
    Attack {
        complaint: Some(Complaint {
            what,
            names: "",
            takes_long: false,
        }),
        ..by(name, STATE, By::Disk(trouble))
    }
}

/// A disk on which every write is an error.
pub(crate) const ERRORS: Attack = disk("a disk that fails", Trouble::Errors, "state_not_kept");
/// A disk on which every write hangs.
pub(crate) const HANGS: Attack = disk("a disk that hangs", Trouble::Hangs, "state_not_kept");
/// A disk that turns read-only while it is in use.
pub(crate) const READ_ONLY: Attack = disk("a disk that turns read-only", Trouble::ReadOnly, "state_not_kept");
/// Files that cannot be opened.
pub(crate) const NO_DESCRIPTORS: Attack =
    by("no descriptor to be had", STATE, By::Disk(Trouble::NoDescriptors));

#[test]
fn every_promise_that_is_attacked_is_one_that_is_made() {
    let made = include_str!("../../SECURITY.md");
    let disks = [ERRORS, HANGS, READ_ONLY, NO_DESCRIPTORS];
    let all = [&HOGS[..], &NAMES, &SURROUNDINGS, &CLIENTS, &TLS_CLIENTS, &disks].concat();
    for attack in all {
        let row = format!("\n| {} |", attack.promise);
        assert!(
            made.contains(&row),
            "{attack:?}: SECURITY.md does not promise that"
        );
    }
}

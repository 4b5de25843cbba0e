use super::*;

/// In the order of [`QuotaKind::ALL`], in the quotas' units.
fn limits(quota: &Quota) -> Vec<u64> {
    QuotaKind::ALL.map(|kind| quota.limit(kind)).into()
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

#[test]
fn the_defaults_and_the_ceiling_are_as_documented() {
    let documented = [
        ("sockets", 4, 64),
        ("fds", 8, 128),
        ("connections", 16, 1_024),
        ("lookups", 16, 1_024),
        ("bytes_in", 8 * MIB, 1024 * MIB),
        ("bytes_out", MIB, 256 * MIB),
        ("memory", 32 * MIB, 512 * MIB),
        ("cpu", 1_000, 30_000),
        ("log_lines", 64, 4_096),
        ("measurements", 256, 4_096),
        ("record", 256 * KIB, 4 * MIB),
    ];
    let (default, ceiling) = (Quota::default(), Quota::ceiling());
    let quotas = QuotaKind::ALL.map(|kind| (kind.as_str(), default.limit(kind), ceiling.limit(kind)));
    assert_eq!(quotas, documented);
}

#[test]
fn a_limit_that_is_set_is_that_of_its_quota_alone() {
    for (place, kind) in QuotaKind::ALL.into_iter().enumerate() {
        let mut expected = limits(&Quota::default());
        expected[place] = 7;
        let mut quota = Quota::default();
        quota.set_limit(kind, 7);
        assert_eq!(limits(&quota), expected, "{kind}");
    }
}

#[test]
fn every_quota_has_a_key_a_description_and_a_range_with_its_default_and_its_ceiling() {
    for kind in QuotaKind::ALL {
        let is_key = |key: &str| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(is_key(&kind.to_string()), "{kind}");
        let description = kind.description();
        assert!(
            description.ends_with('.') && !description.starts_with(' ') && !description.contains("  "),
            "{description}"
        );
        for quota in [Quota::default(), Quota::ceiling()] {
            assert!(kind.range().contains(&quota.limit(kind)), "{kind}");
        }
    }
    assert_eq!(
        QuotaKind::Fds.description(),
        "Concurrently open kernel descriptors of any kind that the run causes: its sockets, and those to name servers \
         that it waits for, whether shared with other runs or not."
    );
}

#[test]
fn of_two_attempts_peaks_are_compared_and_the_rest_is_added() {
    let usage = |unit: u64| QuotaUsage {
        sockets_peak: unit,
        fds_peak: unit + 1,
        connections: unit + 2,
        lookups: unit + 3,
        bytes_in: unit + 4,
        bytes_out: unit + 5,
        memory_peak: unit + 6,
        cpu: Duration::from_millis(unit + 7),
        ..QuotaUsage::default()
    };
    for (first, second) in [(10, 100), (100, 10)] {
        let mut both = usage(first);
        both.absorb(&usage(second));
        let (first, second) = (usage(first), usage(second));
        for kind in QuotaKind::ALL {
            let (first, second) = (first.of(kind), second.of(kind));
            let expected = match kind.counted() {
                Counted::AtOnce => first.max(second),
                Counted::PerAttempt => first + second,
                Counted::PerRun => 0,
            };
            assert_eq!(both.of(kind), expected, "{kind}");
        }
        assert_eq!((both.fds_peak, both.lookups), (101, 116));
    }
}

#[test]
fn what_was_used_is_in_json_by_its_name() {
    let used = QuotaUsage {
        memory_peak: 7,
        cpu: Duration::from_nanos(1_234_567),
        fds_peak: 9,
        ..QuotaUsage::default()
    };
    let json = serde_json::to_value(used).unwrap();
    assert_eq!(
        (&json["memory_peak"], &json["cpu_ms"]),
        (&7.into(), &1.235.into())
    );
    let read: QuotaUsage = serde_json::from_value(json).unwrap();
    let expected = QuotaUsage {
        cpu: Duration::from_micros(1_235),
        fds_peak: 0,
        ..used
    };
    assert_eq!(read, expected);
}

#[test]
fn a_value_is_shown_in_the_largest_unit_that_it_is_a_multiple_of() {
    let cases = [
        (QuotaKind::Sockets, 1_024, "1024"),
        (QuotaKind::Cpu, 1_500, "1s 500ms"),
        (QuotaKind::Memory, 0, "0 B"),
        (QuotaKind::Memory, 1_000, "1000 B"),
        (QuotaKind::Record, KIB, "1 KiB"),
        (QuotaKind::Record, KIB + 1, "1025 B"),
        (QuotaKind::BytesIn, 8 * MIB, "8 MiB"),
        (QuotaKind::BytesIn, MIB + KIB, "1025 KiB"),
        (QuotaKind::BytesOut, 1024 * MIB, "1 GiB"),
    ];
    for (kind, value, shown) in cases {
        assert_eq!(kind.format_value(value), shown, "{kind}");
    }
}

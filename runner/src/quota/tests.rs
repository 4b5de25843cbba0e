use super::*;

/// In the order of [`QuotaKind::ALL`], in the quotas' units.
fn limits(quota: &Quota) -> [u64; 10] {
    QuotaKind::ALL.map(|kind| quota.limit(kind))
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

#[test]
fn the_defaults_and_the_ceiling_are_as_documented() {
    assert_eq!(
        limits(&Quota::default()),
        [4, 8, 16, 16, 8 * MIB, MIB, 32 * MIB, 1_000, 64, 256 * KIB]
    );
    assert_eq!(
        limits(&Quota::ceiling()),
        [
            64,
            128,
            1_024,
            1_024,
            1024 * MIB,
            256 * MIB,
            512 * MIB,
            30_000,
            4_096,
            4 * MIB
        ]
    );
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
fn every_quota_has_a_key() {
    let keys = QuotaKind::ALL.map(|kind| kind.to_string()).join(" ");
    assert_eq!(
        keys,
        "sockets fds connections lookups bytes_in bytes_out memory cpu log_lines record"
    );
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

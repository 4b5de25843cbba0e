use super::*;

/// Number of random texts; the same ones in each run.
const CASES: usize = 20_000;
const SEED: u64 = 10;

#[test]
fn a_duration_is_one_or_more_numbers_with_units() {
    for (text, nanoseconds) in [
        ("0", 0),
        ("0s", 0),
        ("500ms", 500 * MILLISECOND),
        ("1 s", SECOND),
        ("1.5s", 1_500 * MILLISECOND),
        ("1h30m", 90 * MINUTE),
        ("1h 30m", 90 * MINUTE),
        (" 1 H 30 Min ", 90 * MINUTE),
        ("1.5h", 90 * MINUTE),
        ("1 minute", MINUTE),
        ("2w", 14 * DAY),
        ("100us", 100 * MICROSECOND),
        ("100 µs", 100 * MICROSECOND),
        ("1ms 1ns", MILLISECOND + 1),
        ("0.1ns", 0),
        ("1y", 12 * 2_629_800 * SECOND),
        ("12 months", 31_557_600 * SECOND),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
    }
}

#[test]
fn a_text_without_number_or_unit_is_not_a_duration() {
    for text in [
        "",
        " ",
        "30",
        "soon",
        "s",
        "-5s",
        "+5s",
        "NaN",
        "30 parsecs",
        "5M",
        "1h 30",
        "1.s",
        ".5s",
        "1,5s",
        "1..5s",
        "1.5.2s",
        "1e3s",
        "0x10s",
        "5s.",
        "1h-30m",
        "1é",
        "00",
    ] {
        assert_eq!(duration(text), Err(UnitError::Duration), "{text}");
    }
    for text in [
        "99999999999999999999s",
        "18446744073709551616s",
        "9999999999999w 9999999999999999999y",
    ] {
        assert_eq!(duration(text), Err(UnitError::TooLarge), "{text}");
    }
    assert_eq!(
        duration("18446744073709551615s"),
        Ok(Duration::from_secs(u64::MAX))
    );
}

#[test]
fn a_size_is_a_number_of_bytes_or_has_a_unit() {
    for (text, bytes) in [
        ("0", 0),
        ("4096", 4096),
        (" 4096 B ", 4096),
        ("8MiB", 8 << 20),
        ("8 mib", 8 << 20),
        ("8mi", 8 << 20),
        ("1M", 1_000_000),
        ("1 GB", 1_000_000_000),
        ("2k", 2_000),
        ("1.5KiB", 1_536),
        ("0.5 MB", 500_000),
        ("1 TiB", 1 << 40),
        ("18446744073709551615", u64::MAX),
        ("1.000000000000000000000KiB", 1_024),
    ] {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn a_text_without_number_or_with_another_unit_is_not_a_size() {
    for text in [
        "",
        "MiB",
        "-1",
        "1 parsec",
        "0x10",
        "1MiB 1KiB",
        "1 2",
        "1.",
        ".5k",
        "1e3",
        "1µB",
        "1e3KiB",
    ] {
        assert_eq!(size(text), Err(UnitError::Size), "{text}");
    }
    for text in [
        "99999999999999999999",
        "99999999999999 GiB",
        "18446744073709551616B",
    ] {
        assert_eq!(size(text), Err(UnitError::TooLarge), "{text}");
    }
    for text in ["1.5", "1.5B", "0.3KiB", "1.0000000000000000000001KiB"] {
        assert_eq!(size(text), Err(UnitError::PartOfByte), "{text}");
    }
}

#[test]
fn a_duration_is_shown_in_its_largest_whole_unit() {
    for (nanoseconds, text) in [
        (0, "0s"),
        (7, "7ns"),
        (100 * MICROSECOND, "100us"),
        (10 * MILLISECOND, "10ms"),
        (1_500 * MILLISECOND, "1500ms"),
        (MINUTE, "60s"),
        (2 * MINUTE, "2m"),
        (DAY, "1d"),
    ] {
        assert_eq!(show(Duration::from_nanos(nanoseconds)), text);
    }
}

#[test]
fn every_duration_that_is_shown_reads_back_as_itself() {
    let mut random = fastrand::Rng::with_seed(SEED);
    for _ in 0..CASES {
        let seconds = random.u64(..) >> random.u32(..64);
        let scale = [1, 1_000, 1_000_000, 1_000_000_000][random.usize(..4)];
        let written = Duration::new(seconds, random.u32(..1_000_000_000) / scale * scale);
        assert_eq!(duration(&show(written)), Ok(written), "{}", show(written));
    }
}

/// Any spelling and spacing of the parts, in any order.
#[test]
fn a_duration_is_the_sum_of_its_parts_in_any_spelling() {
    let mut random = fastrand::Rng::with_seed(SEED);
    for _ in 0..CASES {
        let (mut text, mut sum) = (String::new(), 0);
        for _ in 0..random.usize(1..5) {
            let (scale, words) = TIMES[random.usize(..TIMES.len())];
            let count = random.u64(..1_000);
            text += &format!("{count}{}{}", blanks(&mut random), spelt(&mut random, words));
            text += &blanks(&mut random);
            sum += u128::from(count) * u128::from(scale);
        }
        assert_eq!(duration(&text).map(|read| read.as_nanos()), Ok(sum), "{text}");
        assert!(matches(DURATION_PATTERN, &text), "{text}");
    }
}

#[test]
fn a_size_is_its_number_times_its_unit_in_any_spelling() {
    let mut random = fastrand::Rng::with_seed(SEED);
    for _ in 0..CASES {
        let (scale, words) = SIZES[random.usize(..SIZES.len())];
        let quarters = random.u64(..10_000);
        let number = match scale {
            1 => (quarters * 4).to_string(),
            _ => format!("{}.{:02}", quarters, 25 * random.u64(..4)),
        };
        let text = format!(
            "{number}{}{}{}",
            blanks(&mut random),
            spelt(&mut random, words),
            blanks(&mut random)
        );
        let (whole, hundredths) = number.split_once('.').unwrap_or((&number, "0"));
        let (whole, hundredths) = (whole.parse::<u64>().unwrap(), hundredths.parse::<u64>().unwrap());
        assert_eq!(
            size(&text),
            Ok(whole * scale + hundredths * scale / 100),
            "{text}"
        );
        assert!(matches(SIZE_PATTERN, &text), "{text}");
    }
}

#[test]
fn whatever_can_be_read_fits_the_pattern() {
    let mut random = fastrand::Rng::with_seed(SEED);
    let alphabet: Vec<char> = "0123456789.. smhdwKkMmGiIbBuµéE+-\t".chars().collect();
    for _ in 0..CASES {
        let length = random.usize(..12);
        let text: String = (0..length)
            .map(|_| alphabet[random.usize(..alphabet.len())])
            .collect();
        if duration(&text).is_ok() {
            assert!(matches(DURATION_PATTERN, &text), "`{text}`");
        }
        if size(&text).is_ok() {
            assert!(matches(SIZE_PATTERN, &text), "`{text}`");
        }
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).unwrap().is_match(text)
}

fn blanks(random: &mut fastrand::Rng) -> String {
    " ".repeat(random.usize(..3))
}

fn spelt(random: &mut fastrand::Rng, words: &[&str]) -> String {
    let word = words[random.usize(..words.len())];
    // `M` alone is not a minute.
    if word != "m" && random.bool() {
        word.to_uppercase()
    } else {
        word.to_owned()
    }
}

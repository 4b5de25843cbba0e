use jiff::tz::AmbiguousOffset;

use super::*;

/// Such as `2026-03-29T01:59:00+01:00`.
fn moment(text: &str) -> SystemTime {
    let timestamp: Timestamp = text.parse().unwrap();
    SystemTime::try_from(timestamp).unwrap()
}

fn cron(text: &str, zone: &str) -> Cron {
    Cron::new(text, TimeZone::get(zone).unwrap(), zone).unwrap()
}

/// The due times after an instant, by the clocks of the zone.
fn due(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let cron = cron(text, zone);
    let mut at = moment(after);
    let mut found = Vec::new();
    for _ in 0..count {
        at = cron.after(at).unwrap();
        let timestamp = Timestamp::try_from(at).unwrap();
        let offset = cron.zone.to_offset(timestamp);
        let (local, minutes) = (offset.to_datetime(timestamp), offset.seconds() / 60);
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        let local = local.to_string().replace('T', " ");
        found.push(format!("{}{sign}{hours:02}:{minutes:02}", &local[5..16]));
    }
    found
}

#[test]
fn a_check_is_due_in_the_minutes_that_its_expression_names() {
    // Friday, 2026-11-27.
    for (text, expected) in [
        (
            "*/5 8-18 * * mon-fri",
            ["11-27 18:50", "11-27 18:55", "11-30 08:00"],
        ),
        ("0 * * * *", ["11-27 19:00", "11-27 20:00", "11-27 21:00"]),
        ("59 23 31 12 *", ["12-31 23:59", "12-31 23:59", "12-31 23:59"]),
        ("0 0 13 * fri", ["12-04 00:00", "12-11 00:00", "12-13 00:00"]),
        ("0 12 * * 7", ["11-29 12:00", "12-06 12:00", "12-13 12:00"]),
        ("0 12 * * sat-sun", ["11-28 12:00", "11-29 12:00", "12-05 12:00"]),
        ("0 12 * * 0-0", ["11-29 12:00", "12-06 12:00", "12-13 12:00"]),
        ("0 12 * * sun-sun", ["11-29 12:00", "12-06 12:00", "12-13 12:00"]),
        (
            "15,45 6 1-7 JAN,Jun *",
            ["01-01 06:15", "01-01 06:45", "01-02 06:15"],
        ),
        ("50/5 18 * * *", ["11-27 18:50", "11-27 18:55", "11-28 18:50"]),
        ("0 0 */10 * *", ["12-01 00:00", "12-11 00:00", "12-21 00:00"]),
        ("@daily", ["11-28 00:00", "11-29 00:00", "11-30 00:00"]),
        ("@weekly", ["11-29 00:00", "12-06 00:00", "12-13 00:00"]),
    ] {
        let found = due(text, "UTC", "2026-11-27T18:45:00Z", 3);
        assert_eq!(found, expected.map(|time| format!("{time}+00:00")), "{text}");
    }
}

#[test]
fn a_day_of_month_beside_any_weekday_has_to_be_that_day() {
    // `*/2` is every second day of the month, and only Mondays of these, as in cron.
    let found = due("0 0 */2 * mon", "UTC", "2026-11-27T00:00:00Z", 2);
    assert_eq!(found, ["12-07 00:00+00:00", "12-21 00:00+00:00"]);
}

#[test]
fn a_29th_of_february_is_waited_for() {
    let cron = cron("0 0 29 2 *", "Europe/Berlin");
    let next = cron.after(moment("2096-03-01T00:00:00Z")).unwrap();
    assert_eq!(next, moment("2104-02-29T00:00:00+01:00"));
}

#[test]
fn times_that_clocks_leave_out_are_as_much_later() {
    // Clocks go from 02:00 to 03:00 on 2026-03-29.
    let day = "2026-03-28T12:00:00+01:00";
    let daily = due("30 2 * * *", "Europe/Berlin", day, 2);
    assert_eq!(daily, ["03-29 03:30+02:00", "03-30 02:30+02:00"]);
    let both = due("30 2,3 * * *", "Europe/Berlin", day, 2);
    assert_eq!(
        both,
        ["03-29 03:30+02:00", "03-30 02:30+02:00"],
        "once, though meant twice"
    );
    let beside = due("30 2,3 * * *", "Europe/Berlin", "2026-03-29T03:00:00+02:00", 1);
    assert_eq!(
        beside,
        ["03-29 03:30+02:00"],
        "also when that is asked for in between"
    );
    let often = due("*/20 * * * *", "Europe/Berlin", "2026-03-29T01:30:00+01:00", 4);
    let expected = ["01:40+01:00", "03:00+02:00", "03:20+02:00", "03:40+02:00"];
    assert_eq!(
        often,
        expected.map(|time| format!("03-29 {time}")),
        "as often as on any other day"
    );
}

#[test]
fn times_that_a_day_has_twice_are_due_both_times() {
    // Clocks go from 03:00 to 02:00 on 2026-10-25.
    let often = due("*/20 * * * *", "Europe/Berlin", "2026-10-25T02:30:00+02:00", 5);
    let expected = [
        "02:40+02:00",
        "02:00+01:00",
        "02:20+01:00",
        "02:40+01:00",
        "03:00+01:00",
    ];
    assert_eq!(
        often,
        expected.map(|time| format!("10-25 {time}")),
        "never an hour without a run"
    );
    let daily = due("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", 3);
    let expected = ["10-25 02:30+02:00", "10-25 02:30+01:00", "10-26 02:30+01:00"];
    assert_eq!(daily, expected);
}

#[test]
fn clocks_that_are_changed_by_less_than_an_hour_or_at_midnight_lose_no_due_time() {
    // A change by half an hour at 02:00.
    let found = due("0,15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 3);
    assert_eq!(
        found,
        ["10-04 02:30+11:00", "10-04 02:45+11:00", "10-05 02:00+11:00"]
    );
    // From 00:00 to 01:00.
    let found = due("30 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", 2);
    assert_eq!(found, ["09-06 01:30-03:00", "09-07 00:30-03:00"]);
    // A day that does not exist.
    let found = due("0 12 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", 1);
    assert_eq!(found, ["12-31 12:00+14:00"]);
}

/// Compares every minute of four days around each clock change with what local clocks show.
#[test]
fn no_minute_is_left_out_and_none_is_made_up() {
    for (zone, noon) in [
        ("Europe/Berlin", "2026-03-28T12:00:00Z"),
        ("Europe/Berlin", "2026-10-24T12:00:00Z"),
        ("America/New_York", "2026-03-07T12:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T12:00:00Z"),
        ("Africa/Casablanca", "2026-02-14T12:00:00Z"),
    ] {
        for text in ["*/7 * * * *", "5,35 1-3 * * *", "0 */2 * * *", "* 2 * * sun"] {
            let cron = cron(text, zone);
            let begin = Timestamp::try_from(moment(noon)).unwrap();
            let minutes = (1..=4 * 24 * 60).map(|minute| begin + SignedDuration::from_secs(60 * minute));
            let expected: Vec<Timestamp> = minutes.filter(|minute| is_meant(&cron, *minute)).collect();
            let end = begin + SignedDuration::from_secs(4 * 24 * 60 * 60);
            let due = std::iter::successors(cron.next(begin), |due| cron.next(*due));
            let found: Vec<Timestamp> = due.take_while(|due| *due <= end).collect();
            assert_eq!(found, expected, "{text} {zone}");
        }
    }
}

/// Whether local clocks show a time that matches, or would if they had not been set forward.
fn is_meant(cron: &Cron, at: Timestamp) -> bool {
    let names = |time: DateTime| cron.fields.at_or_after(time) == Some(time);
    let is_shown = names(cron.zone.to_datetime(at));
    let hidden = (1..=120).map(|minutes| {
        // The local time before the change, by the old offset.
        let earlier = at - SignedDuration::from_secs(60 * minutes);
        let unchanged = cron.zone.to_offset(earlier).to_datetime(at);
        let offset = cron.zone.to_ambiguous_timestamp(unchanged).offset();
        let is_left_out = matches!(offset, AmbiguousOffset::Gap { .. });
        is_left_out && names(unchanged)
    });
    is_shown || hidden.into_iter().any(|is_hidden| is_hidden)
}

#[test]
fn due_times_of_a_stretch_are_counted_up_to_a_bound() {
    let cron = cron("*/5 8-18 * * mon-fri", "Europe/Berlin");
    let friday = moment("2026-11-27T18:50:00+01:00");
    let monday = moment("2026-11-30T08:05:00+01:00");
    assert_eq!(
        cron.count(friday, monday),
        (3, Some(monday)),
        "the first is not counted, the last is"
    );
    assert_eq!(cron.count(monday, friday), (0, None));
    let (count, last) = self::cron("* * * * *", "UTC").count(friday, friday + Duration::from_hours(1_000));
    assert_eq!(
        (count, last),
        (10_080, Some(friday + Duration::from_mins(10_080)))
    );
}

#[test]
fn the_shortest_time_between_due_times_is_known() {
    for (text, minutes) in [
        ("* * * * *", 1),
        ("*/5 8-18 * * mon-fri", 5),
        ("0,50 * * * *", 10),
        ("30 2 * * *", 24 * 60),
        ("0 9,17 * * *", 8 * 60),
        ("59,0 23,0 * * *", 1),
    ] {
        assert_eq!(
            cron(text, "UTC").min_interval(),
            Duration::from_mins(minutes),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_a_cron_expression_is_refused_with_a_reason() {
    let refused = |text: &str| Cron::new(text, TimeZone::UTC, "UTC").unwrap_err().to_string();
    for (text, reason) in [
        ("", "expected 5 fields, found 0"),
        ("* * * *", "expected 5 fields, found 4"),
        ("0 * * * * *", "expected 5 fields, found 6"),
        ("@often", "expected 5 fields, found 1"),
        ("60 * * * *", "minute: invalid value `60`; allowed: 0 to 59"),
        ("* 24 * * *", "hour: invalid value `24`; allowed: 0 to 23"),
        ("* * 0 * *", "day of month: invalid value `0`; allowed: 1 to 31"),
        ("* * L * *", "day of month: invalid value `L`; allowed: 1 to 31"),
        ("* * * 13 *", "month: invalid value `13`; allowed: 1 to 12"),
        ("* * * * 8", "day of week: invalid value `8`; allowed: 0 to 7"),
        (
            "* * * * fri#2",
            "day of week: invalid value `fri#2`; allowed: 0 to 7",
        ),
        ("* * * mon *", "month: invalid value `mon`; allowed: 1 to 12"),
        ("1, * * * *", "minute: invalid value ``; allowed: 0 to 59"),
        ("+5 * * * *", "minute: invalid value `+5`; allowed: 0 to 59"),
        ("999 * * * *", "minute: invalid value `999`; allowed: 0 to 59"),
        ("-5 * * * *", "minute: invalid value ``; allowed: 0 to 59"),
        ("* 22-6 * * *", "hour: the range `22-6` ends before it begins"),
        (
            "*/0 * * * *",
            "minute: invalid step `*/0`; write such as `*/5` or `0-30/10`",
        ),
        (
            "*/x * * * *",
            "minute: invalid step `*/x`; write such as `*/5` or `0-30/10`",
        ),
        (
            "*/5/5 * * * *",
            "minute: invalid step `*/5/5`; write such as `*/5` or `0-30/10`",
        ),
        ("0 0 30 2 *", "this date never occurs"),
        ("0 0 31 4,6,9,11 *", "this date never occurs"),
    ] {
        assert_eq!(refused(text), reason, "{text}");
    }
}

#[test]
fn a_step_is_no_longer_than_its_field() {
    for (text, longest) in [
        ("*/{} * * * *", 60),
        ("0 */{} * * *", 24),
        ("0 0 */{} * *", 31),
        ("0 0 1 */{} *", 12),
        ("0 0 * * */{}", 7),
        ("5-10/{} * * * *", 60),
    ] {
        let parse = |step: u32| Cron::new(&text.replace("{}", &step.to_string()), TimeZone::UTC, "UTC");
        assert!(parse(longest).is_ok(), "{text}");
        let error = parse(longest + 1).unwrap_err();
        assert!(matches!(error, CronError::LongStep { .. }), "{text}: {error}");
    }
}

#[test]
fn the_shortest_time_between_due_times_is_that_around_a_change_of_clocks() {
    let minutes = |text: &str, zone: &str| cron(text, zone).min_interval().as_secs() / 60;
    assert_eq!(minutes("30 2 * * *", "UTC"), 24 * 60);
    assert_eq!(minutes("30 2 * * *", "Europe/Berlin"), 60, "02:30 is there twice");
    assert_eq!(minutes("30 2,3 * * *", "Europe/Berlin"), 60);
    assert_eq!(minutes("15,30 * * * *", "Europe/Berlin"), 15);
    // 02:30 becomes 03:30 when it is skipped.
    assert_eq!(minutes("0 0,1,3 * * *", "Europe/Berlin"), 60);
    assert_eq!(minutes("40 2-3/2,4 * * *", "Europe/Berlin"), 60);
    assert_eq!(minutes("0 12 * * *", "Europe/Berlin"), 23 * 60);
    assert_eq!(minutes("45 1 * * *", "Australia/Lord_Howe"), 30);
}

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const EVERY_DAY: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn check(name: &str, labels: &[(&str, &str)]) -> Check {
    let labels = labels
        .iter()
        .map(|(label, value)| (label.to_string(), value.to_string()));
    Check {
        labels: Arc::new(labels.collect()),
        ..Check::minimal(name, HOUR)
    }
}

/// RFC 3339.
fn moment(text: &str) -> SystemTime {
    let timestamp: Timestamp = text.parse().unwrap();
    SystemTime::try_from(timestamp).unwrap()
}

fn daily(days: &[Weekday], hours: i8, minutes: i8, duration: Duration, zone: &str) -> Window {
    let repetition = Repetition {
        days: days.to_vec(),
        at: Time::new(hours, minutes, 0, 0).unwrap(),
        duration,
        zone: TimeZone::get(zone).unwrap(),
    };
    Window::new("daily", Scope::default(), Times::Repeating(repetition))
}

/// Asserts that the window is active from the first instant until just before the second, and not outside of that.
fn assert_open(window: &Window, from: &str, until: &str) {
    const INSTANT: Duration = Duration::from_nanos(1);
    let check = check("any", &[]);
    let (from, until) = (moment(from), moment(until));
    assert!(!window.covers(&check, from - INSTANT), "open too early");
    assert!(window.covers(&check, from), "not open at its start");
    assert!(window.covers(&check, until - INSTANT), "closed too early");
    assert!(!window.covers(&check, until), "still open at its end");
}

#[test]
fn a_window_without_names_and_labels_is_for_every_check() {
    let window = daily(&EVERY_DAY, 0, 0, 24 * HOUR, "UTC");
    assert!(window.covers(&check("any", &[]), SystemTime::now()));
    assert_eq!(window.name(), "daily");
}

#[test]
fn a_window_is_for_checks_that_it_names_and_that_have_all_its_labels() {
    let scope = Scope {
        checks: Some(BTreeSet::from(["database".into(), "cache".into()])),
        labels: [("tier", "db"), ("site", "north")]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
    };
    let from = moment("2026-12-24T18:00:00Z");
    let window = Window::new("upgrade", scope, Times::Once { from, duration: HOUR });
    let both = [("tier", "db"), ("site", "north"), ("team", "web")];
    assert!(window.covers(&check("database", &both), from));
    assert!(window.covers(&check("cache", &both), from));
    assert!(!window.covers(&check("shop", &both), from));
    assert!(!window.covers(&check("database", &both[..1]), from));
    assert!(!window.covers(&check("database", &[("tier", "db"), ("site", "south")]), from));
}

#[test]
fn a_window_for_once_holds_its_start_and_not_its_end() {
    let from = moment("2026-12-24T18:00:00+01:00");
    let window = Window::new(
        "once",
        Scope::default(),
        Times::Once {
            from,
            duration: 2 * HOUR,
        },
    );
    assert_open(&window, "2026-12-24T17:00:00Z", "2026-12-24T19:00:00Z");
}

#[test]
fn a_daily_window_opens_by_the_clocks_of_its_zone_in_summer_and_in_winter() {
    let window = daily(&EVERY_DAY, 2, 0, HOUR, "Europe/Berlin");
    assert_open(&window, "2026-01-15T01:00:00Z", "2026-01-15T02:00:00Z");
    assert_open(&window, "2026-07-15T00:00:00Z", "2026-07-15T01:00:00Z");
    assert_open(&window, "2026-07-16T00:00:00Z", "2026-07-16T01:00:00Z");
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
    let window = daily(&[Weekday::Saturday], 23, 0, 2 * HOUR, "Europe/Berlin");
    // 2026-01-17 is a Saturday.
    assert_open(&window, "2026-01-17T23:00:00+01:00", "2026-01-18T01:00:00+01:00");
    let any = check("any", &[]);
    assert!(!window.covers(&any, moment("2026-01-17T00:30:00+01:00")));
    assert!(!window.covers(&any, moment("2026-01-18T23:30:00+01:00")));
}

#[test]
fn a_window_opens_on_its_days_only() {
    let window = daily(&[Weekday::Monday, Weekday::Thursday], 12, 0, HOUR, "UTC");
    let any = check("any", &[]);
    // Starts on Monday.
    let open: Vec<bool> = (12..19)
        .map(|day| window.covers(&any, moment(&format!("2026-01-{day}T12:30:00Z"))))
        .collect();
    assert_eq!(open, [true, false, false, true, false, false, false]);
}

#[test]
fn the_day_of_a_window_is_that_of_its_zone() {
    // Monday 00:30 in Auckland is Sunday in UTC.
    let window = daily(&[Weekday::Monday], 0, 30, HOUR, "Pacific/Auckland");
    assert_open(&window, "2026-01-11T11:30:00Z", "2026-01-11T12:30:00Z");
    let window = daily(&[Weekday::Sunday], 23, 30, HOUR, "Pacific/Honolulu");
    assert_open(&window, "2026-01-12T09:30:00Z", "2026-01-12T10:30:00Z");
}

#[test]
fn a_window_of_seven_days_is_open_for_seven_days() {
    let window = daily(&[Weekday::Friday], 18, 0, 7 * 24 * HOUR, "UTC");
    let any = check("any", &[]);
    // It starts again at the instant at which it ends.
    for day in 16..=30 {
        assert!(
            window.covers(&any, moment(&format!("2026-01-{day}T17:59:59Z"))),
            "{day}"
        );
        assert!(
            window.covers(&any, moment(&format!("2026-01-{day}T18:00:00Z"))),
            "{day}"
        );
    }
    let window = daily(&[Weekday::Friday], 18, 0, 6 * 24 * HOUR, "UTC");
    assert_open(&window, "2026-01-16T18:00:00Z", "2026-01-22T18:00:00Z");
}

#[test]
fn windows_that_overlap_are_open_together() {
    let window = daily(&EVERY_DAY, 2, 0, 30 * HOUR, "UTC");
    let any = check("any", &[]);
    for hour in 0..48 {
        assert!(
            window.covers(&any, moment("2026-01-15T00:00:00Z") + hour * HOUR),
            "{hour}"
        );
    }
}

/// On 2026-03-29 clocks in Berlin go from 02:00 to 03:00.
#[test]
fn a_time_that_the_clocks_skip_is_as_much_later() {
    let window = daily(&EVERY_DAY, 2, 30, HOUR, "Europe/Berlin");
    assert_open(&window, "2026-03-29T03:30:00+02:00", "2026-03-29T04:30:00+02:00");
    assert_open(&window, "2026-03-28T02:30:00+01:00", "2026-03-28T03:30:00+01:00");
    assert_open(&window, "2026-03-30T02:30:00+02:00", "2026-03-30T03:30:00+02:00");
}

/// On 2026-10-25 clocks in Berlin go from 03:00 back to 02:00.
#[test]
fn a_time_that_comes_twice_is_the_first_of_the_two() {
    let window = daily(&EVERY_DAY, 2, 30, HOUR, "Europe/Berlin");
    assert_open(&window, "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00");
    assert_open(&window, "2026-10-24T02:30:00+02:00", "2026-10-24T03:30:00+02:00");
    assert_open(&window, "2026-10-26T02:30:00+01:00", "2026-10-26T03:30:00+01:00");
}

#[test]
fn a_window_lasts_as_long_as_it_says_when_the_clocks_change_in_it() {
    let window = daily(&[Weekday::Sunday], 1, 0, 3 * HOUR, "Europe/Berlin");
    assert_open(&window, "2026-03-29T01:00:00+01:00", "2026-03-29T05:00:00+02:00");
    assert_open(&window, "2026-10-25T01:00:00+02:00", "2026-10-25T03:00:00+01:00");
    let window = daily(&[Weekday::Saturday], 12, 0, 24 * HOUR, "Europe/Berlin");
    assert_open(&window, "2026-03-28T12:00:00+01:00", "2026-03-29T13:00:00+02:00");
}

/// Clocks in Newfoundland went back at 00:01, to 23:01 of the previous day: half an hour into the window the date was
/// that of the previous day.
#[test]
fn a_window_at_midnight_outlives_clocks_that_go_back_over_midnight() {
    let window = daily(&[Weekday::Sunday], 0, 0, HOUR, "America/St_Johns");
    assert_open(&window, "2010-11-07T00:00:00-02:30", "2010-11-07T00:00:00-03:30");
}

/// Samoa skipped the 30th of December 2011, a Friday.
#[test]
fn a_day_that_was_left_out_is_a_day_later() {
    let window = daily(&[Weekday::Friday], 12, 0, HOUR, "Pacific/Apia");
    assert_open(&window, "2011-12-31T12:00:00+14:00", "2011-12-31T13:00:00+14:00");
}

#[test]
fn no_moment_is_too_far_away_to_ask_for() {
    let once = Times::Once {
        from: moment("9999-12-30T00:00:00Z"),
        duration: Duration::MAX,
    };
    let once = Window::new("once", Scope::default(), once);
    let window = daily(&EVERY_DAY, 2, 0, Duration::MAX, "Europe/Berlin");
    let any = check("any", &[]);
    let far = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 100_000);
    assert!(once.covers(&any, far));
    assert!(!window.covers(&any, far));
    assert!(!once.covers(
        &any,
        SystemTime::UNIX_EPOCH - Duration::from_hours(24 * 365 * 100_000)
    ));
    assert!(window.covers(&any, moment("-009999-01-04T00:00:00Z")));
}

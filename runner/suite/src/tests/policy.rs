//! Groups, dependencies, alerts and maintenance, beyond what the golden files show.

use std::fmt::Write;
use std::time::SystemTime;

use super::*;

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// The rules of a check with `check` under defaults with `defaults`.
fn rules(defaults: &str, check: &str) -> AlertRules {
    let suite = load_text(format!(
        "defaults: {{ {defaults} }}\nchecks: [{{ name: a, plugin: tcp, target: 'x:1', {check} }}]"
    ));
    suite.unwrap().checks[0].alert.clone()
}

#[test]
fn a_check_without_alert_rules_notifies_everyone() {
    let alert = rules("", "");
    assert_eq!(alert, AlertRules::default());
    assert_eq!(
        (alert.notify, alert.repeat_interval),
        (Notify::All, RepeatInterval::Inherit)
    );
}

#[test]
fn a_check_inherits_from_the_defaults_what_it_does_not_set() {
    let alert = rules(
        "alert: { notify: [ops], repeat_interval: 4h }",
        "alert: { repeat_interval: none }",
    );
    assert_eq!(alert.notify, Notify::Only(names(&["ops"]).into()));
    assert_eq!(alert.repeat_interval, RepeatInterval::Never);
    let alert = rules(
        "alert: { notify: [ops], repeat_interval: 4h }",
        "alert: { notify: [oncall] }",
    );
    assert_eq!(alert.notify, Notify::Only(names(&["oncall"]).into()));
    assert_eq!(
        alert.repeat_interval,
        RepeatInterval::Every(Duration::from_hours(4))
    );
    let alert = rules("alert: { notify: [ops] }", "alert: none");
    assert_eq!(alert.notify, Notify::None);
}

#[test]
fn rules_of_a_check_break_the_silence_of_the_defaults() {
    assert_eq!(rules("alert: none", "").notify, Notify::None);
    assert_eq!(
        rules("alert: none", "alert: { repeat_interval: 1h }").notify,
        Notify::All
    );
    assert_eq!(rules("alert: none", "alert: {}").notify, Notify::All);
}

#[test]
fn any_notifier_will_do_where_they_are_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    let text = "checks: [{ name: a, plugin: tcp, target: 'x:1', alert: { notify: [elsewhere] } }]";
    fs::write(&path, text).unwrap();
    let finish = |notifiers| {
        let draft = read(std::slice::from_ref(&path), &EMBEDDED, &Fixed);
        let catalog = catalog(&draft);
        draft.finish(
            &catalog,
            &HostLimits {
                notifiers,
                ..host_limits()
            },
        )
    };
    let suite = finish(None).unwrap();
    assert_eq!(
        suite.checks[0].alert.notify,
        Notify::Only(names(&["elsewhere"]).into())
    );
    let problems = finish(Some(Vec::new())).unwrap_err().to_string();
    assert!(problems.contains("unknown notifier `elsewhere`"), "{problems}");
    assert!(problems.contains("the runner has no notifiers"), "{problems}");
}

#[test]
fn the_files_of_a_folder_share_groups_and_name_each_others_checks() {
    let suite = load(&[testdata("valid/folder")]).unwrap();
    assert_eq!(suite.groups, BTreeMap::from([("both".into(), 2)]));
    assert_eq!(suite.checks[0].group.as_deref(), Some("both"));
    assert_eq!(*suite.checks[0].depends_on, names(&["two"]));
    let night = SystemTime::UNIX_EPOCH + Duration::from_mins(3 * 60);
    assert!(suite.maintenance[0].covers(&suite.checks[1], night));
}

/// A folder with a file of a check, and another file.
fn two_files(first: &str, second: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a.yaml", first), ("b.yaml", second)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    load(&[folder.path().to_owned()]).unwrap_err().to_string()
}

#[test]
fn the_same_group_with_two_limits_names_both_places() {
    let problems = two_files(
        "groups: { slow: { concurrency: 1 } }\nchecks: [{ name: a, plugin: tcp, target: 'x:1' }]",
        "groups: { slow: { concurrency: 2 } }",
    );
    assert!(
        problems.contains("b.yaml:1:11: group `slow`: already declared differently at "),
        "{problems}"
    );
    assert!(problems.contains("a.yaml:1:11\n"), "{problems}");
}

#[test]
fn names_are_not_missed_that_a_file_may_have_which_cannot_be_read() {
    let problems = two_files(
        "maintenance: [{ name: m, checks: [b], at: '02:00', for: 1h }]\n\
         checks: [{ name: a, plugin: tcp, target: 'x:1', depends_on: [b], group: slow }]",
        "checks: [",
    );
    assert!(problems.ends_with("1 problem"), "{problems}");
    assert!(problems.contains("b.yaml"), "{problems}");
}

#[test]
fn the_window_of_another_file_takes_a_name_too() {
    let window = "maintenance: [{ name: night, at: '02:00', for: 1h }]\n";
    let problems = two_files(
        &format!("{window}checks: [{{ name: a, plugin: tcp, target: 'x:1' }}]"),
        window,
    );
    assert!(
        problems.contains("b.yaml:1:23: maintenance `night`: the name is already used by the window at "),
        "{problems}"
    );
}

/// The message of the only problem of a suite of one check and `text`.
fn problem(text: &str) -> String {
    let suite = format!("{text}\nchecks: [{{ name: a, plugin: tcp, target: 'x:1' }}]");
    let problems = load_text(suite).unwrap_err();
    assert_eq!(problems.count(), 1, "{problems}");
    problems.iter().next().unwrap().message.clone()
}

#[test]
fn groups_windows_and_lists_have_their_bounds() {
    let groups: Vec<String> = (0..101)
        .map(|number| format!("g{number}: {{ concurrency: 1 }}"))
        .collect();
    assert_eq!(
        problem(&format!("groups: {{ {} }}", groups.join(", "))),
        "group `g100`: a suite holds at most 100 groups"
    );
    let windows: Vec<String> = (0..1_001)
        .map(|number| format!("{{ name: w{number}, at: '02:00', for: 1h }}"))
        .collect();
    assert_eq!(
        problem(&format!("maintenance: [{}]", windows.join(", "))),
        "`maintenance`: 1001 windows; allowed: up to 1000"
    );
}

#[test]
fn a_check_depends_on_a_hundred_others_at_most() {
    let mut text = "checks:\n".to_owned();
    let mut all = Vec::new();
    for number in 0..101 {
        writeln!(text, "  - {{ name: c{number}, plugin: tcp, target: 'x:1' }}").unwrap();
        all.push(format!("c{number}"));
    }
    let all = all.join(", ");
    writeln!(
        text,
        "  - {{ name: a, plugin: tcp, target: 'x:1', depends_on: [{all}] }}"
    )
    .unwrap();
    let problems = load_text(text).unwrap_err().to_string();
    assert!(
        problems.contains("check `a`: `depends_on`: 101 names of checks; allowed: up to 100"),
        "{problems}"
    );
}

/// Every check depends on the previous one, the first one on the last.
#[test]
fn a_cycle_through_a_whole_large_suite_is_reported_in_one_line() {
    const CHECKS: usize = 20_000;
    let mut text = "checks:\n".to_owned();
    for number in 0..CHECKS {
        let before = (number + CHECKS - 1) % CHECKS;
        writeln!(
            text,
            "  - {{ name: c{number}, plugin: tcp, target: 'x:1', depends_on: [c{before}] }}"
        )
        .unwrap();
    }
    let problems = load_text(text).unwrap_err();
    assert_eq!(problems.count(), 1);
    assert_eq!(
        problems.iter().next().unwrap().message,
        "check `c1`: circular `depends_on`: \
         `c0` -> `c19999` -> `c19998` -> `c19997` -> `c19996` -> `c19995` -> … -> `c1` -> `c0`"
    );
}

#[test]
fn thousands_of_unknown_names_in_a_large_suite_are_no_hang() {
    let mut text = "checks:\n".to_owned();
    for number in 0..20_000 {
        writeln!(
            text,
            "  - {{ name: check-{number}, plugin: tcp, target: 'x:1', depends_on: [chekc-{number}] }}"
        )
        .unwrap();
    }
    let problems = load_text(text).unwrap_err();
    assert_eq!(problems.count(), 20_000);
    assert_eq!(
        problems.iter().next().unwrap().hint.as_deref(),
        Some("did you mean `check-0`?")
    );
}

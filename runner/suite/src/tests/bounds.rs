//! Inputs that are too large, too deeply nested or not text: an error, never a hang or a panic.

use std::fmt::Write;

use super::*;

/// The message of the only problem, without its position.
fn only_problem(result: Result<Suite, Problems>) -> String {
    let problems = result.expect_err("the suite has no problem");
    assert_eq!(problems.count(), 1, "{problems}");
    problems.iter().next().unwrap().message.clone()
}

fn problem_of(text: impl AsRef<[u8]>) -> String {
    only_problem(load_text(text))
}

#[test]
fn a_missing_file_is_a_problem() {
    assert_eq!(
        only_problem(load(&[testdata("no-such-file.yaml")])),
        "no such file"
    );
}

#[test]
fn a_folder_without_yaml_is_a_problem() {
    assert_eq!(
        only_problem(load(&[testdata("schemas")])),
        "the directory contains no suite"
    );
}

#[test]
fn a_device_that_never_ends_is_a_problem() {
    let path = PathBuf::from("/dev/zero");
    assert_eq!(only_problem(load(&[path])), "cannot be read: not a regular file");
}

#[test]
fn a_file_of_100_mb_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    assert_eq!(only_problem(load(&[path])), "the file is larger than 16 MiB");
}

#[test]
fn a_problem_in_a_long_line_is_quoted_wherever_it_is() {
    for checks in [1, 40, 5_000] {
        let before = r#"{"name":"ä","plugin":"tcp","target":"h:1"},"#.repeat(checks);
        let text = format!("# first\n{{\"checks\":[{before}{{\"plugin\":\"tcp\",\"targét\":1}}]}}\n# last\n");
        let problems = load_text(&text).unwrap_err();
        let problem = problems.iter().find(|problem| problem.message.contains("targét"));
        let line = problem
            .and_then(|problem| problem.source_line.as_deref())
            .unwrap();
        let underlined: String = line.text.chars().skip(line.indent).take(line.width).collect();
        assert_eq!(underlined, "\"targét\"", "{line:?}");
        assert!(
            line.text.ends_with("]}") && line.text.chars().count() <= 120,
            "{line:?}"
        );
    }
}

/// Each problem would take time proportional to the line, if its characters were counted.
#[test]
fn as_many_problems_as_a_line_of_1_mib_holds_are_found() {
    let text = format!(
        "checks: [{}]",
        "{plugin: none, target: a, interval: ä},".repeat(25_000)
    );
    let problems = load_text(&text).unwrap_err();
    assert!(problems.count() >= 25_000, "{}", problems.count());
}

#[test]
fn a_nul_byte_is_a_problem_at_its_place() {
    let problems = load_text("checks:\n  - name: a\0b\n").unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.message, "the file contains a NUL byte");
    assert_eq!(problem.at(), Some(Position::new(2, 12)));
    let problems = load_text("x-a: 1\rx-b:\0").unwrap_err();
    assert_eq!(problems.iter().next().unwrap().at(), Some(Position::new(2, 5)));
}

#[test]
fn invalid_utf_8_is_a_problem_at_its_place() {
    let problems = load_text(b"checks:\n  - \xff\n").unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.message, "invalid UTF-8");
    assert_eq!(problem.at(), Some(Position::new(2, 5)));
    assert_eq!(problem_of(b"\xff\xfec\0h\0"), "the file is UTF-16");
}

#[test]
fn lines_end_as_in_yaml() {
    for (text, line, shown) in [
        ("checks:\r- name: a\r\n\r  wrong: [\n", 4, "  wrong: ["),
        ("x-a: 1\r\rchecks: 7\r", 3, "checks: 7"),
        ("x-a: 1\r\n\r\nchecks: 7\r\n", 3, "checks: 7"),
    ] {
        let problems = load_text(text).unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.at().unwrap().line, line, "{text:?}: {problem}");
        assert_eq!(problem.source_line.as_ref().unwrap().text, shown, "{problem}");
    }
}

#[test]
fn a_billion_laughs_attack_is_rejected() {
    let mut bomb = "x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        writeln!(bomb, "x-{level}: &a{level} [{}]", [alias.as_str(); 10].join(", ")).unwrap();
    }
    assert_eq!(
        problem_of(bomb),
        "the aliases of the file expand to more than 1000000 values"
    );
}

#[test]
fn a_long_text_behind_many_aliases_is_a_bomb_too() {
    let aliases = "*a, ".repeat(1_000);
    let bomb = format!("x-text: &a {}\nx-list: [{aliases}]\n", "a".repeat(1 << 20));
    assert_eq!(
        problem_of(bomb),
        "the aliases of the file expand to more than 1000000 values"
    );
}

#[test]
fn aliases_of_merged_mappings_are_a_bomb_as_well() {
    let keys: Vec<String> = (0..1_000).map(|key| format!("k{key}: 1")).collect();
    let merges = "  - <<: *a\n".repeat(2_000);
    let bomb = format!("x-a: &a {{ {} }}\nx-list:\n{merges}", keys.join(", "));
    assert_eq!(
        problem_of(bomb),
        "the aliases of the file expand to more than 1000000 values"
    );
}

#[test]
fn lists_nest_to_a_limit() {
    for open in ["[", "{a: ", "- ", "? "] {
        let message = problem_of(format!("x-deep:\n  {}", open.repeat(100_000)));
        assert_eq!(
            message, "lists and mappings are nested more than 64 deep",
            "{open}"
        );
    }
}

#[test]
fn aliases_nest_to_the_same_limit() {
    let mut text = "x-0: &a0 [deep]\n".to_owned();
    for level in 1..100 {
        writeln!(text, "x-{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_eq!(
        problem_of(text),
        "lists and mappings are nested more than 64 deep"
    );
}

#[test]
fn many_problems_are_counted_but_not_all_listed() {
    let checks = "  - { name: a, plugin: tcp, tagret: 'x:1' }\n".repeat(2_000);
    let problems = load_text(format!("checks:\n{checks}")).unwrap_err();
    assert!(problems.count() >= 4_000);
    assert_eq!(problems.iter().count(), 1_000);
}

#[test]
fn problems_of_all_files_come_at_once_in_order() {
    let problems = load(&[
        testdata("invalid/tab_indent.yaml"),
        testdata("invalid/unknown_plugin.yaml"),
    ]);
    let problems = problems.unwrap_err();
    let places: Vec<String> = problems
        .iter()
        .map(|problem| problem.origin.to_string())
        .collect();
    assert_eq!(places.len(), 3);
    assert!(places[0].ends_with("tab_indent.yaml:2:2"), "{places:?}");
    assert!(places[2].ends_with("unknown_plugin.yaml:6:13"), "{places:?}");
}

#[test]
fn the_same_name_in_two_files_names_both_places() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["a.yaml", "b.yaml"] {
        let text = "checks: [{ name: home, plugin: tcp, target: 'x:1' }]";
        fs::write(folder.path().join(file), text).unwrap();
    }
    let problems = load(&[folder.path().to_owned()]).unwrap_err().to_string();
    assert!(
        problems.contains("b.yaml:1:18: check `home`: the name is already used by the check at "),
        "{problems}"
    );
    assert!(problems.contains("a.yaml:1:18"), "{problems}");
}

#[test]
fn a_file_given_twice_counts_once() {
    let path = testdata("valid/short_interval.yaml");
    assert_eq!(load(&[path.clone(), path]).unwrap().checks.len(), 1);
}

#[test]
fn a_plugin_that_was_not_loaded_is_a_problem() {
    let draft = read(&[testdata("valid/short_interval.yaml")], &EMBEDDED, &Fixed);
    let message = only_problem(draft.finish(&Catalog::default(), &host_limits()));
    assert_eq!(message, "plugin `tcp`: was not loaded");
}

#[test]
fn a_plugin_whose_schema_makes_no_sense_is_a_problem() {
    let draft = read(&[testdata("valid/short_interval.yaml")], &EMBEDDED, &Fixed);
    let mut catalog = Catalog::default();
    catalog.insert("tcp", Ok(facts(r#"{ "type": "wat" }"#, "HOST:PORT")));
    let message = only_problem(draft.finish(&catalog, &host_limits()));
    assert!(
        message.starts_with("plugin `tcp`: invalid configuration schema: "),
        "{message}"
    );
}

/// Every suite of the test data, truncated and mutated at many positions.
#[test]
fn no_input_panics() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    let pieces: [&[u8]; 16] = [
        b"[", b"]", b"{", b"}", b": ", b"- ", b"\n", b"  ", b"&a ", b"*a", b"<<: ", b"${env:", b"\"",
        b"!!x ", b"\xff", b"'",
    ];
    for folder in ["valid", "invalid"] {
        for entry in fs::read_dir(testdata(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read(&path).unwrap();
            for _ in 0..25 {
                let mut changed = text.clone();
                for _ in 0..=random(4) {
                    let at = random(changed.len());
                    let until = (at + random(12)).min(changed.len());
                    changed.splice(at..until, pieces[random(pieces.len())].iter().copied());
                }
                if let Err(problems) = load_text(changed) {
                    let text = problems.to_string();
                    assert!(!text.contains(TOKEN), "{text}");
                }
            }
        }
    }
}

#[test]
fn two_checks_with_one_id_are_both_named() {
    let text = "checks:\n  - { name: a, plugin: tcp, targets: [\"b:1\"] }\n  - { name: \"a@b:1\", plugin: tcp, target: \"c:1\" }\n";
    let problems = load_text(text).unwrap_err().to_string();
    assert!(
        problems.contains(
            "suite.yaml:3:43: check `a@b:1`: the target `c:1` has the id `a@b:1`, which is already used by the target `b:1` of check `a` at "
        ) && problems.contains("suite.yaml:2:39"),
        "{problems}"
    );
}

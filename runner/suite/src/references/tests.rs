use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use super::*;
use canary_system::regular_file;

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The file that a path leads to.
fn found(path: &Path) -> FileInfo {
    let path = fs::canonicalize(path).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    FileInfo {
        mount: regular_file::mount_id(&path),
        path,
        device: metadata.dev(),
        inode: metadata.ino(),
        links: metadata.nlink(),
    }
}

fn write(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "x").unwrap();
    path
}

#[test]
fn a_suite_has_every_variable_but_the_runners_own() {
    let policy = ReferencePolicy {
        own_variables: BTreeSet::from(["PD_KEY".to_owned()]),
        ..ReferencePolicy::default()
    };
    for name in ["TOKEN", "HTTPS_PROXY", "canary_lower", "MY_CANARY_X", "PD_KEY2"] {
        assert_eq!(policy.variable(name), Ok(()), "{name}");
    }
    for name in [
        "CANARY_ADMIN_TOKEN",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "PD_KEY",
        "CANARY_",
    ] {
        assert!(policy.variable(name).is_err(), "{name}");
    }
}

#[test]
fn a_list_narrows_and_only_a_name_reaches_what_is_the_runners_own() {
    let policy = |variables| ReferencePolicy {
        variables: names(variables),
        own_variables: BTreeSet::from(["PD_KEY".to_owned()]),
        ..ReferencePolicy::default()
    };
    let listed = policy(&["WEB_*", "TOKEN"]);
    for (name, permitted) in [
        ("WEB_KEY", true),
        ("TOKEN", true),
        ("TOKENS", false),
        ("HOME", false),
    ] {
        assert_eq!(listed.variable(name).is_ok(), permitted, "{name}");
    }
    assert!(policy(&[]).variable("TOKEN").is_err());
    assert!(policy(&["*"]).variable("CANARY_ADMIN_TOKEN").is_err());
    assert!(policy(&["PD_*"]).variable("PD_KEY").is_err());
    assert!(policy(&["*", "PD_KEY"]).variable("PD_KEY").is_ok());
}

#[test]
fn a_pattern_stands_for_any_characters() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*", "abc", true),
        ("a*", "abc", true),
        ("*c", "abc", true),
        ("a*c", "ac", true),
        ("a*a", "a", false),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "acb", false),
        ("*ab*", "xaby", true),
        ("**", "x", true),
        ("abc", "abcd", false),
    ] {
        assert_eq!(is_match(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_file_of_the_runner_is_withheld_by_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let state = write(at, "state/state.db");
    let spooled = write(at, "state/spool/traces/1.otlp");
    let settings = write(at, "etc/canary.yaml");
    let other = write(at, "etc/token");
    symlink(&state, at.join("link")).unwrap();
    symlink(at.join("state"), at.join("linked")).unwrap();
    fs::hard_link(&spooled, at.join("hard")).unwrap();
    fs::hard_link(&settings, at.join("copy.yaml")).unwrap();
    let policy = ReferencePolicy {
        own_paths: BTreeSet::from([settings.clone(), at.join("linked"), at.join("cache")]),
        ..ReferencePolicy::default()
    };
    let file_policy = policy.file_policy();
    let new = write(at, "state/state.db-wal");
    let hard = ["hard", "copy.yaml"].map(|name| at.join(name));
    let links = [at.join("link"), at.join("linked/state.db")];
    for own in [state, spooled, settings, new].iter().chain(&hard).chain(&links) {
        assert!(
            file_policy.check_access(&found(own)).is_err(),
            "{}",
            own.display()
        );
    }
    assert!(file_policy.check_access(&found(&other)).is_ok());
}

#[test]
fn what_comes_later_or_lies_deep_is_the_runners_own_by_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let deep = "deep/".repeat(20);
    let policy = ReferencePolicy {
        own_paths: BTreeSet::from([at.join("state"), at.join("link/token")]),
        ..ReferencePolicy::default()
    };
    fs::create_dir_all(at.join(format!("state/{deep}"))).unwrap();
    let file_policy = policy.file_policy();
    let late = write(at, &format!("state/{deep}late"));
    fs::hard_link(&late, at.join("hard")).unwrap();
    // As with a bind mount: the same folder by another path without links, or a folder within it.
    symlink(at.join("state"), at.join("mount")).unwrap();
    let mounted = FileInfo {
        path: at.join("mount").join(&deep).join("late"),
        inode: 0,
        ..found(&late)
    };
    let within = FileInfo {
        path: at.join("other/late"),
        links: 1,
        mount: None,
        ..found(&late)
    };
    let token = write(at, "secrets/token");
    symlink(at.join("secrets"), at.join("link")).unwrap();
    for own in [
        found(&late),
        found(&at.join("hard")),
        found(&token),
        mounted,
        within,
    ] {
        assert!(file_policy.check_access(&own).is_err(), "{own:?}");
    }
    let copy = write(at, "copy");
    fs::hard_link(&copy, at.join("copied")).unwrap();
    assert!(file_policy.check_access(&found(&copy)).is_ok());
}

#[test]
fn a_list_of_files_holds_files_folders_and_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let file = |name| write(at, name);
    let (one, below) = (file("one"), file("below/a/b"));
    let (web, db) = (file("mixed/web-key"), file("mixed/db-key"));
    // As orchestrators mount secrets: each name links into a folder that is replaced as a whole.
    let mounted = file("mounted/..data_1/key");
    symlink("..data_1/key", at.join("mounted/key")).unwrap();
    let elsewhere = file("elsewhere");
    symlink(&elsewhere, at.join("below/escape")).unwrap();
    let policy = ReferencePolicy {
        files: Some(
            ["one", "below", "mixed/web-*", "mounted/**"]
                .map(|name| at.join(name))
                .to_vec(),
        ),
        ..ReferencePolicy::default()
    };
    let file_policy = policy.file_policy();
    for permitted in [&one, &below, &web, &mounted, &at.join("mounted/key")] {
        assert!(
            file_policy.check_access(&found(permitted)).is_ok(),
            "{}",
            permitted.display()
        );
    }
    for withheld in [&db, &elsewhere, &at.join("below/escape")] {
        assert!(
            file_policy.check_access(&found(withheld)).is_err(),
            "{}",
            withheld.display()
        );
    }
}

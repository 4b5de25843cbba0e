//! Invalid suites, and the problems that are reported for them.

use super::*;

macro_rules! snapshots {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let path = testdata(concat!("invalid/", stringify!($name), ".yaml"));
            let text = problems(&[path]);
            assert!(!text.contains("hunter2"), "a secret is shown:\n{text}");
            insta::with_settings!({
                prepend_module_to_snapshot => false,
                omit_expression => true,
                snapshot_path => "../testdata/invalid",
            }, { insta::assert_snapshot!(stringify!($name), text) });
        }
    )*};
}

snapshots! {
    alerts
    alias_of_itself
    annotations
    bad_counts
    bad_durations
    bad_quotas
    circles
    colon_in_text
    config_missing_key
    config_secrets_stay_hidden
    config_unknown_key
    config_wrong_types
    config_wrong_values
    dependencies
    duplicate_keys
    duplicate_names
    empty
    grants
    groups
    groups_of_no_mapping
    labels
    long_line
    long_names
    maintenance
    merge_of_no_mapping
    missing_fields
    no_checks
    not_a_mapping
    plugin_declarations
    quota_above_ceiling
    references
    schedules
    tab_indent
    tags_and_keys
    targets
    timeout_longer_than_interval
    timeout_of_defaults_is_longer
    two_documents
    unclosed_bracket
    unclosed_quote
    unknown_anchor
    unknown_keys
    unknown_plugin
    variables
    wrong_types
    yes_is_a_text
}

#[test]
fn every_broken_suite_has_a_test() {
    let source = include_str!("broken.rs");
    for entry in fs::read_dir(testdata("invalid")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_suite = path.extension().is_some_and(|extension| extension == "yaml");
        assert!(
            !is_suite || source.contains(&format!("    {name}\n")),
            "no test for {name}"
        );
    }
}

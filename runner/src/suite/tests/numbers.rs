//! Numbers, and what variables stand for where a plugin wants one.

use super::variables::load_given;

#[test]
fn a_quoted_variable_is_a_number_where_only_a_number_will_do_and_a_text_elsewhere() {
    let text = |value: &str| {
        format!(
            "vars: {{ n: {value} }}\nchecks:\n  - name: a\n    plugin: http\n    target: \"http://a.test\"\n    \
             config: {{ redirects: \"${{var:n}}\", headers: {{ n: \"${{var:n}}\" }}, expect: {{ status: [\"${{var:n}}\"] }} }}\n"
        )
    };
    for (value, given) in [
        ("\"5\"", &[][..]),
        ("\"${var:m}\", m: \"5\"", &[]),
        ("", &["n=5"]),
        ("\"7\"", &["n=5"]),
    ] {
        let suite = load_given(&text(value), given).unwrap_or_else(|problems| panic!("{problems}"));
        let config: serde_json::Value = serde_json::from_str(suite.checks[0].config.expose()).unwrap();
        // 5 is no status, but a text is one.
        let expected =
            serde_json::json!({ "expect": { "status": ["5"] }, "headers": { "n": "5" }, "redirects": 5 });
        assert_eq!(config, expected, "{value} {given:?}");
    }
}

#[test]
fn a_number_that_would_be_rounded_is_refused_and_kept_as_a_text_by_a_variable() {
    let load = |value: &str| {
        let text = format!(
            "vars: {{ n: {value} }}\nchecks: [{{ name: a, plugin: leak, target: \"a:1\", config: {{ own: {value}, n: \"${{var:n}}\" }} }}]\n"
        );
        load_given(&text, &[]).map(|suite| suite.checks[0].config.expose().to_owned())
    };
    for exact in [
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "1.10",
        "1e3",
        "0x10",
        "2.5e-3",
        "-0",
    ] {
        assert!(load(exact).is_ok(), "{exact}");
    }
    for (rounded, shown) in [
        ("18446744073709551616", "18446744073709552000.0"),
        ("123456789012345678901234567890", "1.2345678901234568e29"),
        ("-9223372036854775809", "-9223372036854775808.0"),
        ("0.1234567890123456789", "0.12345678901234568"),
        ("1e-400", "0.0"),
    ] {
        let problems = load(rounded).unwrap_err();
        assert!(
            problems.contains(&format!("the number `{rounded}` would be rounded to `"))
                && problems.matches("suite.yaml:").count() == 1,
            "{rounded} {shown}: {problems}"
        );
    }
    let text = load("\"123456789012345678901234567890\"").unwrap();
    assert!(text.contains("\"123456789012345678901234567890\""), "{text}");
}

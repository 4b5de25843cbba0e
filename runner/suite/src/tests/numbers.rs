//! Numbers, and variables where a plugin requires a number.

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
        // 5 is not a status, but a text is one.
        let expected =
            serde_json::json!({ "expect": { "status": ["5"] }, "headers": { "n": "5" }, "redirects": 5 });
        assert_eq!(config, expected, "{value} {given:?}");
    }
}

/// The configuration of a check that has a number directly, in a list, and by a variable.
fn with_number(number: &str) -> String {
    let text = format!(
        "vars: {{ n: {number} }}\nchecks: [{{ name: a, plugin: leak, target: \"a:1\", config: {{ own: {number}, list: [{number}], n: \"${{var:n}}\" }} }}]\n"
    );
    let suite = load_given(&text, &[]).unwrap_or_else(|problems| panic!("{number}: {problems}"));
    suite.checks[0].config.expose().to_owned()
}

#[test]
fn a_number_reaches_a_plugin_with_every_digit() {
    for number in [
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901234567890",
        "-9223372036854775808",
        "-9223372036854775809",
        "0.1",
        "0.1234567890123456789",
        "-123456789012345678901234567890.5",
    ] {
        let expected = format!("{{\"list\":[{number}],\"n\":{number},\"own\":{number}}}");
        assert_eq!(with_number(number), expected);
    }
}

#[test]
fn a_number_is_one_of_json_however_yaml_lets_it_be_written() {
    for (written, number) in [
        ("1.10", "1.1"),
        ("1e3", "1000.0"),
        ("1e400", "1e400"),
        ("-1.50e-99999999999999999999", "-1.50e-99999999999999999999"),
        ("0x10", "16"),
        ("-0", "0"),
        (
            "+00123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        (".1234567890123456789", "0.1234567890123456789"),
        (
            "123456789012345678901234567890.",
            "123456789012345678901234567890",
        ),
    ] {
        let config = with_number(written);
        assert!(
            config.ends_with(&format!("\"own\":{number}}}")),
            "{written}: {config}"
        );
        let of_variable = format!("\"n\":\"{written}\"");
        assert!(
            config.contains(&of_variable),
            "what is not written back as it was is a text: {config}"
        );
    }
}

#[test]
fn a_long_number_in_quotes_is_a_text() {
    let config = with_number("\"123456789012345678901234567890\"");
    assert!(
        !config.contains(":1") && config.matches("\"123456789012345678901234567890\"").count() == 3,
        "{config}"
    );
}

#[test]
fn a_schema_validates_a_long_number_by_the_nearest_that_it_can_represent() {
    let redirects = |number: &str| {
        let text = format!(
            "checks: [{{ name: a, plugin: http, target: \"http://a.test\", config: {{ redirects: {number} }} }}]\n"
        );
        load_given(&text, &[]).map(|_| ()).unwrap_err()
    };
    for number in ["12345678901234567890123", "1e400", "-1e400"] {
        let problem = redirects(number);
        assert!(
            problem.contains(&format!("found the number `{number}`")),
            "{problem}"
        );
    }
}

#[test]
fn a_value_that_is_wrong_as_text_too_is_reported_as_it_is_written() {
    for beside in ["", ", headers: { n: \"${var:n}\" }", ", body: \"${var:n}\""] {
        let text = format!(
            "vars: {{ n: 99 }}\nchecks: [{{ name: a, plugin: http, target: \"http://a.test\", \
             config: {{ redirects: \"${{var:n}}\"{beside} }} }}]\n"
        );
        let problems = load_given(&text, &[]).unwrap_err();
        assert!(
            problems.contains("`config.redirects`: expected at most 20, found the number `99`"),
            "{beside}: {problems}"
        );
    }
}

#[test]
fn a_tag_decides_what_a_value_is_whether_it_is_quoted_or_not() {
    for (written, value) in [
        ("!!int \"31\"", "31"),
        ("!!int 0x1F", "31"),
        (
            "!!int 123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        ("!!float '3.5'", "3.5"),
        ("!!float 31", "31"),
        ("!!bool \"true\"", "true"),
        ("!!null \"\"", "null"),
        ("!!null null", "null"),
        ("!!str 31", "\"31\""),
        ("! 31", "\"31\""),
        ("!!seq [1]", "[1]"),
        ("!!map { a: 1 }", "{\"a\":1}"),
    ] {
        let text =
            format!("checks: [{{ name: a, plugin: leak, target: \"a:1\", config: {{ own: {written} }} }}]\n");
        let suite = load_given(&text, &[]).unwrap_or_else(|problems| panic!("{written}: {problems}"));
        assert_eq!(
            suite.checks[0].config.expose(),
            format!("{{\"own\":{value}}}"),
            "{written}"
        );
    }
}

#[test]
fn a_tag_that_does_not_fit_its_value_is_refused() {
    for (written, expected) in [
        ("!!int \"x\"", "`!!int` does not fit the string `x`"),
        ("!!int 1.5", "`!!int` does not fit the number `1.5`"),
        ("!!bool 1", "`!!bool` does not fit the number `1`"),
        ("!!null x", "`!!null` does not fit the string `x`"),
        ("!!float", "`!!float` does not fit nothing"),
        ("!!float .inf", "`!!float` does not fit the string `.inf`"),
        ("!!seq x", "`!!seq` does not fit the string `x`"),
        ("!!int [1]", "`!!int` does not fit a list"),
        ("!!str { a: 1 }", "`!!str` does not fit a mapping"),
    ] {
        let text =
            format!("checks: [{{ name: a, plugin: leak, target: \"a:1\", config: {{ own: {written} }} }}]\n");
        let problems = load_given(&text, &[]).unwrap_err();
        assert!(problems.contains(expected), "{written}: {problems}");
    }
}

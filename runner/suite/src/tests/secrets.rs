//! Values that are secret because their plugin declares so.

use super::*;

const PASSWORD: &str = "correct horse battery";

/// The suite in `text`, with a plugin that declares a password as secret.
fn declared(text: &str) -> Result<Suite, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::write(&path, text).unwrap();
    let draft = read(&[path], &EMBEDDED, &Fixed);
    let mut catalog = catalog(&draft);
    let secrets = vec!["/auth/password".to_owned()];
    catalog.insert("http", Ok(PluginFacts { secrets, ..http() }));
    draft.finish(&catalog, &host_limits())
}

#[test]
fn what_stands_at_a_declared_place_is_masked_as_a_reference_is() {
    let suite = declared(
        "profiles: { shop: { plugin: http, config: { auth: { username: u, password: correct horse battery } } } }\n\
         checks:\n\
         \x20 - { name: a, profile: shop, target: 'http://a.test/' }\n\
         \x20 - { name: b, profile: shop, target: 'http://b.test/', config: { auth: { password: other password } } }\n\
         \x20 - { name: c, plugin: http, target: 'http://c.test/', config: { body: plain words } }\n",
    );
    let checks = suite.unwrap_or_else(|problems| panic!("{problems}")).checks;
    let masked = |check: usize, text: &str| checks[check].secrets.redact(text);
    assert_eq!(masked(0, PASSWORD), "***");
    assert_eq!(masked(1, "other password"), "***");
    assert_eq!(masked(2, "plain words u"), "plain words u");
    assert!(checks[0].config.expose().contains(PASSWORD), "the guest gets it");
}

#[test]
fn no_problem_quotes_what_stands_at_a_declared_place() {
    let problems = declared(
        "checks:\n  - { name: a, plugin: http, target: 'http://a.test/', config: { auth: { password: correct horse battery, x: 1 } } }\n\
         \x20 - { name: b, plugin: http, target: 'http://a.test/', config: { auth: { username: b, password: 1234567 } } }\n",
    );
    let text = problems.unwrap_err().to_string();
    for secret in [PASSWORD, "1234567"] {
        assert!(!text.contains(secret), "{text}");
    }
    let shown = format!("password: {}, x: 1", "*".repeat(PASSWORD.len()));
    assert!(
        text.contains(&shown),
        "every other character stays where it is: {text}"
    );
}

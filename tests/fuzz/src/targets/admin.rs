//! What clients send to the admin address.

use std::path::Path;
use std::sync::Arc;

use canary::fuzzing::admin::Admin;
use canary::fuzzing::suite::read;
use canary::quota::Quota;
use canary::settings::Token;
use canary::suite::{Catalog, Check, HostLimits, PluginFacts, SecretRegistry};

use super::environment::Fixed;
use super::runtime::block_on;

const TOKEN: &str = "correct-horse-battery";
const SUITE: &str = "checks: [{ name: web, plugin: tcp, target: 'web:80' }, { name: many, plugin: tcp, targets: ['a:1', 'b:2'] }]";
/// Maximum size of a response of a runner with few checks, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// The possible status lines, including those of invalid requests.
const STATUSES: [&[u8]; 12] = [
    b"200", b"400", b"401", b"403", b"404", b"405", b"408", b"413", b"414", b"421", b"431", b"505",
];

thread_local! {
    static ADMIN: Admin = Admin::new(&checks(), Token::new(TOKEN));
}

pub(crate) fn run(data: &[u8]) {
    let has_token = data.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
    ADMIN.with(|admin| {
        let before = admin.reloads();
        let answer = block_on(admin.answer(data));
        assert!(answer.len() <= MAX_ANSWER, "{} bytes", answer.len());
        assert!(
            has_token || admin.reloads() == before,
            "reloaded without the token"
        );
        is_http(&answer);
    });
}

fn is_http(answer: &[u8]) {
    let shown = String::from_utf8_lossy(answer);
    let Some(rest) = answer.strip_prefix(b"HTTP/1.") else {
        assert!(answer.is_empty(), "{shown}");
        return;
    };
    let status = rest.get(2..5).unwrap_or_default();
    assert!(STATUSES.contains(&status), "{shown}");
}

fn checks() -> Vec<Arc<Check>> {
    let draft = read(Path::new("suite.yaml"), SUITE.into(), &["tcp"], &Fixed);
    let mut catalog = Catalog::default();
    let facts = PluginFacts {
        config_schema: serde_json::json!({}).into(),
        target_syntax: "HOST:PORT".to_owned(),
        secrets: Vec::new(),
        initial_memory: 0,
    };
    catalog.insert("tcp", Ok(facts));
    let operator = HostLimits {
        ceiling: Quota::ceiling(),
        notifiers: None,
        secrets: SecretRegistry::default(),
    };
    draft
        .finish(&catalog, &operator)
        .map(|suite| suite.checks)
        .unwrap_or_default()
}

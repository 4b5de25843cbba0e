use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::*;
use canary_system::regular_file::{Owner, Session};

mod bounds;
mod broken;
mod exposure;
mod golden;
mod independent;
mod initial_memory;
mod memory;
mod merging;
mod numbers;
mod plugin_validation;
mod policy;
mod profiles;
mod quoted_secrets;
mod secrets;
mod shared;
mod timing;
mod transient;
mod unclear_secrets;
mod units;
mod variables;
mod variables_missing;

const EMBEDDED: [&str; 5] = ["http", "tls", "tcp", "script", "leak"];
const TOKEN: &str = "hunter2-from-the-environment";

/// `TOKEN` and `DB_HOST` are set; files are those on disk.
struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some(TOKEN.to_owned()),
            "DB_HOST" => Some("db.secret.internal".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        ProcessEnvironment.file(path)
    }
}

/// As [`super::read`], without a tight time limit.
fn read(paths: &[PathBuf], embedded: &[&str], environment: &dyn Environment) -> Draft {
    let session = Session::new(Owner::Suites);
    super::read(
        paths,
        embedded,
        environment,
        &VariableOverrides::default(),
        &session,
    )
}

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/testdata")
        .join(path)
}

fn facts(schema: &str, target_syntax: &str) -> PluginFacts {
    PluginFacts {
        config_schema: Arc::new(serde_json::from_str(schema).unwrap()),
        target_syntax: target_syntax.to_owned(),
        secrets: Vec::new(),
        initial_memory: 0,
    }
}

fn http() -> PluginFacts {
    facts(include_str!("testdata/schemas/http.json"), "URL")
}

fn tcp() -> PluginFacts {
    facts(include_str!("testdata/schemas/tcp.json"), "HOST:PORT")
}

/// `http` and `tcp` as above; any other plugin accepts every configuration; `broken` is broken, and `large` starts with
/// 1 MiB of memory.
fn catalog(draft: &Draft) -> Catalog {
    let mut catalog = Catalog::default();
    for plugin in draft.plugins() {
        let facts = match plugin.name.as_str() {
            "http" => Ok(http()),
            "tcp" => Ok(tcp()),
            "large" => Ok(PluginFacts {
                initial_memory: 1 << 20,
                ..facts("{}", "HOST:PORT")
            }),
            "broken" => Err("`broken.wasm` is no WebAssembly component".to_owned().into()),
            _ => Ok(facts("{}", "HOST:PORT")),
        };
        catalog.insert(&plugin.name, facts);
    }
    catalog
}

/// An operator with two notifiers.
fn host_limits() -> HostLimits {
    HostLimits {
        ceiling: Quota::ceiling(),
        notifiers: Some(vec!["ops".to_owned(), "oncall".to_owned()]),
        secrets: SecretRegistry::default(),
    }
}

fn load(paths: &[PathBuf]) -> Result<Suite, Problems> {
    let draft = read(paths, &EMBEDDED, &Fixed);
    let catalog = catalog(&draft);
    draft.finish(&catalog, &host_limits())
}

/// The suite in `text`, as `suite.yaml` in a folder of its own.
fn load_text(text: impl AsRef<[u8]>) -> Result<Suite, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::write(&path, text).unwrap();
    load(&[path])
}

/// The request for a plugin for the suite in `text`, whose checks share one configuration.
fn only_config(text: String, plugin: &str) -> ConfigUse {
    let draft = read_text(
        Path::new("suite.yaml"),
        text,
        &EMBEDDED,
        &Fixed,
        &VariableOverrides::default(),
    );
    let catalog = catalog(&draft);
    let (request, _) = draft.merge_configs(&catalog).config_request(plugin, &catalog);
    let [config] = <[ConfigUse; 1]>::try_from(request.configs).unwrap();
    config
}

/// All problems as a user sees them, without the path to the test data.
fn problems(paths: &[PathBuf]) -> String {
    let text = load(paths).expect_err("the suite has no problem").to_string();
    text.replace(&format!("{}/", testdata("").display()).replace("//", "/"), "")
}

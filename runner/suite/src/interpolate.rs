//! References in the texts of `target` and `config`: `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}`.

mod piece;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::piece::has_reference;
use self::piece::{OPEN, Piece, is_name, is_reference, next_piece};
use super::references::{FilePolicy, ReferencePolicy, read_permitted};
use super::suggest::closest;
use super::tree::{quoted, quoted_path};
use canary_record::redact::{REDACTED, Secret};
use canary_system::io_class;
use canary_system::regular_file::{self, Owner, Session};

/// Maximum size of a file that a suite refers to.
const MAX_SECRET_BYTES: u64 = 1 << 20;
/// Maximum size of the values of all references of a suite together.
const MAX_TOTAL_BYTES: usize = 64 << 20;
/// The kinds of references.
const KINDS: [&str; 3] = ["env", "file", "var"];

/// The source of values of references.
pub trait Environment {
    /// The value of an environment variable, if it is set and is UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The bytes of a file, at most 1 MiB.
    ///
    /// # Errors
    /// The file cannot be read; `FileTooLarge` beyond the limit.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Why a variable is withheld, whether it is set or not: the end of a sentence about it.
    fn withheld(&self, _variable: &str) -> Option<&'static str> {
        None
    }
}

/// The environment and the files of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where references reach the environment"
    )]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        regular_file::read(Owner::Settings, path, MAX_SECRET_BYTES)
    }
}

impl ProcessEnvironment {
    /// As [`Environment::file`], within the time limit of a session.
    ///
    /// # Errors
    /// As [`Environment::file`].
    pub fn file_within(session: &Session, path: &Path) -> io::Result<Vec<u8>> {
        session.read(path, MAX_SECRET_BYTES)
    }
}

/// The part of the environment and the files of this process that a suite may refer to.
#[derive(Debug)]
pub struct SuiteEnvironment<'p> {
    policy: &'p ReferencePolicy,
    files: Arc<FilePolicy>,
    session: Session,
}

impl<'p> SuiteEnvironment<'p> {
    /// Applies `policy`, with the files that the runner owns at the moment. Files are read within `session`.
    #[must_use]
    pub fn new(policy: &'p ReferencePolicy, session: Session) -> Self {
        Self {
            policy,
            session,
            files: Arc::new(policy.file_policy()),
        }
    }
}

impl Environment for SuiteEnvironment<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        match self.withheld(name) {
            Some(_) => None,
            None => ProcessEnvironment.variable(name),
        }
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_permitted(&self.session, path, MAX_SECRET_BYTES, &self.files)
    }

    fn withheld(&self, variable: &str) -> Option<&'static str> {
        self.policy.variable(variable).err()
    }
}

/// A text with its references replaced.
pub(super) struct Expanded {
    /// With secrets in the clear: for the guest only.
    pub(super) text: String,
    /// The same, with `***` for each value.
    pub(super) masked: String,
    /// The values.
    pub(super) secrets: Vec<Arc<Secret>>,
}

/// A reference that cannot be replaced.
#[derive(Clone)]
pub(super) struct Unresolved {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// Whether the cause may be temporary.
    pub(super) is_transient: bool,
}

impl Unresolved {
    /// A reason that does not go away by itself.
    fn new(message: String, hint: Option<String>) -> Self {
        Self {
            message,
            hint,
            is_transient: false,
        }
    }
}

/// The context in which a text is expanded.
#[derive(Clone, Copy)]
pub(super) struct InterpolationContext<'a> {
    /// The directory that `${file:..}` is relative to.
    pub(super) directory: &'a Path,
    /// Whether `${name}` is left to the plugin.
    pub(super) captures: bool,
    /// Whether variables were replaced before, so that a remaining `${var:` is literal text.
    pub(super) variables: bool,
}

/// Replaces references; reads each variable and file once.
pub(super) struct Interpolator<'e> {
    environment: &'e dyn Environment,
    variables: HashMap<String, Option<Arc<Secret>>>,
    files: HashMap<PathBuf, Result<Arc<Secret>, UnavailableFile>>,
    total_bytes: usize,
}

impl<'e> Interpolator<'e> {
    pub(super) fn new(environment: &'e dyn Environment) -> Self {
        Self {
            environment,
            variables: HashMap::new(),
            files: HashMap::new(),
            total_bytes: 0,
        }
    }

    pub(super) fn expand(
        &mut self,
        text: &str,
        context: InterpolationContext<'_>,
    ) -> Result<Expanded, Vec<Unresolved>> {
        let mut expanded = Expanded {
            text: String::with_capacity(text.len()),
            masked: String::new(),
            secrets: Vec::new(),
        };
        let mut unresolved = Vec::new();
        let mut rest = text;
        while let Some((before, piece, after)) = next_piece(rest) {
            expanded.literal(before);
            match piece {
                // A plugin that has its own references also handles their escapes.
                Piece::Escaped if context.captures && !is_reference(after) => expanded.literal("$${"),
                Piece::Escaped => expanded.literal(OPEN),
                Piece::Literal(text) => expanded.literal(text),
                Piece::Reference(inner) => match self.value(inner, context) {
                    Ok(Value::Literal(text)) => expanded.literal(&text),
                    Ok(Value::Secret(secret)) => expanded.secret(secret),
                    Err(error) => unresolved.push(error),
                },
                // The rest of the text, which may be a secret, is not shown.
                Piece::Unclosed(kind) => unresolved.push(Unresolved::new(
                    format!("`{kind}` has no closing `}}`"),
                    Some("write `$${` for a plain `${`".to_owned()),
                )),
            }
            rest = after;
        }
        expanded.literal(rest);
        if unresolved.is_empty() {
            Ok(expanded)
        } else {
            Err(unresolved)
        }
    }

    /// The value of `${inner}`.
    fn value(&mut self, inner: &str, context: InterpolationContext<'_>) -> Result<Value, Unresolved> {
        match inner.split_once(':') {
            Some(("env", variable)) => self.variable(variable),
            Some(("file", path)) => self.file(&context.directory.join(path)).map(Value::Secret),
            Some(("var", _)) if context.variables => Ok(Value::Literal(format!("${{{inner}}}"))),
            Some(("var", _)) => Err(Unresolved::new(
                "`${var:` is supported in suites only".to_owned(),
                Some("write `${env:NAME}` or `${file:PATH}`".to_owned()),
            )),
            Some((kind, body)) if is_name(kind) => Err(unknown(kind, body)),
            None if !context.captures && is_name(inner) => Err(Unresolved::new(
                format!("`${{{inner}}}` does not name its source"),
                Some(format!("write `${{env:{inner}}}`, or `$${{` for a plain `${{`")),
            )),
            _ => Ok(Value::Literal(format!("${{{inner}}}"))),
        }
    }

    fn variable(&mut self, text: &str) -> Result<Value, Unresolved> {
        let (name, default) = match text.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (text, None),
        };
        if !is_name(name) || name.contains('-') {
            return Err(Unresolved::new(
                format!("invalid environment variable name {}", quoted(name)),
                Some("write `${env:NAME}` or `${env:NAME:-default}`".to_owned()),
            ));
        }
        if let Some(reason) = self.environment.withheld(name) {
            return Err(Unresolved::new(
                format!("the environment variable `{name}` {reason}"),
                Some(format!(
                    "use another, or have the operator list `{name}` under `suites.env` of the runner's settings"
                )),
            ));
        }
        let secret = match self.variables.get(name) {
            Some(known) => known.clone(),
            None => {
                let value = self
                    .environment
                    .variable(name)
                    .map(|value| Arc::new(Secret::new(&value)));
                self.variables.insert(name.to_owned(), value.clone());
                value
            }
        };
        match (secret, default) {
            (Some(secret), None) => self.charge(secret).map(Value::Secret),
            (Some(secret), Some(_)) if !secret.expose().is_empty() => self.charge(secret).map(Value::Secret),
            // A default is plain text of the suite.
            (_, Some(default)) => Ok(Value::Literal(default.to_owned())),
            (None, None) => Err(Unresolved::new(
                format!("the environment variable `{name}` is not set"),
                Some(format!("set it, or give a default: `${{env:{name}:-default}}`")),
            )),
        }
    }

    fn file(&mut self, path: &Path) -> Result<Arc<Secret>, Unresolved> {
        let read = match self.files.get(path) {
            Some(known) => known.clone(),
            None => {
                let read = read_file(self.environment, path);
                self.files.insert(path.to_owned(), read.clone());
                read
            }
        };
        match read {
            Ok(secret) => self.charge(secret),
            Err(UnavailableFile {
                reason,
                is_withheld,
                is_transient,
            }) => Err(Unresolved {
                is_transient,
                message: format!("the file {} {reason}", quoted_path(path)),
                hint: if is_withheld {
                    Some(
                        "use another, or have the operator list it under `suites.files` of the runner's settings".to_owned(),
                    )
                } else {
                    path.is_relative()
                        .then(|| "relative paths are resolved against the file that contains them".to_owned())
                },
            }),
        }
    }

    fn charge(&mut self, secret: Arc<Secret>) -> Result<Arc<Secret>, Unresolved> {
        self.total_bytes = self.total_bytes.saturating_add(secret.expose().len());
        if self.total_bytes > MAX_TOTAL_BYTES {
            let limit = MAX_TOTAL_BYTES >> 20;
            let message = format!("the references of the suite expand to more than {limit} MiB");
            let hint = "refer to a large value once, in a profile or in `defaults`";
            return Err(Unresolved::new(message, Some(hint.to_owned())));
        }
        Ok(secret)
    }
}

impl Expanded {
    fn literal(&mut self, text: &str) {
        self.text.push_str(text);
        self.masked.push_str(text);
    }

    fn secret(&mut self, secret: Arc<Secret>) {
        self.text.push_str(secret.expose());
        self.masked.push_str(REDACTED);
        self.secrets.push(secret);
    }
}

enum Value {
    Literal(String),
    Secret(Arc<Secret>),
}

fn unknown(kind: &str, body: &str) -> Unresolved {
    let hint = if body.starts_with('-') {
        format!("did you mean `${{env:{kind}:{body}}}`?")
    } else if let Some(known) = closest(kind, KINDS) {
        format!("did you mean `${{{known}:{body}}}`?")
    } else {
        "write `${env:NAME}` or `${file:PATH}`, or `$${` for a plain `${`".to_owned()
    };
    Unresolved::new(format!("unknown reference type `${{{kind}:`"), Some(hint))
}

/// Why the value of a file is not available.
#[derive(Clone)]
struct UnavailableFile {
    /// The end of a sentence about it.
    reason: String,
    is_withheld: bool,
    /// Whether the cause may be temporary.
    is_transient: bool,
}

fn read_file(environment: &dyn Environment, path: &Path) -> Result<Arc<Secret>, UnavailableFile> {
    let unavailable = |reason| UnavailableFile {
        reason,
        is_withheld: false,
        is_transient: false,
    };
    let bytes = environment.file(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unavailable("does not exist".to_owned()),
        io::ErrorKind::FileTooLarge => unavailable(format!("is larger than {} MiB", MAX_SECRET_BYTES >> 20)),
        _ => UnavailableFile {
            is_withheld: is_withheld(&error),
            is_transient: io_class::is_transient(&error),
            reason: format!("cannot be read: {error}"),
        },
    })?;
    let text = String::from_utf8(bytes).map_err(|_| unavailable("is not UTF-8".to_owned()))?;
    let text = text
        .strip_suffix('\n')
        .map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Arc::new(Secret::new(text)))
}

/// Whether the policy refuses the file, not the operating system.
fn is_withheld(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

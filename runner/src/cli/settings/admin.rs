//! The admin address: what a runner listens on, and what clients connect to.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use url::Url;

use canary_settings::{Access, Admin, Listen, Report, Token};
use canary_suite::{Environment, without_secrets};

const TOKEN: &str = "CANARY_ADMIN_TOKEN";
const ADMIN: &str = "CANARY_ADMIN";
const ADMIN_FLAG: &str = "--admin";
const TOKEN_FILE: &str = "CANARY_ADMIN_TOKEN_FILE";
const TOKEN_FILE_FLAG: &str = "--admin-token-file";

/// The admin address and the token.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Admin options")]
pub(in crate::cli) struct AdminArgs {
    /// Admin address to listen on or connect to, or `none` [default: 127.0.0.1:9464]
    #[arg(long, env = "CANARY_ADMIN", value_name = "ADDRESS")]
    admin: Option<Address>,
    /// File with the bearer token for the admin API (or set CANARY_ADMIN_TOKEN).
    #[arg(long, env = "CANARY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Refused: see [`SecretArgument`].
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    admin_token: Option<Hidden>,
    /// The flag or the variable that `admin` is from.
    #[arg(skip = ADMIN_FLAG)]
    admin_source: &'static str,
    /// The flag or the variable that `admin_token_file` is from.
    #[arg(skip = TOKEN_FILE_FLAG)]
    token_file_source: &'static str,
}

/// A secret on the command line, which every user of the machine can read.
#[derive(Debug, thiserror::Error)]
#[error("{what} is visible to every user in the process list; {instead}")]
pub(in crate::cli) struct SecretArgument {
    what: &'static str,
    instead: &'static str,
}

/// A value that is not stored.
#[derive(Debug, Clone)]
struct Hidden;

impl FromStr for Hidden {
    type Err = Infallible;

    fn from_str(_: &str) -> Result<Self, Self::Err> {
        Ok(Self)
    }
}

/// A listen address, a URL, or disabled.
#[derive(Debug, Clone)]
enum Address {
    Disabled,
    At(SocketAddr),
    Url(Url),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = || {
            Url::parse(text)
                .ok()
                .filter(|url| ["http", "https"].contains(&url.scheme()))
        };
        match text {
            "none" => Ok(Self::Disabled),
            _ => match (text.parse(), url()) {
                (Ok(address), _) => Ok(Self::At(address)),
                (Err(_), Some(url)) => Ok(Self::Url(url)),
                (Err(_), None) => {
                    Err("expected ADDRESS:PORT, such as `127.0.0.1:9464`, a URL, or `none`".to_owned())
                }
            },
        }
    }
}

/// An admin address that does not fit the command.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum AdminAddressError {
    #[error("cannot listen on the URL {shown}; use `--admin ADDRESS:PORT`", shown = quoted_url(.0))]
    Url(Url),
    #[error("the admin server is disabled; set the address of a running instance with `--admin`")]
    Disabled,
}

/// A URL for a message, without user info and query.
fn quoted_url(url: &Url) -> String {
    without_secrets(&format!("`{url}`"))
}

/// The admin API to connect to, and the token.
#[derive(Debug)]
pub(in crate::cli) struct AdminTarget {
    pub(in crate::cli) url: Url,
    pub(in crate::cli) token: Option<Token>,
}

/// Refuses a URL with a password.
pub(super) fn refuse_credentials(
    url: &Url,
    what: &'static str,
    instead: &'static str,
) -> Result<(), SecretArgument> {
    match url.password() {
        Some(_) => Err(SecretArgument { what, instead }),
        None => Ok(()),
    }
}

/// Replaces an unspecified address by loopback.
fn reachable_address(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl AdminArgs {
    /// Records whether values are from flags or from their variables, so that errors name what the user has set.
    pub(super) fn with_sources(mut self, matches: &ArgMatches) -> Self {
        let is_variable = |id: &str| matches.value_source(id) == Some(ValueSource::EnvVariable);
        if is_variable("admin") {
            self.admin_source = ADMIN;
        }
        if is_variable("admin_token_file") {
            self.token_file_source = TOKEN_FILE;
        }
        self
    }

    /// Refuses secrets in the arguments.
    pub(super) fn refuse_secrets(&self) -> Result<(), SecretArgument> {
        if self.admin_token.is_some() {
            return Err(SecretArgument {
                what: "the value of `--admin-token`",
                instead: "put the token into a file and use `--admin-token-file`, or set CANARY_ADMIN_TOKEN",
            });
        }
        match &self.admin {
            Some(Address::Url(url)) => refuse_credentials(
                url,
                "the password in `--admin`",
                "put the token into a file and use `--admin-token-file`",
            ),
            _ => Ok(()),
        }
    }

    /// The listen address, and who has access.
    pub(super) fn settings(
        &self,
        file: Option<Admin>,
        access: Access,
        environment: &dyn Environment,
        report: &mut Report,
    ) -> Result<(Admin, Access), AdminAddressError> {
        let admin = match &self.admin {
            Some(Address::Disabled) => Admin::None,
            Some(Address::At(address)) => Admin::Listen(Listen::from_flag(self.admin_source, *address)),
            Some(Address::Url(url)) => return Err(AdminAddressError::Url(url.clone())),
            None => file.unwrap_or_else(|| Admin::Listen(Listen::default())),
        };
        let access = self.with_token(access, environment, report);
        if let Admin::Listen(listen) = &admin {
            listen.validate(&access, report);
        }
        Ok((admin, access))
    }

    /// The admin API to connect to.
    pub(super) fn target(
        &self,
        file: Option<Admin>,
        access: Access,
        environment: &dyn Environment,
        report: &mut Report,
    ) -> Result<AdminTarget, AdminAddressError> {
        let access = self.with_token(access, environment, report);
        let scheme = if access.tls.is_some() { "https" } else { "http" };
        let local_url = |address| format!("{scheme}://{}", reachable_address(address));
        let text = match (&self.admin, file) {
            (Some(Address::Url(url)), _) => url.to_string(),
            (Some(Address::At(address)), _) => local_url(*address),
            (Some(Address::Disabled), _) | (None, Some(Admin::None)) => {
                return Err(AdminAddressError::Disabled);
            }
            (None, Some(Admin::Listen(listen))) => local_url(listen.address),
            (None, None) => local_url(Listen::default().address),
        };
        Ok(AdminTarget {
            url: Url::parse(&text).map_err(|_| AdminAddressError::Disabled)?,
            token: access.token,
        })
    }

    /// A token from the named file, or else the environment, overrides that of the settings.
    fn with_token(&self, access: Access, environment: &dyn Environment, report: &mut Report) -> Access {
        let token = match &self.admin_token_file {
            Some(path) => Token::from_file(self.token_file_source, path, environment, report),
            None => environment
                .variable(TOKEN)
                .and_then(|text| Token::from_flag(TOKEN, &text, report)),
        };
        Access {
            token: token.or(access.token),
            ..access
        }
    }

    /// The file with the token.
    pub(super) fn token_file(&self) -> Option<&PathBuf> {
        self.admin_token_file.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Cli;
    use super::Token;

    /// The URL to which `canary status` connects with these arguments and this file.
    fn target_url(arguments: &[&str], file: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("canary.yaml");
        std::fs::write(&path, file).unwrap();
        let base = ["canary", "status", "--config", path.to_str().unwrap()];
        let cli = Cli::from_arguments(base.iter().chain(arguments).map(Into::into)).unwrap();
        match cli.host.admin_target() {
            Ok(target) => target.url.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_runner_is_asked_where_the_flag_says_or_else_where_its_file_has_it() {
        assert_eq!(target_url(&[], ""), "http://127.0.0.1:9464/");
        assert_eq!(target_url(&["--admin", "[::1]:1"], ""), "http://[::1]:1/");
        assert_eq!(
            target_url(&["--admin", "https://canary.example.com:9464"], "admin: none"),
            "https://canary.example.com:9464/"
        );
        assert_eq!(
            target_url(&[], "admin: { listen: 127.0.0.2:80 }"),
            "http://127.0.0.2/"
        );
        let tls = "admin: { listen: 192.0.2.1:1, tls: { certificate: a, key: b } }";
        assert_eq!(target_url(&[], tls), "https://192.0.2.1:1/");
        assert_eq!(
            target_url(&[], "admin: none"),
            "the admin server is disabled; set the address of a running instance with `--admin`"
        );
    }

    #[test]
    fn an_address_for_every_one_of_the_machine_is_asked_on_loopback() {
        for (listen, url) in [
            ("0.0.0.0:1", "http://127.0.0.1:1/"),
            ("[::]:1", "http://[::1]:1/"),
        ] {
            assert_eq!(target_url(&["--admin", listen], ""), url);
            assert_eq!(
                target_url(&[], &format!("admin: {{ listen: '{listen}', insecure: true }}")),
                url
            );
        }
    }

    fn parsed(arguments: &[&str]) -> Cli {
        let arguments = ["canary", "status"].iter().chain(arguments);
        Cli::from_arguments(arguments.map(Into::into)).unwrap()
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_without_being_shown() {
        for arguments in [
            &["--admin-token", "correct-horse-battery"][..],
            &["--admin-token=correct-horse-battery"],
            &["--admin", "https://canary:correct-horse@example.com:9464"],
        ] {
            let cli = parsed(arguments);
            let error = cli.host.refuse_secrets(None).unwrap_err().to_string();
            assert!(error.contains("`--admin-token-file`"), "{error}");
            assert!(!error.contains("horse"), "{error}");
        }
        assert!(parsed(&["--admin-token"]).host.refuse_secrets(None).is_err());
        assert!(
            parsed(&["--admin", "https://example.com:9464"])
                .host
                .refuse_secrets(None)
                .is_ok()
        );
    }

    #[test]
    fn a_url_to_listen_on_is_refused_without_its_secrets() {
        for url in [
            "https://correct-horse@example.com/",
            "https://example.com/?a=correct-horse",
        ] {
            let error = super::AdminAddressError::Url(url.parse().unwrap()).to_string();
            assert!(
                error.contains("example.com/") && !error.contains("horse"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_token_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let target = |text: &str| {
            std::fs::write(&path, text).unwrap();
            parsed(&["--admin-token-file", path.to_str().unwrap()])
                .host
                .admin_target()
        };
        let token = target("correct-horse-battery\n").unwrap().token;
        assert_eq!(token.as_ref().map(Token::expose), Some("correct-horse-battery"));
        let error = target("\n").unwrap_err().to_string();
        assert!(error.contains("contains no token"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let gone = parsed(&["--admin-token-file", path.to_str().unwrap()])
            .host
            .admin_target();
        assert!(gone.unwrap_err().to_string().contains("does not exist"));
    }
}

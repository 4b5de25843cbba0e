//! The admin address: where a runner shows itself, and where it is asked.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use clap::Args;
use url::Url;

use crate::settings::{Access, Admin, Listen, Report, Token};

#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// Where `run` and `demo` show themselves, and where others ask them: an address with a port, or `none`; to ask, a
    /// URL will do too. 127.0.0.1:9464 unless told otherwise.
    #[arg(long, global = true, env = "CANARY_ADMIN", value_name = "ADDRESS")]
    admin: Option<Address>,
    /// Whoever brings this token to the admin address may reload.
    #[arg(
        long,
        global = true,
        env = "CANARY_ADMIN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    admin_token: Option<Hidden>,
}

/// A text that `Debug` does not show.
#[derive(Clone)]
struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

impl FromStr for Hidden {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// An address with a port, a URL, or nothing.
#[derive(Debug, Clone)]
enum Address {
    Nowhere,
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
            "none" => Ok(Self::Nowhere),
            _ => match (text.parse(), url()) {
                (Ok(address), _) => Ok(Self::At(address)),
                (Err(_), Some(url)) => Ok(Self::Url(url)),
                (Err(_), None) => Err("write ADDRESS:PORT, such as `127.0.0.1:9464`, or `none`".to_owned()),
            },
        }
    }
}

/// An admin address of no use for what is wanted.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum WrongAddress {
    #[error("`{0}` is an address to ask at, and none to listen on; write ADDRESS:PORT after `--admin`")]
    Url(Url),
    #[error("there is no admin address to ask at; name the runner's with `--admin`")]
    Nowhere,
}

/// Whom to ask about a runner, and with which right.
#[derive(Debug)]
pub(in crate::cli) struct Asking {
    pub(in crate::cli) url: Url,
    pub(in crate::cli) token: Option<Token>,
}

/// Of an address that is every address of the machine, the one that this machine reaches.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl AdminArgs {
    /// Where to show the runner, and to whom.
    pub(super) fn settings(
        &self,
        file: Option<Admin>,
        access: Access,
        report: &mut Report,
    ) -> Result<(Admin, Access), WrongAddress> {
        let admin = match &self.admin {
            Some(Address::Nowhere) => Admin::None,
            Some(Address::At(address)) => Admin::Listen(Listen::flag("CANARY_ADMIN", *address)),
            Some(Address::Url(url)) => return Err(WrongAddress::Url(url.clone())),
            None => file.unwrap_or_else(|| Admin::Listen(Listen::default())),
        };
        let access = self.with_token(access, report);
        if let Admin::Listen(listen) = &admin {
            listen.judge(&access, report);
        }
        Ok((admin, access))
    }

    /// Where a runner is to be asked.
    pub(super) fn asking(
        &self,
        file: Option<Admin>,
        access: Access,
        report: &mut Report,
    ) -> Result<Asking, WrongAddress> {
        let access = self.with_token(access, report);
        let scheme = if access.tls.is_some() { "https" } else { "http" };
        let own = |address| format!("{scheme}://{}", reachable(address));
        let text = match (&self.admin, file) {
            (Some(Address::Url(url)), _) => url.to_string(),
            (Some(Address::At(address)), _) => own(*address),
            (Some(Address::Nowhere), _) | (None, Some(Admin::None)) => return Err(WrongAddress::Nowhere),
            (None, Some(Admin::Listen(listen))) => own(listen.address),
            (None, None) => own(Listen::default().address),
        };
        Ok(Asking {
            url: Url::parse(&text).map_err(|_| WrongAddress::Nowhere)?,
            token: access.token,
        })
    }

    fn with_token(&self, access: Access, report: &mut Report) -> Access {
        let Some(Hidden(text)) = &self.admin_token else {
            return access;
        };
        let token = Token::flag("CANARY_ADMIN_TOKEN", text, report);
        Access {
            token: token.or(access.token),
            ..access
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::super::Cli;

    /// Where `canary status` asks with these arguments and this file.
    fn asked(arguments: &[&str], file: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("canary.yaml");
        std::fs::write(&path, file).unwrap();
        let own = ["canary", "status", "--config", path.to_str().unwrap()];
        let cli = Cli::try_parse_from(own.iter().chain(arguments)).unwrap();
        match cli.host.asking() {
            Ok(asking) => asking.url.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_runner_is_asked_where_the_flag_says_or_else_where_its_file_has_it() {
        assert_eq!(asked(&[], ""), "http://127.0.0.1:9464/");
        assert_eq!(asked(&["--admin", "[::1]:1"], ""), "http://[::1]:1/");
        assert_eq!(
            asked(&["--admin", "https://canary.example.com:9464"], "admin: none"),
            "https://canary.example.com:9464/"
        );
        assert_eq!(asked(&[], "admin: { listen: 127.0.0.2:80 }"), "http://127.0.0.2/");
        let tls = "admin: { listen: 192.0.2.1:1, tls: { certificate: a, key: b } }";
        assert_eq!(asked(&[], tls), "https://192.0.2.1:1/");
        assert_eq!(
            asked(&[], "admin: none"),
            "there is no admin address to ask at; name the runner's with `--admin`"
        );
    }

    #[test]
    fn an_address_for_every_one_of_the_machine_is_asked_on_loopback() {
        for (listen, url) in [
            ("0.0.0.0:1", "http://127.0.0.1:1/"),
            ("[::]:1", "http://[::1]:1/"),
        ] {
            assert_eq!(asked(&["--admin", listen], ""), url);
            assert_eq!(
                asked(&[], &format!("admin: {{ listen: '{listen}', insecure: true }}")),
                url
            );
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let cli = Cli::try_parse_from(["canary", "status", "--admin-token", "correct-horse-battery"]);
        let shown = format!("{:?} {:?}", cli, cli.as_ref().unwrap().host.asking());
        assert!(!shown.contains("horse"), "{shown}");
    }
}

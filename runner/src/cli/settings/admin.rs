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
    /// Where `run` shows itself, and where others ask it: an address with a port, or `none`; to ask, a URL will do
    /// too. 127.0.0.1:9464 unless told otherwise.
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
        let own = |listen: &Listen| format!("{scheme}://{}", reachable(listen.address));
        let text = match (&self.admin, file) {
            (Some(Address::Url(url)), _) => url.to_string(),
            (Some(Address::At(address)), _) => format!("http://{}", reachable(*address)),
            (Some(Address::Nowhere), _) | (None, Some(Admin::None)) => return Err(WrongAddress::Nowhere),
            (None, Some(Admin::Listen(listen))) => own(&listen),
            (None, None) => own(&Listen::default()),
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

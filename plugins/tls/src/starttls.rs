//! The exchange before TLS begins, by protocol.

mod error;
mod ldap;
mod lines;
mod mysql;
mod postgres;
mod reader;
mod xmpp;

use std::fmt;

use canary_sdk::tcp::Connection;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use error::Error;

/// A protocol that can turn to TLS in the middle of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 3207.
    Smtp,
    /// RFC 3501, 6.2.1.
    Imap,
    /// RFC 2595.
    Pop3,
    /// RFC 4217.
    Ftp,
    /// RFC 4511, 4.14.
    Ldap,
    /// RFC 6120, 5.
    Xmpp,
    /// `SSLRequest` of the frontend protocol.
    Postgres,
    /// `SSLRequest` of the connection phase.
    Mysql,
}

impl Protocol {
    /// The default port.
    pub fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Ftp => 21,
            Self::Ldap => 389,
            Self::Xmpp => 5222,
            Self::Postgres => 5432,
            Self::Mysql => 3306,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Ftp => "ftp",
            Self::Ldap => "ldap",
            Self::Xmpp => "xmpp",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        })
    }
}

/// The names that the client sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Greeting<'a> {
    /// The domain that is requested by XMPP, without a dot at its end (RFC 7622, 3.2).
    pub(crate) domain: &'a str,
    /// The client's own name, for SMTP.
    pub(crate) client: &'a str,
}

/// Runs the protocol up to the point where the handshake begins.
pub(crate) fn upgrade(
    connection: &Connection,
    protocol: Protocol,
    greeting: Greeting<'_>,
) -> Result<(), Error> {
    match protocol {
        Protocol::Smtp => lines::smtp(connection, greeting.client),
        Protocol::Imap => lines::imap(connection),
        Protocol::Pop3 => lines::pop3(connection),
        Protocol::Ftp => lines::ftp(connection),
        Protocol::Ldap => ldap::upgrade(connection),
        Protocol::Xmpp => xmpp::upgrade(connection, greeting.domain),
        Protocol::Postgres => postgres::upgrade(connection),
        Protocol::Mysql => mysql::upgrade(connection),
    }
}

#[cfg(test)]
mod tests;

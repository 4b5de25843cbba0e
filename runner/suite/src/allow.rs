//! `allow:`, `redirect_secrets_to:` and `name_servers:` of a check: where it may connect to, where its secrets may
//! follow a redirect, and which name servers it uses.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::chain;
use super::fields::{Names, Reader};
use super::suggest;
use super::tree::{Entry, Kind, Node};
use crate::grant::{Grant, GrantError, NameServer, SecretOrigin};

const MAX_GRANT: usize = 512;
/// Maximum number of elements of each list.
const MAX_GRANTS: usize = 256;
/// As many as resolv.conf has (MAXNS).
const MAX_NAME_SERVERS: usize = 3;

/// The grants below `allow`.
pub(super) fn allow(reader: &mut Reader<'_>, entry: &Entry) -> Option<Arc<[Grant]>> {
    let schemes = ["tcp", "tls", "http", "https", "dns"];
    let example = "for example `tcp://*.example.com:5432`, `https://10.0.0.0/8:443` or `dns://*.example.com`";
    grants(reader, entry, &schemes, example)
}

pub(super) fn allow_schema() -> Value {
    json!({
        "type": "array", "maxItems": MAX_GRANTS,
        "items": { "type": "string", "pattern": "^[A-Za-z]+://" },
    })
}

/// The origins below `redirect_secrets_to`.
pub(super) fn redirect_secrets_to(reader: &mut Reader<'_>, entry: &Entry) -> Option<Arc<[SecretOrigin]>> {
    grants(
        reader,
        entry,
        &["http", "https"],
        "for example `https://login.example.com`",
    )
}

pub(super) fn redirect_secrets_to_schema() -> Value {
    json!({
        "type": "array", "maxItems": MAX_GRANTS,
        "items": { "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" },
    })
}

/// The servers below `name_servers`.
pub(super) fn name_servers(reader: &mut Reader<'_>, entry: &Entry) -> Option<Arc<[NameServer]>> {
    let allowed = Names {
        what: "addresses",
        max: MAX_NAME_SERVERS,
        max_chars: MAX_GRANT,
        empty_hint: "leave it out to ask the name servers of the machine",
    };
    let mut servers = Vec::new();
    for written in reader.names(entry, &allowed)? {
        match written.value.parse() {
            Ok(server) => servers.push(server),
            Err(error) => reader.problem(written.at, format!("`{}`: {}", entry.key, chain(&error))),
        }
    }
    Some(servers.into())
}

pub(super) fn name_servers_schema() -> Value {
    json!({
        "type": "array", "minItems": 1, "maxItems": MAX_NAME_SERVERS,
        "items": { "type": "string", "pattern": "^[0-9A-Fa-f.:\\[\\]]+$" },
    })
}

fn grants<T: FromStr<Err = GrantError>>(
    reader: &mut Reader<'_>,
    entry: &Entry,
    schemes: &[&str],
    example: &str,
) -> Option<Arc<[T]>> {
    let key = &*entry.key;
    let nodes = reader.list(entry, "destinations")?;
    if nodes.len() > MAX_GRANTS {
        reader.problem(
            entry.at,
            format!("`{key}`: {} grants; allowed: up to {MAX_GRANTS}", nodes.len()),
        );
    }
    let mut grants = Vec::new();
    for node in nodes.iter().take(MAX_GRANTS) {
        let Some(text) = text(reader, key, node, example) else {
            continue;
        };
        match text.parse() {
            Ok(grant) => grants.push(grant),
            Err(error) => {
                let written = text.split_once("://").map_or("", |(scheme, _)| scheme);
                let meant = suggest::closest(written, schemes.iter().copied());
                let hint = meant.filter(|meant| *meant != written);
                let hint = hint.map(|meant| format!("did you mean `{meant}`?"));
                reader.problem_with(node.at, format!("`{key}`: {}", chain(&error)), hint);
            }
        }
    }
    Some(grants.into())
}

fn text<'n>(reader: &mut Reader<'_>, key: &str, node: &'n Node, example: &str) -> Option<&'n str> {
    match &node.kind {
        Kind::Text(text) if text.len() <= MAX_GRANT => return Some(text),
        Kind::Text(_) => reader.problem(
            node.at,
            format!("`{key}`: a grant is longer than {MAX_GRANT} bytes"),
        ),
        _ => reader.problem_with(
            node.at,
            format!("`{key}`: expected a grant, found {}", node.found()),
            Some(example.to_owned()),
        ),
    }
    None
}

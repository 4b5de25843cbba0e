//! A server's side of digest authentication (RFC 7616), written independently of the runner's. It accepts what is right
//! and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Algorithm, SHA256, SHA512_256, digest};
use md5::{Digest as _, Md5};

use super::http::{Reply, Request};

const REALM: &str = "the \"inner\" circle";
const OPAQUE: &str = "FQhe/qaU925kfnzjCev0ciny7QMkPqMA";

/// Requires a user name and a password, with challenges of one kind.
pub struct DigestGuard {
    algorithm: &'static str,
    user: String,
    password: String,
    with_qop: bool,
    with_userhash: bool,
    /// How many of the first nonces are rejected as stale.
    stale: usize,
    issued: Mutex<Nonces>,
}

#[derive(Default)]
struct Nonces {
    count: usize,
    /// The last counter of each.
    used: HashMap<String, u64>,
}

impl DigestGuard {
    /// Creates a guard that offers this algorithm with `qop=auth`.
    #[must_use]
    pub fn new(algorithm: &'static str, user: &str, password: &str) -> Self {
        Self {
            algorithm,
            user: user.to_owned(),
            password: password.to_owned(),
            with_qop: true,
            with_userhash: false,
            stale: 0,
            issued: Mutex::default(),
        }
    }

    /// Offers no quality of protection, as in RFC 2069.
    #[must_use]
    pub const fn without_qop(mut self) -> Self {
        self.with_qop = false;
        self
    }

    /// Requires the user's hash in place of the name.
    #[must_use]
    pub const fn with_userhash(mut self) -> Self {
        self.with_userhash = true;
        self
    }

    /// Rejects so many of the first nonces as stale.
    #[must_use]
    pub const fn stale(mut self, nonces: usize) -> Self {
        self.stale = nonces;
        self
    }

    /// The response to a request without the right answer to a challenge: 401 with a new challenge, or 400 for an
    /// answer that is malformed.
    #[must_use]
    pub fn refusal(&self, request: &Request) -> Option<Reply> {
        let Some(header) = request.headers.get("authorization") else {
            return Some(self.challenge(false));
        };
        let header = String::from_utf8_lossy(header.as_bytes()).into_owned();
        let Some(answer) = header.strip_prefix("Digest ").and_then(parameters) else {
            return Some(Reply::status(400));
        };
        match self.judge(request, &answer) {
            None => Some(Reply::status(400).body(header)),
            Some(false) => Some(self.challenge(false)),
            Some(true) if self.is_stale(&answer) => Some(self.challenge(true)),
            Some(true) => None,
        }
    }

    /// `None` if the answer does not fit the challenge, or the request.
    fn judge(&self, request: &Request, answer: &BTreeMap<String, String>) -> Option<bool> {
        let part = |name: &str| answer.get(name).map(String::as_str);
        let target = request.uri.path_and_query()?.as_str();
        let is_fitting = part("realm") == Some(REALM)
            && part("opaque") == Some(OPAQUE)
            && part("uri") == Some(target)
            && part("algorithm") == Some(self.algorithm)
            && part("qop") == self.with_qop.then_some("auth")
            && part("userhash") == self.with_userhash.then_some("true");
        if !is_fitting {
            return None;
        }
        let (nonce, hash) = (part("nonce")?, |text: &str| self.hash(text));
        if self.with_qop && !self.counts(nonce, part("nc")?) {
            return None;
        }
        let key = hash(&format!("{}:{REALM}:{}", self.user, self.password));
        let key = if self.algorithm.ends_with("-sess") {
            hash(&format!("{key}:{nonce}:{}", part("cnonce")?))
        } else {
            key
        };
        let of_request = hash(&format!("{}:{target}", request.method));
        let middle = match part("nc") {
            Some(count) => format!("{nonce}:{count}:{}:auth", part("cnonce")?),
            None => nonce.to_owned(),
        };
        let user = if self.with_userhash {
            hash(&format!("{}:{REALM}", self.user))
        } else {
            self.user.clone()
        };
        let is_right = part("response")? == hash(&format!("{key}:{middle}:{of_request}"));
        Some(is_right && part("username")? == user)
    }

    /// Whether the nonce is one of this server, and its counter one more than before.
    fn counts(&self, nonce: &str, count: &str) -> bool {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = issued.used.get_mut(nonce) else {
            return false;
        };
        let is_next = count.len() == 8 && u64::from_str_radix(count, 16) == Ok(*last + 1);
        *last += 1;
        is_next
    }

    fn is_stale(&self, answer: &BTreeMap<String, String>) -> bool {
        let number = answer.get("nonce").and_then(|nonce| nonce.rsplit('-').next());
        let number = number.and_then(|number| number.parse::<usize>().ok());
        number.is_none_or(|number| number <= self.stale)
    }

    fn challenge(&self, is_stale: bool) -> Reply {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.count += 1;
        let nonce = format!("nonce/with=signs-{}", issued.count);
        issued.used.insert(nonce.clone(), 0);
        let realm = REALM.replace('"', "\\\"");
        let mut challenge = format!(
            "Digest realm=\"{realm}\", nonce=\"{nonce}\", opaque=\"{OPAQUE}\", algorithm={}",
            self.algorithm
        );
        if self.with_qop {
            challenge.push_str(", qop=\"auth-int, auth\"");
        }
        if self.with_userhash {
            challenge.push_str(", userhash=true, charset=UTF-8");
        }
        if is_stale {
            challenge.push_str(", stale=true");
        }
        let basic = "Basic realm=\"for others\"";
        let reply = Reply::status(401).header("www-authenticate", basic);
        reply.header("www-authenticate", &challenge).body("who are you?")
    }

    fn hash(&self, text: &str) -> String {
        let by = |algorithm: &'static Algorithm| hex::encode(digest(algorithm, text.as_bytes()));
        match self.algorithm.trim_end_matches("-sess") {
            "MD5" => hex::encode(Md5::digest(text)),
            "SHA-256" => by(&SHA256),
            _ => by(&SHA512_256),
        }
    }
}

/// The parameters of an answer, without quotes; `None` for a malformed one.
fn parameters(text: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let end = behind.find(',').unwrap_or(behind.len());
                (behind.get(..end)?.trim().to_owned(), behind.get(end..)?)
            }
        };
        if parameters.insert(name.trim().to_owned(), value).is_some() {
            return None;
        }
        rest = behind.trim_start_matches([',', ' ']);
    }
    Some(parameters)
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(index + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

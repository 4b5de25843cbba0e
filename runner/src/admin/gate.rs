//! Who may look, and who may change something.

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use super::answer::{Page, declined, unauthorized};
use crate::settings::Token;

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To know whether the runner is well: everybody may.
    Probe,
    /// To see it.
    Look,
    /// To change something.
    Change,
}

/// Lets in whoever may come in.
#[derive(Debug)]
pub(super) struct Gate {
    token: Option<Token>,
    /// Whether other machines reach the address.
    is_public: bool,
}

impl Gate {
    pub(super) fn new(token: Option<Token>, is_public: bool) -> Self {
        Self { token, is_public }
    }

    /// Nothing for whom may; else the answer that says what it takes.
    pub(super) fn refusal(&self, wish: Wish, headers: &HeaderMap) -> Option<Page> {
        let token = match (wish, &self.token) {
            (Wish::Probe, _) | (Wish::Look, None) => return None,
            (Wish::Look, Some(_)) if !self.is_public => return None,
            (Wish::Change, None) => {
                return Some(declined(
                    StatusCode::FORBIDDEN,
                    "nothing can be changed here while the runner has no token: set CANARY_ADMIN_TOKEN, or \
                     `admin.token` in the file of `--config`, and start it again",
                ));
            }
            (Wish::Look | Wish::Change, Some(token)) => token,
        };
        match bearer(headers) {
            Some(guess) if token.is(guess) => None,
            Some(_) => Some(unauthorized("this is not the runner's token")),
            None => Some(unauthorized(
                "this takes the runner's token, as `Authorization: Bearer TOKEN`",
            )),
        }
    }
}

/// RFC 6750, section 2.1.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    /// The status of the refusal; nothing for whom may.
    fn refused(gate: &Gate, wish: Wish, authorization: &'static str) -> Option<u16> {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(authorization));
        }
        Some(gate.refusal(wish, &headers)?.status().as_u16())
    }

    const RIGHT: &str = "Bearer correct-horse-battery";

    #[test]
    fn everybody_may_probe() {
        for is_public in [false, true] {
            for token in [None, Some(Token::new(TOKEN))] {
                let gate = Gate::new(token, is_public);
                assert_eq!(refused(&gate, Wish::Probe, ""), None);
            }
        }
    }

    #[test]
    fn to_look_takes_the_token_where_others_reach_the_address() {
        let (own, public) = (
            Gate::new(Some(Token::new(TOKEN)), false),
            Gate::new(Some(Token::new(TOKEN)), true),
        );
        assert_eq!(refused(&own, Wish::Look, ""), None);
        assert_eq!(refused(&public, Wish::Look, ""), Some(401));
        assert_eq!(refused(&public, Wish::Look, RIGHT), None);
        assert_eq!(refused(&Gate::new(None, true), Wish::Look, ""), None);
    }

    #[test]
    fn nothing_is_changed_without_the_token() {
        for is_public in [false, true] {
            assert_eq!(
                refused(&Gate::new(None, is_public), Wish::Change, RIGHT),
                Some(403)
            );
            let gate = Gate::new(Some(Token::new(TOKEN)), is_public);
            let wrong = [
                "",
                "Bearer",
                "Bearer correct-horse-batter",
                "Basic correct-horse-battery",
                TOKEN,
            ];
            for authorization in wrong {
                assert_eq!(
                    refused(&gate, Wish::Change, authorization),
                    Some(401),
                    "{authorization}"
                );
            }
            assert_eq!(refused(&gate, Wish::Change, RIGHT), None);
            assert_eq!(
                refused(&gate, Wish::Change, "bearer  correct-horse-battery"),
                None
            );
        }
    }
}

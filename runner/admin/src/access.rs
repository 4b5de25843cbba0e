//! The access policy: which requests require the admin token.

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use super::response::{Response, error_response, unauthorized};
use canary_settings::Token;

/// The permission that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// Health probes: never require the token.
    Probe,
    /// Read access.
    Read,
    /// Write access.
    Write,
}

/// Decides whether a request is allowed.
#[derive(Debug)]
pub(super) struct AccessPolicy {
    token: Option<Token>,
    /// Whether other machines can reach the address.
    is_public: bool,
}

impl AccessPolicy {
    pub(super) fn new(token: Option<Token>, is_public: bool) -> Self {
        Self { token, is_public }
    }

    /// The response that refuses a request; `None` if it is allowed.
    pub(super) fn refusal(&self, permission: Permission, headers: &HeaderMap) -> Option<Response> {
        let token = match (permission, &self.token) {
            (Permission::Probe, _) | (Permission::Read, None) => return None,
            (Permission::Read, Some(_)) if !self.is_public => return None,
            (Permission::Write, None) => {
                return Some(error_response(
                    StatusCode::FORBIDDEN,
                    "write access is disabled: no admin token configured (set CANARY_ADMIN_TOKEN or `admin.token` \
                     and restart)",
                ));
            }
            (Permission::Read | Permission::Write, Some(token)) => token,
        };
        match bearer(headers) {
            Some(guess) if token.matches(guess) => None,
            Some(_) => Some(unauthorized("invalid admin token")),
            None => Some(unauthorized(
                "missing admin token: send `Authorization: Bearer TOKEN`",
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

    /// The status of the refusal; `None` if the request is allowed.
    fn refused(access: &AccessPolicy, permission: Permission, authorization: &'static str) -> Option<u16> {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(authorization));
        }
        Some(access.refusal(permission, &headers)?.status().as_u16())
    }

    const RIGHT: &str = "Bearer correct-horse-battery";

    #[test]
    fn probes_never_require_the_token() {
        for is_public in [false, true] {
            for token in [None, Some(Token::new(TOKEN))] {
                let access = AccessPolicy::new(token, is_public);
                assert_eq!(refused(&access, Permission::Probe, ""), None);
            }
        }
    }

    #[test]
    fn reading_requires_the_token_on_a_public_address() {
        let (own, public) = (
            AccessPolicy::new(Some(Token::new(TOKEN)), false),
            AccessPolicy::new(Some(Token::new(TOKEN)), true),
        );
        assert_eq!(refused(&own, Permission::Read, ""), None);
        assert_eq!(refused(&public, Permission::Read, ""), Some(401));
        assert_eq!(refused(&public, Permission::Read, RIGHT), None);
        assert_eq!(
            refused(&AccessPolicy::new(None, true), Permission::Read, ""),
            None
        );
    }

    #[test]
    fn writing_always_requires_the_token() {
        for is_public in [false, true] {
            assert_eq!(
                refused(&AccessPolicy::new(None, is_public), Permission::Write, RIGHT),
                Some(403)
            );
            let access = AccessPolicy::new(Some(Token::new(TOKEN)), is_public);
            let wrong = [
                "",
                "Bearer",
                "Bearer correct-horse-batter",
                "Basic correct-horse-battery",
                TOKEN,
            ];
            for authorization in wrong {
                assert_eq!(
                    refused(&access, Permission::Write, authorization),
                    Some(401),
                    "{authorization}"
                );
            }
            assert_eq!(refused(&access, Permission::Write, RIGHT), None);
            assert_eq!(
                refused(&access, Permission::Write, "bearer  correct-horse-battery"),
                None
            );
        }
    }
}

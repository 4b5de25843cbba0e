//! Query parameters.

use serde_json::{Value, json};
use url::form_urlencoded;

use canary_run::status::Status;
use canary_suite::Check;

/// Default number of items in a response.
const DEFAULT_LIMIT: usize = 1_000;
/// Maximum number of items in a response.
const MAX_LIMIT: usize = 100_000;
const STATUSES: [Status; 4] = [Status::Up, Status::Degraded, Status::Down, Status::Unknown];

/// A query parameter.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// A value, for the list of endpoints.
    pub(super) example: &'static str,
    /// A sentence.
    pub(super) description: &'static str,
    /// The JSON schema of its value.
    pub(super) schema: fn() -> Value,
}

pub(super) static CHECK: Parameter = Parameter {
    name: "check",
    example: "NAME",
    description: "Only checks with this name or id.",
    schema: || json!({ "type": "string" }),
};
pub(super) static STATUS: Parameter = Parameter {
    name: "status",
    example: "down,unknown",
    description: "Only checks with these statuses, separated by commas.",
    schema: status_schema,
};
pub(super) static ORDER: Parameter = Parameter {
    name: "order",
    example: "worst",
    description: "Sort order: by id, or by severity with down first.",
    schema: || json!({ "type": "string", "enum": ["id", "worst"], "default": "id" }),
};
pub(super) static LIMIT: Parameter = Parameter {
    name: "limit",
    example: "N",
    description: "Maximum number of items.",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT }),
};

/// The order of checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Id,
    /// By severity: down first.
    Worst,
}

/// The filter, order and limit of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// The id or name of a check.
    pub(super) check: Option<String>,
    /// The statuses to include; empty for all.
    pub(super) status: Vec<Status>,
    pub(super) limit: usize,
    pub(super) order: Order,
}

impl Query {
    /// Parses the parameters in `known`.
    ///
    /// # Errors
    /// A message about an unknown parameter or an invalid value.
    pub(super) fn parse(text: Option<&str>, known: &[&Parameter]) -> Result<Self, String> {
        let mut query = Self {
            check: None,
            status: Vec::new(),
            limit: DEFAULT_LIMIT,
            order: Order::default(),
        };
        for (key, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            match &*key {
                key if !known.iter().any(|parameter| parameter.name == key) => {
                    let known: Vec<_> = known.iter().map(|parameter| parameter.name).collect();
                    return Err(format!("unknown parameter `{key}`; known: {}", known.join(", ")));
                }
                "check" => query.check = Some(value.into_owned()),
                "status" => query.status = statuses(&value)?,
                "limit" => query.limit = limit(&value)?,
                _ => query.order = order(&value)?,
            }
        }
        Ok(query)
    }

    pub(super) fn matches(&self, check: &Check, status: Status) -> bool {
        let is_named = |wanted: &String| check.id.as_str() == wanted || check.name == *wanted;
        self.check.as_ref().is_none_or(is_named) && (self.status.is_empty() || self.status.contains(&status))
    }
}

fn status_schema() -> Value {
    let word = STATUSES.map(Status::as_str).join("|");
    json!({
        "type": "string",
        "pattern": format!("^({word})(,({word}))*$"),
        "examples": [STATUS.example],
    })
}

fn statuses(text: &str) -> Result<Vec<Status>, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let found = STATUSES.into_iter().find(|status| status.as_str() == word);
            found.ok_or_else(|| format!("unknown status `{word}`; known: up, degraded, down, unknown"))
        })
        .collect()
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("invalid `limit`: expected a number from 1 to {MAX_LIMIT}"))
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "id" => Ok(Order::Id),
        "worst" => Ok(Order::Worst),
        _ => Err("invalid `order`: expected `id` or `worst`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&Parameter; 4] = [&CHECK, &STATUS, &LIMIT, &ORDER];

    #[test]
    fn a_query_has_a_filter_an_order_and_a_limit() {
        let query = Query::parse(Some("check=a%20b&status=down,unknown&limit=5&order=worst"), &ALL);
        let expected = Query {
            check: Some("a b".to_owned()),
            status: vec![Status::Down, Status::Unknown],
            limit: 5,
            order: Order::Worst,
        };
        assert_eq!(query, Ok(expected));
        assert_eq!(Query::parse(None, &ALL), Query::parse(Some(""), &ALL));
    }

    #[test]
    fn unknown_parameters_and_invalid_values_are_reported() {
        let wrong = |text| Query::parse(Some(text), &ALL).unwrap_err();
        assert_eq!(
            wrong("name=a"),
            "unknown parameter `name`; known: check, status, limit, order"
        );
        assert_eq!(
            wrong("status=dwon"),
            "unknown status `dwon`; known: up, degraded, down, unknown"
        );
        for limit in ["limit=0", "limit=100001", "limit=-1", "limit="] {
            assert_eq!(
                wrong(limit),
                "invalid `limit`: expected a number from 1 to 100000"
            );
        }
        assert_eq!(wrong("order=name"), "invalid `order`: expected `id` or `worst`");
    }
}

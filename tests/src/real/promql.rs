//! The HTTP query API of Prometheus, which other stores implement as well.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a query that fails must fail its test"
)]
#![expect(clippy::indexing_slicing, reason = "what a JSON value lacks is null")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::service::Service;
use crate::client::get;

/// Labels by name, `__name__` among them.
pub type Labels = BTreeMap<String, String>;

/// A series at one moment.
pub type Series = (Labels, f64);

/// A store that answers PromQL.
#[derive(Debug)]
pub struct Queries {
    pub(super) service: Service,
    /// A path to request before each query, to make new points visible.
    pub(super) flush: Option<&'static str>,
    /// Parameters added to each query.
    pub(super) extra: &'static str,
}

impl Queries {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.service.address(0)
    }

    /// The current result of `query`; a scalar is a series without labels.
    ///
    /// # Panics
    /// The query is refused.
    #[must_use]
    pub fn instant(&self, query: &str) -> Vec<Series> {
        if let Some(path) = self.flush {
            let flushed = get(self.address(), path).expect("it runs");
            assert_eq!(flushed.status, 200, "{path}");
        }
        let data = self.ask(&format!("/api/v1/query?query={}{}", encode(query), self.extra));
        match data["resultType"].as_str() {
            Some("vector") => list(&data["result"]).iter().map(series).collect(),
            Some("scalar") => vec![(Labels::new(), number(&data["result"]))],
            other => panic!("`{query}` gives {other:?}, not a vector"),
        }
    }

    /// Repeats `query` until its result satisfies `enough`, and returns it.
    ///
    /// # Panics
    /// The query is refused, or the limit is over.
    pub fn wait_for(&self, limit: Duration, query: &str, enough: impl Fn(&[Series]) -> bool) -> Vec<Series> {
        self.service.wait_for(limit, query, || {
            Some(self.instant(query)).filter(|found| enough(found))
        })
    }

    /// Waits until `query` gives one series or more, and returns them.
    ///
    /// # Panics
    /// The query is refused, or the limit is over.
    pub fn some(&self, limit: Duration, query: &str) -> Vec<Series> {
        self.wait_for(limit, query, |found| !found.is_empty())
    }

    /// The exemplars of the last hour on the series of `query`: their labels and values.
    ///
    /// # Panics
    /// The query is refused.
    #[must_use]
    pub fn exemplars(&self, query: &str) -> Vec<Series> {
        let now = self.instant("time()").first().map_or(0.0, |(_, now)| *now);
        let range = format!("start={}&end={}", now - 3600.0, now + 60.0);
        let data = self.ask(&format!(
            "/api/v1/query_exemplars?query={}&{range}",
            encode(query)
        ));
        let exemplars = list(&data).iter().flat_map(|series| list(&series["exemplars"]));
        exemplars
            .map(|one| (labels(&one["labels"]), text_number(&one["value"])))
            .collect()
    }

    /// The `data` of an API response.
    fn ask(&self, path: &str) -> Value {
        let answer = get(self.address(), path).expect("it runs");
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        assert_eq!(body["status"], "success", "{path}: {}", answer.text());
        body["data"].clone()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn series(found: &Value) -> Series {
    (labels(&found["metric"]), number(&found["value"]))
}

fn labels(found: &Value) -> Labels {
    let labels = found.as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// The value of `[time, "value"]`.
fn number(pair: &Value) -> f64 {
    text_number(&pair[1])
}

fn text_number(value: &Value) -> f64 {
    let text = value.as_str().expect("a number as text");
    text.parse().expect("a number as text")
}

/// Percent-encodes a query for a URL.
fn encode(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

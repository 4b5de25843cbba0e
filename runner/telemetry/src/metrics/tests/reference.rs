//! The reference of metrics in the documentation.

use std::collections::BTreeMap;

use canary_tests::documentation::{first_cells, page, section};

use super::*;
use crate::metrics::instrument::{Instrument, Kind};
use crate::metrics::prometheus::metric_name;

const HEADER: &str = "| metric | in Prometheus | kind | unit | meaning |\n|---|---|---|---|---|\n";
/// Attributes of every metric of the sample's check; `team` is a label of its own.
const COMMON: [&str; 3] = ["canary.check.name", "canary.plugin.name", "team"];

fn row(instrument: &Instrument) -> String {
    let (kind, suffix) = match instrument.kind {
        Kind::Counter => ("counter", "_total"),
        Kind::UpDown => ("up-down counter", ""),
        Kind::Gauge => ("gauge", ""),
        Kind::Histogram(_) => ("histogram", ""),
    };
    let unit = match instrument.unit {
        "" => String::new(),
        unit => format!("`{unit}`"),
    };
    let in_prometheus = metric_name(instrument) + suffix;
    format!(
        "| `{}` | `{in_prometheus}` | {kind} | {unit} | {} |\n",
        instrument.name, instrument.description
    )
}

#[test]
fn the_documentation_has_the_table_of_all_metrics() {
    let page = page("reference/metrics.md");
    let (_, rest) = page.split_once(HEADER).unwrap();
    let (table, _) = rest.split_once("\n\n").unwrap();
    let expected: String = ALL.iter().map(|instrument| row(instrument)).collect();
    assert_eq!(
        format!("{table}\n"),
        expected,
        "docs/src/reference/metrics.md must have this table:\n\n{HEADER}{expected}"
    );
}

/// The keys of the attributes of a metric's points.
fn attributes(metric: &Metric) -> BTreeSet<&str> {
    let attributes: Vec<_> = match metric.data.as_ref().unwrap() {
        metric::Data::Gauge(gauge) => gauge
            .data_points
            .iter()
            .flat_map(|point| &point.attributes)
            .collect(),
        metric::Data::Sum(sum) => sum
            .data_points
            .iter()
            .flat_map(|point| &point.attributes)
            .collect(),
        metric::Data::Histogram(histogram) => {
            let points = histogram.data_points.iter();
            points.flat_map(|point| &point.attributes).collect()
        }
        other => panic!("{other:?}"),
    };
    attributes
        .iter()
        .map(|attribute| attribute.key.as_str())
        .collect()
}

#[test]
fn the_documentation_has_the_attributes_of_each_metric() {
    let page = page("reference/metrics.md");
    let rows = section(&page, "## Attributes").lines();
    let documented: BTreeMap<&str, &str> = rows
        .flat_map(|row| first_cells(row).map(move |name| (name, row)))
        .collect();
    let known: BTreeSet<&str> = ALL.iter().map(|instrument| instrument.name).collect();
    let unknown: Vec<_> = documented.keys().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for metric in exported(&complete()) {
        let row = documented.get(metric.name.as_str()).copied().unwrap_or_default();
        // A plugin adds its own to its measurements.
        let is_own = |key: &str| metric.name != "canary.check.measurement" || key.starts_with("canary.");
        for key in attributes(&metric) {
            let is_documented = COMMON.contains(&key) || row.contains(&format!("`{key}`"));
            assert!(is_documented || !is_own(key), "`{}`: `{key}`", metric.name);
        }
    }
}

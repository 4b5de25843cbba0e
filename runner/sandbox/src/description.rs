//! A plugin's description of itself.

use serde::{Deserialize, Serialize};

use super::bindings::{v0_1, v0_2};
use v0_2::probe::TargetForm;

/// A plugin's description of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Name that the plugin gives itself.
    pub name: String,
    /// Version that the plugin gives itself.
    pub version: String,
    /// One line for a person.
    pub summary: String,
    /// JSON Schema (2020-12) of a check's `config`.
    pub config_schema: String,
    /// The syntax of targets, in the terms that [`canary_suite::grant::Grants::for_check`] parses.
    pub target_syntax: String,
    /// The measurements of its verdicts.
    pub measurements: Vec<Metric>,
    /// JSON pointers into a check's `config` whose values are secret; `*` stands for every key or element.
    pub secrets: Vec<String>,
}

/// A measurement that a plugin's verdicts contain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Name of the measurement.
    pub name: String,
    /// UCUM.
    pub unit: String,
    /// What the measurement means, for a person.
    pub text: String,
}

impl From<v0_1::probe::Description> for Description {
    fn from(description: v0_1::probe::Description) -> Self {
        Self {
            name: description.name,
            version: description.version,
            summary: description.summary,
            config_schema: description.config_schema,
            target_syntax: description.target_syntax,
            ..Self::default()
        }
    }
}

impl From<v0_2::probe::Description> for Description {
    fn from(description: v0_2::probe::Description) -> Self {
        let metric = |metric: v0_2::probe::Metric| Metric {
            name: metric.name,
            unit: metric.unit,
            text: metric.text,
        };
        Self {
            name: description.name,
            version: description.version,
            summary: description.summary,
            config_schema: description.config_schema,
            target_syntax: syntax(&description.targets),
            measurements: description.measurements.into_iter().map(metric).collect(),
            secrets: description.secrets,
        }
    }
}

/// The target forms in the terms of grants.
fn syntax(forms: &[TargetForm]) -> String {
    let words = forms.iter().flat_map(|form| match form {
        TargetForm::Url(schemes) if schemes.is_empty() => vec!["URL".to_owned()],
        TargetForm::Url(schemes) => schemes.iter().map(|scheme| url(scheme)).collect(),
        TargetForm::HostPort => vec!["HOST:PORT".to_owned()],
        TargetForm::Host => vec!["HOST[:PORT]".to_owned()],
        TargetForm::Text => vec!["any text".to_owned()],
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn url(scheme: &str) -> String {
    format!("{scheme}://HOST[:PORT][/PATH]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use canary_suite::grant::Grants;

    fn fits(target: &str, forms: &[TargetForm]) -> bool {
        Grants::for_check(target, &syntax(forms), std::sync::Arc::default(), false).is_ok()
    }

    #[test]
    fn a_target_must_have_one_of_the_forms() {
        let url = |schemes: &[&str]| TargetForm::Url(schemes.iter().map(ToString::to_string).collect());
        let web = [url(&["http", "https"])];
        assert!(fits("http://a.test/", &web) && fits("https://a.test:8443/x", &web));
        assert!(!fits("ftp://a.test/", &web) && !fits("a.test:80", &web));
        assert!(fits("redis://a.test:6379/0", &[url(&[])]));
        assert!(fits("a.test:80", &[TargetForm::HostPort]) && !fits("a.test", &[TargetForm::HostPort]));
        assert!(fits("a.test", &[TargetForm::Host]) && fits("a.test:443", &[TargetForm::Host]));
        let either = [url(&["http"]), TargetForm::HostPort];
        assert!(fits("http://a.test/", &either) && fits("a.test:80", &either) && !fits("a.test", &either));
        assert!(fits("orders database", &[TargetForm::Text]));
    }
}

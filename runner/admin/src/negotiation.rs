//! Content negotiation (RFC 9110, 12.4.2 and 12.5).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

use canary_telemetry::Format;

/// OpenMetrics if the client names it and does not prefer the older text format, which every scraper supports.
pub(super) fn metrics_format(headers: &HeaderMap) -> Format {
    let open = quality(headers, ACCEPT, "application/openmetrics-text");
    let plain = quality(headers, ACCEPT, "text/plain");
    if open > 0.0 && open >= plain {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    quality(headers, ACCEPT_ENCODING, "gzip") > 0.0
}

/// The highest weight that the header gives to `wanted` by name: 1 by default, 0 if it is not named.
fn quality(headers: &HeaderMap, header: HeaderName, wanted: &str) -> f32 {
    let values = headers.get_all(header).into_iter();
    let elements = values.filter_map(|value| value.to_str().ok());
    let elements = elements.flat_map(|value| value.split(','));
    let weights = elements.filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_wanted.then(|| weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
    });
    weights.fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn openmetrics_is_used_if_the_client_names_it_and_prefers_nothing_else() {
        let of = |accept| metrics_format(&headers(ACCEPT, accept));
        // As sent by Prometheus.
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(of(prometheus), Format::OpenMetrics);
        assert_eq!(of("application/openmetrics-text"), Format::OpenMetrics);
        assert_eq!(
            of("text/plain;q=0.9, application/openmetrics-text;q=0.1"),
            Format::Prometheus
        );
        assert_eq!(of("application/openmetrics-text;q=0"), Format::Prometheus);
        assert_eq!(of("*/*"), Format::Prometheus);
        assert_eq!(metrics_format(&HeaderMap::new()), Format::Prometheus);
    }

    #[test]
    fn gzip_is_used_if_the_client_accepts_it() {
        let of = |encodings| accepts_gzip(&headers(ACCEPT_ENCODING, encodings));
        assert!(of("deflate, gzip") && of("GZIP;q=0.1"));
        assert!(!of("gzip;q=0") && !of("br") && !of("gzipped"));
    }
}

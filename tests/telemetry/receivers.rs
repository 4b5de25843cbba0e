//! Each real receiver accepts hand-made requests and returns the data.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is missing must fail its test"
)]

use std::fs;

use canary_tests::client::{call, get};
use canary_tests::collector::{LIMIT, Protocol};
use canary_tests::otlp::{Sender, gauge, histogram, logs, metrics, span, sum, traces};
use canary_tests::real::{
    Alertmanager, Labels, MockServer, Phoenix, Printed, Prometheus, Promtool, Queries, Rotel,
    VictoriaMetrics, Vmagent,
};
use hyper::Request;
use serde_json::{Value, json};

#[test]
fn rotel_prints_every_signal_that_comes_by_http_or_grpc() {
    let Some(rotel) = Rotel::start() else { return };
    let http = Sender::new(Protocol::Http, rotel.http()).gzip();
    let grpc = Sender::new(Protocol::Grpc, rotel.grpc()).gzip();
    for sender in [http, grpc] {
        let before = rotel.printed().len();
        for message in [
            traces(vec![span("check home", 1, 0), span("dns lookup", 2, 1)]),
            metrics(vec![sum("canary.check.runs", "{run}", 5.0)]),
            logs("canary.check.transition", "home is down"),
        ] {
            assert_eq!(sender.send(&message).unwrap().status, 200);
        }
        // The data that is asserted below, printed last of each signal.
        let wanted = [("NumberDataPoints", "Value"), ("LogRecord", "Body")];
        let is_child = |part: &&Printed| part.fields.get("Name").is_some_and(|name| name == "dns lookup");
        let printed = rotel.wait_for(LIMIT, |printed| {
            let new = &printed[before..];
            let is_whole = |(heading, field): &(&str, &str)| {
                new.iter()
                    .any(|part| part.heading == *heading && part.fields.contains_key(*field))
            };
            let child = new.iter().find(is_child);
            let has_attribute = child.is_some_and(|it| it.attributes.contains_key("canary.check.name"));
            has_attribute && wanted.iter().all(is_whole)
        });
        let printed = &printed[before..];
        let child = printed.iter().find(is_child).unwrap();
        assert_eq!(child.fields["Parent ID"], "0000000000000001");
        assert_eq!(child.fields["Kind"], "SPAN_KIND_INTERNAL");
        assert_eq!(child.attributes["canary.check.name"], "Str(home)");
        let record = printed.iter().find(|part| part.heading == "LogRecord").unwrap();
        assert_eq!(record.fields["Body"], "Str(home is down)");
        let point = printed.iter().find(|part| part.heading == "NumberDataPoints");
        assert_eq!(point.unwrap().fields["Value"], "5");
    }
}

#[test]
fn the_mock_server_prints_every_signal_that_comes_by_http_or_grpc() {
    let Some(server) = MockServer::start() else { return };
    // Over HTTP it does not support compression.
    let http = Sender::new(Protocol::Http, server.http());
    let grpc = Sender::new(Protocol::Grpc, server.grpc()).gzip();
    for (number, sender) in [http, grpc].into_iter().enumerate() {
        for message in [
            traces(vec![span("check home", 1, 0), span("dns lookup", 2, 1)]),
            metrics(vec![histogram("canary.check.run.duration", "s")]),
            logs("canary.check.transition", "home is down"),
        ] {
            assert_eq!(sender.send(&message).unwrap().status, 200);
        }
        let requests = server.wait_for(LIMIT, |requests| requests.len() == 3 * (number + 1));
        let of = |name: &str| -> &Value {
            requests
                .iter()
                .rfind(|request| request.get(name).is_some())
                .unwrap()
        };
        let metric = &of("resourceMetrics")["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
        assert_eq!(metric["name"], "canary.check.run.duration");
        let record = &of("resourceLogs")["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(record["body"], "home is down");
        let spans = server.spans();
        let child = &spans[2 * number + 1];
        assert_eq!(child["name"], "dns lookup");
        assert_eq!(child["parentSpanId"], "0000000000000001");
        assert_eq!(child["attributes"]["canary.check.name"], "home");
    }
}

#[test]
fn phoenix_stores_traces_that_come_by_http_or_grpc() {
    let Some(phoenix) = Phoenix::start() else { return };
    let http = Sender::new(Protocol::Http, phoenix.http());
    let grpc = Sender::new(Protocol::Grpc, phoenix.grpc()).gzip();
    let http = http.send(&traces(vec![span("check home", 1, 0)])).unwrap();
    assert_eq!(http.status, 200, "{}", http.text());
    let grpc = grpc.send(&traces(vec![span("dns lookup", 2, 1)])).unwrap();
    assert_eq!(grpc.header("grpc-status"), Some("0"));
    let spans = phoenix.wait_for(LIMIT, |spans| spans.len() == 2);
    let child = spans.iter().find(|span| span["name"] == "dns lookup").unwrap();
    let root = spans.iter().find(|span| span["name"] == "check home").unwrap();
    assert_eq!(child["parent_span_id"], root["span_id"], "{spans:?}");
    assert_eq!(child["trace_id"], root["trace_id"]);
}

#[test]
fn vmagent_translates_for_prometheus() {
    let Some(prometheus) = Prometheus::start() else {
        return;
    };
    let Some(vmagent) = Vmagent::start(&prometheus.write_url()) else {
        return;
    };
    let sender = Sender::new(Protocol::Http, vmagent.http()).below("/opentelemetry");
    assert_eq!(
        vmagent.endpoint(),
        format!("http://{}/opentelemetry", vmagent.http())
    );
    takes_metrics(&sender, &prometheus);
}

#[test]
fn victoria_metrics_translates_as_vmagent_does() {
    let Some(victoria) = VictoriaMetrics::start() else {
        return;
    };
    let sender = Sender::new(Protocol::Http, victoria.address()).below("/opentelemetry");
    takes_metrics(&sender.gzip(), &victoria);
}

/// The names and labels that dashboards rely on.
fn takes_metrics(sender: &Sender, store: &Queries) {
    let sent = [
        sum("canary.check.runs", "{run}", 5.0),
        gauge("canary.quota.utilization", "1", 0.25),
        gauge("canary.check.up", "", 1.0),
        gauge("canary.check.last_run.timestamp", "s", 1.5e9),
        histogram("canary.check.run.duration", "s"),
    ];
    let answer = sender.send(&metrics(sent.into())).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expected = [
        ("canary_check_runs_total", 5.0),
        ("canary_quota_utilization_ratio", 0.25),
        ("canary_check_up", 1.0),
        ("canary_check_last_run_timestamp_seconds", 1.5e9),
        ("canary_check_run_duration_seconds_count", 2.0),
        ("canary_check_run_duration_seconds_sum", 0.55),
        ("canary_check_run_duration_seconds_bucket{le=\"0.1\"}", 1.0),
        ("canary_check_run_duration_seconds_bucket{le=\"1\"}", 2.0),
        ("canary_check_run_duration_seconds_bucket{le=\"+Inf\"}", 2.0),
    ];
    for (query, value) in expected {
        let found = store.some(LIMIT, query);
        assert_eq!(found[0].1, value, "{query}");
        assert_eq!(found.len(), 1, "{query}");
        let labels: Labels = found.into_iter().next().unwrap().0;
        let label = |name: &str| labels.get(name).map(String::as_str);
        assert_eq!(label("service_name"), Some("canary"), "{query}: {labels:?}");
        assert_eq!(label("service_instance_id"), Some("by-hand"));
        assert_eq!(label("canary_check_name"), Some("home"));
        // The names that a Prometheus with native OTLP would have.
        assert_eq!((label("job"), label("instance")), (None, None));
    }
    assert_eq!(store.instant("vector(1) == 2"), []);
    assert_eq!(store.instant("scalar(vector(3))")[0].1, 3.0);
}

#[test]
fn prometheus_keeps_the_exemplars_that_it_scrapes() {
    use canary_tests::peer::http::{Reply, Site};
    const METRICS: &str = "\
# TYPE canary_check_run_duration_seconds histogram\n\
canary_check_run_duration_seconds_bucket{le=\"+Inf\"} 1 # {trace_id=\"cafe\"} 0.5\n\
canary_check_run_duration_seconds_count 1\n\
canary_check_run_duration_seconds_sum 0.5\n\
# EOF\n";
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let _inside = runtime.enter();
    let site = Site::start(|_| {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Reply::status(200).header("content-type", kind).body(METRICS)
    });
    let configuration = format!(
        "scrape_configs: [{{ job_name: canary, scrape_interval: 1s, static_configs: [{{ targets: ['{}'] }}] }}]",
        site.address()
    );
    let Some(prometheus) = Prometheus::start_with(&configuration) else {
        return;
    };
    prometheus.some(LIMIT, "canary_check_run_duration_seconds_count");
    let exemplars = prometheus.exemplars("canary_check_run_duration_seconds_bucket");
    assert_eq!(
        exemplars,
        [(Labels::from([("trace_id".to_owned(), "cafe".to_owned())]), 0.5)]
    );
}

#[test]
fn promtool_tells_good_rules_from_bad_ones() {
    let Some(promtool) = Promtool::find() else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let rules = |expression: &str| {
        format!(
            "groups: [{{ name: canary, rules: [{{ alert: Down, expr: '{expression}', \
             labels: {{ severity: page }} }}] }}]"
        )
    };
    let file = folder.path().join("rules.yml");
    let test = folder.path().join("test.yml");
    fs::write(
        &test,
        "rule_files: [rules.yml]\n\
         tests: [{ interval: 1m, input_series: [{ series: canary_check_up, values: '0 0' }], \
         alert_rule_test: [{ eval_time: 1m, alertname: Down, exp_alerts: [{ exp_labels: { severity: page } }] }] }]",
    )
    .unwrap();
    let both = |expression: &str| {
        fs::write(&file, rules(expression)).unwrap();
        let (check, test) = (promtool.check_rules(&[&file]), promtool.test_rules(&[&test]));
        (check.code == 0, test.code == 0)
    };
    assert_eq!(both("canary_check_up == 0"), (true, true));
    assert_eq!(both("canary_check_up == 1"), (true, false));
    assert_eq!(both("canary_check_up =="), (false, false));
}

#[test]
fn alertmanager_knows_the_alerts_that_it_was_told() {
    let Some(alertmanager) = Alertmanager::start() else {
        return;
    };
    let alerts = json!([{ "labels": { "alertname": "down", "check": "home" } }]);
    let request = Request::post("/api/v2/alerts").header("content-type", "application/json");
    let request = request.body(alerts.to_string().into()).unwrap();
    assert_eq!(call(alertmanager.address(), None, request).unwrap().status, 200);
    let known = alertmanager.wait_for(LIMIT, |alerts| alerts.len() == 1);
    assert_eq!(known[0]["labels"]["check"], "home");
}

#[test]
fn a_receiver_is_gone_when_it_is_dropped() {
    let Some(alertmanager) = Alertmanager::start() else {
        return;
    };
    let address = alertmanager.address();
    get(address, "/-/healthy").unwrap();
    drop(alertmanager);
    get(address, "/-/healthy").unwrap_err();
}

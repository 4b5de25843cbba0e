//! Metrics about the runner itself.

use super::*;

#[test]
fn pings_are_counted_by_their_error_where_there_is_a_heartbeat() {
    let mut metrics = metrics();
    metrics.record_host(&HostStats::default());
    assert_eq!(samples(&metrics, "canary_heartbeat_"), [""; 0]);
    let mut reading = HeartbeatStats {
        pings: [("success".into(), 0), ("http_404".into(), 1)].into(),
        last_success: None,
        interval: Duration::from_secs(60),
    };
    let beat = |heartbeat: HeartbeatStats| HostStats {
        heartbeat: Some(heartbeat),
        ..HostStats::default()
    };
    metrics.record_host(&beat(reading.clone()));
    let arrived = "canary_heartbeat_last_success_timestamp_seconds";
    assert_eq!(samples(&metrics, arrived), [""; 0]);
    reading.pings.insert("success".into(), 2);
    reading.last_success = Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    metrics.record_host(&beat(reading));
    assert_eq!(
        samples(&metrics, arrived),
        [format!("{arrived}{{service_name=\"canary\"}} 1700000000")]
    );
    assert_eq!(
        samples(&metrics, "canary_heartbeat_interval_seconds"),
        ["canary_heartbeat_interval_seconds{service_name=\"canary\"} 60"]
    );
    assert_eq!(
        samples(&metrics, "canary_heartbeat_pings_total"),
        [
            "canary_heartbeat_pings_total{service_name=\"canary\"} 2",
            "canary_heartbeat_pings_total{service_name=\"canary\",error_type=\"http_404\"} 1"
        ]
    );
}

#[test]
fn a_refused_suite_is_reported_until_one_is_in_force() {
    let mut metrics = metrics();
    let refused = |metrics: &Metrics| samples(metrics, "canary_suite_refused").join("");
    let matching = |value: u8| format!("canary_suite_refused{{service_name=\"canary\"}} {value}");
    assert_eq!(refused(&metrics), matching(0));
    metrics.record_reload(false);
    assert_eq!(refused(&metrics), matching(1));
    metrics.record_reload(true);
    assert_eq!(refused(&metrics), matching(0));
}

#[test]
fn the_last_success_of_a_reload_is_the_time_at_which_the_suite_in_force_was_applied() {
    let mut metrics = metrics();
    let name = "canary_suite_reload_last_success_timestamp_seconds";
    let matching = |time: SystemTime| {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        [format!("{name}{{service_name=\"canary\"}} {seconds}")]
    };
    assert_eq!(samples(&metrics, name), matching(sample::noon()));
    metrics.record_reload(false);
    assert_eq!(samples(&metrics, name), matching(sample::noon()));
    let later = sample::noon() + Duration::from_secs(60);
    metrics.apply_suite(&[sample::check()], later);
    metrics.record_reload(true);
    assert_eq!(samples(&metrics, name), matching(later));
}

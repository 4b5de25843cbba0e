use super::*;
use crate::fake::{FakeHost, Script};
use crate::{ErrorCode, Probe, Status, TargetForm};

/// Connects to the target's addresses and reads a line from each.
struct Banner;

#[derive(Deserialize, JsonSchema)]
struct Config {
    addresses: Addresses,
}

impl Probe for Banner {
    type Config = Config;
    const NAME: &'static str = "banner";
    const SUMMARY: &'static str = "";
    const TARGETS: &'static [TargetForm] = &[TargetForm::HostPort];

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let endpoint = check.endpoint()?;
        let place = || Ok(endpoint.clone());
        check
            .config
            .addresses
            .judge(check, IpFamily::Any, place, |scope| {
                let connection = scope.connect(ConnectOptions::default(), &endpoint)?;
                let line = connection.read_line(100)?;
                let mut verdict = Verdict::pass(&line);
                verdict.assert("banner", line == "ready", &line);
                verdict
                    .measure("took", 1.0, "s")
                    .set_attribute("peer", connection.info().peer);
                Ok(verdict)
            })
    }
}

fn addresses(count: u8) -> Vec<IpAddr> {
    (1..=count).map(|last| IpAddr::from([192, 0, 2, last])).collect()
}

fn run(host: &FakeHost) -> Verdict {
    host.run::<Banner>("a.test:1", serde_json::json!({ "addresses": "all" }))
        .unwrap()
}

/// A name with so many addresses: the first one reports that it is not ready, and the second one refuses connections.
fn mixed(count: u8) -> FakeHost {
    FakeHost::new()
        .addresses("a.test", addresses(count))
        .tcp("192.0.2.1:1", Script::new().send("wait\n"))
        .tcp("192.0.2.2:1", Script::refuse(ErrorCode::Refused))
        .tcp("a.test:1", Script::new().send("ready\n"))
}

fn assertions(verdict: &Verdict) -> Vec<(&str, Status, &str)> {
    let all = verdict.assertions().iter();
    all.map(|one| (one.name.as_str(), one.status, one.message.as_str()))
        .collect()
}

#[test]
fn each_address_is_an_assertion_of_its_own() {
    let host = mixed(3);
    let verdict = run(&host);
    assert_eq!(
        assertions(&verdict),
        [
            ("address 192.0.2.1", Status::Fail, "banner: wait"),
            ("address 192.0.2.2", Status::Fail, "connect: connection refused"),
            ("address 192.0.2.3", Status::Pass, "ready"),
        ]
    );
    assert_eq!(
        verdict.summary(),
        "2 of 3 addresses failed: 192.0.2.1: banner: wait; 192.0.2.2: connect: connection refused"
    );
    let attributes = [
        ("peer", "192.0.2.1:1"),
        ("addresses", "192.0.2.1, 192.0.2.2, 192.0.2.3"),
        ("addresses.fail", "192.0.2.1, 192.0.2.2"),
    ];
    assert_eq!(
        verdict.attributes(),
        attributes.map(|(key, value)| (key.to_owned(), value.to_owned())),
        "of one address alone, and not something of each"
    );
    let measured = verdict
        .measurements()
        .iter()
        .map(|number| number.attributes[0].1.as_str());
    assert_eq!(measured.collect::<Vec<_>>(), ["192.0.2.1", "192.0.2.3"]);
    assert_eq!(host.open_connections(), 0);
}

#[test]
fn all_that_are_as_expected_pass() {
    let host = FakeHost::new()
        .addresses("a.test", addresses(5))
        .tcp("a.test:1", Script::new().send("ready\n"));
    let verdict = run(&host);
    assert_eq!(verdict.status(), Status::Pass);
    assert_eq!(
        verdict.summary(),
        "5 of 5 addresses as expected: 192.0.2.1: ready; 192.0.2.2: ready; 192.0.2.3: ready; and 2 more"
    );
}

/// The verdict on two addresses of which the check cannot judge the second.
fn with_one_unknown(first: Status, expect_failure: bool) -> Verdict {
    let mut known = Verdict::pass("fine");
    known.assert("banner", first, "seen");
    let mut unknown = Verdict::pass("fine");
    unknown.extend([crate::Assertion::unknown("banner", "too long")]);
    let mut combined = Combined::default();
    for (address, verdict) in addresses(2).into_iter().zip([known, unknown]) {
        combined.add(address, verdict, None);
    }
    combined.verdict(expect_failure)
}

#[test]
fn an_address_that_cannot_be_judged_leaves_open_whether_all_fail_as_expected() {
    let verdict = with_one_unknown(Status::Fail, true);
    assert_eq!((verdict.status(), verdict.is_unknown()), (Status::Fail, true));
    let statuses = verdict.assertions().iter().map(|one| one.is_unknown);
    assert_eq!(statuses.collect::<Vec<_>>(), [false, true]);

    let verdict = with_one_unknown(Status::Pass, true);
    assert_eq!(
        (verdict.status(), verdict.is_unknown()),
        (Status::Pass, false),
        "one works"
    );
    let verdict = with_one_unknown(Status::Fail, false);
    assert_eq!(
        (verdict.status(), verdict.is_unknown()),
        (Status::Fail, false),
        "one fails"
    );
    let verdict = with_one_unknown(Status::Pass, false);
    assert_eq!((verdict.status(), verdict.is_unknown()), (Status::Fail, true));
}

#[test]
fn a_target_that_is_expected_to_fail_does_so_at_every_address() {
    let verdict = run(&mixed(3).expect_failure());
    assert_eq!(verdict.status(), Status::Pass, "one works");
    assert_eq!(
        verdict.summary(),
        "1 of 3 addresses as expected: 192.0.2.3: ready"
    );
    let verdict = run(&mixed(2).expect_failure());
    assert_eq!(verdict.status(), Status::Fail);
}

#[test]
fn addresses_that_were_not_checked_are_a_warning() {
    let ready = || FakeHost::new().tcp("a.test:1", Script::new().send("ready\n"));
    let host = ready().addresses("a.test", addresses(20));
    let verdict = run(&host);
    assert_eq!(host.connects().len(), MAX_CHECKED);
    assert_eq!(verdict.status(), Status::Warn);
    assert!(
        verdict
            .summary()
            .ends_with("; 4 more were not checked; the limit is 16"),
        "{}",
        verdict.summary()
    );

    let mut list = AddressList::complete(addresses(1));
    list.complete = false;
    assert_eq!(
        run(&ready().address_list("a.test", list.clone())).status(),
        Status::Warn
    );
    let refused = FakeHost::new().address_list("a.test", list);
    assert_eq!(run(&refused).status(), Status::Fail);
    assert_eq!(
        run(&refused.expect_failure()).status(),
        Status::Warn,
        "another may work"
    );
}

/// A peer that is ready after this time. A check has 5 s.
fn ready_after(millis: u64) -> Script {
    Script::new().wait(Duration::from_millis(millis)).send("ready\n")
}

/// A name with so many addresses, of which the one at `place` is ready after `slow` milliseconds, and all others
/// after `others`.
fn one_slow(count: u8, place: u8, slow: u64, others: u64) -> FakeHost {
    FakeHost::new()
        .addresses("a.test", addresses(count))
        .tcp(&format!("192.0.2.{place}:1"), ready_after(slow))
        .tcp("a.test:1", ready_after(others))
}

#[test]
fn an_address_that_answers_within_the_time_passes_wherever_it_stands() {
    for (count, slow) in [(1, 4_900), (2, 4_200), (3, 4_200), (8, 4_200), (16, 2_500)] {
        for place in 1..=count {
            let host = one_slow(count, place, slow, 20).quotas(|quotas| quotas.connections = 64);
            let verdict = run(&host);
            assert_eq!(
                verdict.status(),
                Status::Pass,
                "{count}, {place}: {}",
                verdict.summary()
            );
            assert_eq!(host.open_connections(), 0);
        }
    }
}

#[test]
fn addresses_that_are_all_slow_pass_where_there_is_time_for_all() {
    for (count, millis) in [(2, 1_800), (4, 900), (8, 400)] {
        let verdict = run(&one_slow(count, 1, millis, millis));
        assert_eq!(verdict.status(), Status::Pass, "{count}: {}", verdict.summary());
    }
}

#[test]
fn an_address_that_never_answers_costs_no_other_one_its_verdict() {
    for place in 1..=4 {
        let verdict = run(&one_slow(4, place, 60_000, 900));
        let summary = verdict.summary();
        assert!(
            summary.starts_with(&format!(
                "1 of 4 addresses failed: 192.0.2.{place}: receive: timed out, its share"
            )),
            "{summary}"
        );
    }
}

#[test]
fn a_second_attempt_takes_no_more_connections_than_there_are() {
    for (count, in_all) in [(2, 2), (8, 9), (8, 15), (10, 16), (16, 16), (16, 20)] {
        let host = one_slow(count, 1, 60_000, 100).quotas(|quotas| quotas.connections = in_all);
        assert_eq!(run(&host).status(), Status::Fail);
        let connects = u64::try_from(host.connects().len()).unwrap();
        assert!(connects <= in_all, "{count} of {in_all}: {connects}");
    }
}

#[test]
fn an_address_without_quota_for_a_second_attempt_failed_in_its_first() {
    let host = FakeHost::new()
        .addresses("a.test", addresses(2))
        .tcp("192.0.2.1:1", ready_after(60_000))
        .tcp("192.0.2.1:1", Script::refuse(ErrorCode::Quota))
        .tcp("a.test:1", Script::new().send("ready\n"));
    assert_eq!(
        run(&host).summary(),
        "1 of 2 addresses failed: 192.0.2.1: receive: timed out, its share of the time 625.0ms"
    );
}

/// Maximum number of concurrent requests of the probe.
const AT_ONCE: usize = 4;

/// A probe that fetches from the target's addresses.
struct Fetch;

impl Probe for Fetch {
    type Config = Config;
    const NAME: &'static str = "fetch";
    const SUMMARY: &'static str = "";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Url(&["http"])];

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let request = Request::get(&check.target).body(vec![0; 1 << 20]);
        let addresses = check.config.addresses;
        addresses.judge_answers(
            check,
            request,
            AT_ONCE,
            |_| Ok(()),
            |answer| Ok(Verdict::pass(answer?.text())),
        )
    }
}

/// The time limits of requests to so many addresses with so many sockets.
fn limits_of(count: u8, sockets: u64) -> Vec<Option<Duration>> {
    let host = FakeHost::new()
        .addresses("a.test", addresses(count))
        .quotas(|quotas| quotas.sockets = sockets)
        .http(|request| {
            assert!(request.options.address.is_some());
            let mut response = crate::fake::response(200);
            response.body = b"ready".to_vec();
            Ok(response)
        });
    let verdict = host.run::<Fetch>("http://a.test/", serde_json::json!({ "addresses": "all" }));
    let expected = format!("{count} of {count} address");
    assert!(verdict.unwrap().summary().starts_with(&expected));
    let requests = host.requests().into_iter();
    requests.map(|request| request.options.timeout).collect()
}

#[test]
fn requests_that_go_out_at_once_have_all_of_the_time() {
    assert_eq!(limits_of(4, 4), [None; 4]);
    assert_eq!(limits_of(1, 1), [None]);
}

#[test]
fn requests_beyond_the_sockets_have_shares_of_the_time() {
    let share = |part: u32| Some(Duration::from_secs(5) / part);
    assert_eq!(limits_of(2, 1), [share(8); 2]);
    assert_eq!(limits_of(3, 2), [share(8); 3]);
    let without_another = limits_of(9, 4);
    assert_eq!(
        (without_another[0], without_another[8]),
        (share(3), share(1)),
        "what is not needed goes to those behind"
    );
}

#[test]
fn no_more_go_out_at_once_than_the_probe_has_room_for() {
    assert_eq!(limits_of(4, 8), [None; 4]);
    assert!(limits_of(5, 8).iter().all(Option::is_some));
}

#[test]
fn a_request_that_is_not_prepared_is_not_sent_and_has_a_verdict_of_its_own() {
    let host = FakeHost::new()
        .addresses("a.test", addresses(3))
        .http(|_| Ok(crate::fake::response(200)));
    let verdict = host
        .run::<Sparing>("http://a.test/", serde_json::json!({ "addresses": "all" }))
        .unwrap();
    assert_eq!(verdict.summary(), "1 of 3 addresses failed: 192.0.2.2: no room");
    assert_eq!(host.requests().len(), 2);
}

/// A probe that has no memory for the second address.
struct Sparing;

impl Probe for Sparing {
    type Config = Config;
    const NAME: &'static str = "sparing";
    const SUMMARY: &'static str = "";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Url(&["http"])];

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let request = Request::get(&check.target);
        let prepare = |request: &Request| {
            let is_second = request
                .options
                .address
                .is_some_and(|address| address.to_string() == "192.0.2.2");
            if is_second {
                Err(Verdict::fail("no room"))
            } else {
                Ok(())
            }
        };
        let addresses = check.config.addresses;
        addresses.judge_answers(check, request, AT_ONCE, prepare, |answer| {
            answer?;
            Ok(Verdict::pass("well"))
        })
    }
}

#[test]
fn by_default_one_address_is_as_good_as_any() {
    let check = FakeHost::new().tcp("a.test:1", Script::new().send("ready\n"));
    let verdict = check
        .run::<Banner>("a.test:1", serde_json::json!({ "addresses": "one" }))
        .unwrap();
    assert_eq!(verdict.summary(), "ready");
    assert_eq!(check.connects()[0].1.address, None);
}

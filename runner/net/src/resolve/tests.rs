use super::*;

fn four() -> FamilyResult {
    Ok(Found::Addresses(vec![Ipv4Addr::LOCALHOST.into()]))
}

fn merged(answers: Vec<FamilyResult>) -> Result<usize, (&'static str, String)> {
    let name = wire_name("a.test").unwrap();
    match merge_answers(answers, &name, Family::Any) {
        Ok(addresses) => Ok(addresses.len()),
        Err(LookupFailure::Next(error)) => Err(("next", error.to_string())),
        Err(LookupFailure::Final(error)) => Err(("final", error.to_string())),
        Err(LookupFailure::NotQueried(error)) => Err(("nobody", error.to_string())),
    }
}

fn failure_of(answers: Vec<FamilyResult>) -> (&'static str, String) {
    merged(answers).unwrap_err()
}

#[test]
fn a_name_of_the_local_host_is_never_asked_for() {
    let hosts = Hosts::default();
    for name in ["localhost", "LOCALHOST.", "a.b.localhost"] {
        let addresses = local_answer(&hosts, name, Family::Any).unwrap();
        assert!(
            addresses.len() == 2 && addresses.iter().all(IpAddr::is_loopback),
            "{name}"
        );
    }
    assert_eq!(local_answer(&hosts, "localhost", Family::V4).unwrap().len(), 1);
    assert_eq!(local_answer(&hosts, "localhost.test", Family::Any), None);
}

#[test]
fn addresses_of_one_family_suffice_whatever_the_other_answers() {
    for other in [
        Ok(Found::NoSuchName),
        Ok(Found::Failed(ResponseCode::ServFail)),
        Err(NetError::DnsBusy),
    ] {
        assert_eq!(merged(vec![other, four()]), Ok(1));
    }
    assert_eq!(merged(vec![four()]), Ok(1));
}

#[test]
fn a_name_that_does_not_exist_or_has_no_address_is_searched_for_on() {
    let none = || Ok(Found::Addresses(Vec::new()));
    assert_eq!(failure_of(vec![none(), none()]).0, "next");
    assert_eq!(
        failure_of(vec![none(), Ok(Found::Failed(ResponseCode::ServFail))]).0,
        "next"
    );
    let (ends, error) = failure_of(vec![Ok(Found::NoSuchName), none()]);
    assert!(ends == "next" && error.ends_with("`a.test`: NXDOMAIN"), "{error}");
}

#[test]
fn without_an_answer_the_search_is_over() {
    let silent = || {
        Err(NetError::Unresolved(
            "DNS server 192.0.2.1:53 does not answer".to_owned(),
        ))
    };
    assert_eq!(failure_of(vec![silent(), silent()]).0, "final");
    assert_eq!(
        failure_of(vec![Ok(Found::Failed(ResponseCode::Refused))]).0,
        "final"
    );
    assert_eq!(failure_of(vec![silent(), Err(NetError::DnsBusy)]).0, "nobody");
}

#[test]
fn a_question_to_servers_of_a_check_is_not_one_to_the_machines_whatever_these_are() {
    let server: SocketAddr = "192.0.2.1:53".parse().unwrap();
    let current = |owner| LookupConfig {
        settings: ResolverSettings::servers(vec![server]),
        owner,
        hosts: Arc::default(),
    };
    let query = || Query::query(wire_name("www.shop.test").unwrap(), RecordType::A);
    let to_machine = Question::for_addresses(&current(ServerOwner::Machine), query());
    let to_own = Question::for_addresses(&current(ServerOwner::Check), query());
    let to_one = Question::to_server(server, &current(ServerOwner::Machine), query());
    assert_ne!(to_machine, to_own);
    let ways = [&to_machine, &to_own, &to_one].map(|question| (question.owner(), question.destination()));
    assert_eq!(
        ways,
        [
            (ServerOwner::Machine, "shop.test".into()),
            (ServerOwner::Check, "192.0.2.1:53".into()),
            (ServerOwner::Check, "192.0.2.1:53".into()),
        ]
    );
}

use super::*;

const MAIN: &str = "nameserver 192.0.2.1\n";

fn environment() -> Environment {
    Environment {
        local_domain: None,
        options: None,
        host_name: "machine".to_owned(),
        interface: |name| (name == "lo").then_some(1),
    }
}

fn read(text: &str) -> ResolverSettings {
    parse(text.as_bytes(), &environment())
}

fn servers(text: &str) -> Vec<String> {
    read(text).servers.iter().map(ToString::to_string).collect()
}

fn search(text: &str) -> Vec<String> {
    read(&format!("{MAIN}{text}")).search
}

fn options(words: &str) -> ResolverSettings {
    read(&format!("{MAIN}options {words}\n"))
}

#[test]
fn three_servers_count_and_those_that_are_no_address_do_not() {
    let text = "nameserver no.address\nnameserver\nnameserver 192.0.2.1#x\nnameserver 192.0.2.2 # main\n\
                nameserver\t127.1  \nnameserver 2001:db8::1\nnameserver 192.0.2.5\n";
    assert_eq!(
        servers(text),
        ["192.0.2.2:53", "127.0.0.1:53", "[2001:db8::1]:53"]
    );
    assert_eq!(servers("search a.test\n"), ["127.0.0.1:53"]);
}

#[test]
fn a_server_may_have_a_zone() {
    assert_eq!(servers("nameserver fe80::1%lo\n"), ["[fe80::1%1]:53"]);
    assert_eq!(servers("nameserver fe80::1%7\n"), ["[fe80::1%7]:53"]);
    assert_eq!(servers("nameserver fe80::1%gone\n"), ["[fe80::1]:53"]);
}

#[test]
fn of_search_and_domain_the_last_counts() {
    assert_eq!(
        search("domain a.test\nsearch b.test c.test\n"),
        ["b.test", "c.test"]
    );
    assert_eq!(search("search b.test c.test\ndomain a.test b.test\n"), ["a.test"]);
    assert_eq!(search("search b.test\nsearch \ndomain\n"), ["b.test"]);
}

#[test]
fn one_bad_domain_spoils_no_other() {
    assert_eq!(search("search a.test b..test\n"), ["a.test", "b..test"]);
    assert_eq!(search("search . a.test # c\n"), [".", "a.test", "#", "c"]);
    let many: Vec<_> = (0..20).map(|number| format!("d{number}.test")).collect();
    assert_eq!(search(&format!("search {}\n", many.join(" "))), many);
}

#[test]
fn a_keyword_behind_a_blank_or_a_sign_of_a_comment_is_none() {
    for line in [
        " search a.test\n",
        ";search a.test\n",
        "# search a.test\n",
        "searching a.test\n",
    ] {
        assert!(search(line).is_empty(), "{line}");
    }
}

#[test]
fn the_domain_of_the_machine_is_searched_where_no_other_is() {
    let machine = Environment {
        host_name: "machine.corp.test".to_owned(),
        ..environment()
    };
    assert_eq!(parse(MAIN.as_bytes(), &machine).search, ["corp.test"]);
    assert_eq!(parse(b"search a.test\n", &machine).search, ["a.test"]);
}

#[test]
fn the_environment_has_the_last_word() {
    let environment = Environment {
        local_domain: Some("b.test c.test".to_owned()),
        options: Some("ndots:3 no-aaaa".to_owned()),
        ..environment()
    };
    let settings = parse(b"search a.test\noptions ndots:2 edns0\n", &environment);
    assert_eq!(settings.search, ["b.test", "c.test"]);
    assert_eq!((settings.ndots, settings.edns, settings.no_aaaa), (3, true, true));
}

#[test]
fn numbers_are_read_as_c_reads_them_and_have_bounds() {
    for (word, ndots) in [
        ("ndots:2", 2),
        ("ndots:99", 15),
        ("ndots:x", 0),
        ("ndots:", 0),
        ("ndots:3x", 3),
        ("ndots:-1", 15),
        ("ndots", 1),
    ] {
        assert_eq!(options(word).ndots, ndots, "{word}");
    }
    let settings = options("timeout:0 attempts:9");
    assert_eq!((settings.timeout, settings.attempts), (Duration::from_secs(1), 5));
    let settings = options("timeout:30 attempts:0");
    assert_eq!((settings.timeout, settings.attempts), (Duration::from_secs(5), 1));
    let settings = read(MAIN);
    assert_eq!((settings.timeout, settings.attempts), (Duration::from_secs(5), 2));
}

#[test]
fn options_are_known_by_their_beginning_and_unknown_ones_pass() {
    let settings = options("foo:bar\tedns0,x rotate use-vc no-tld-query debug");
    assert!(settings.edns && settings.rotates && settings.over_tcp && settings.no_tld_query);
    assert!(!settings.no_aaaa);
}

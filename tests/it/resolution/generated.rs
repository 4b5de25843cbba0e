//! Random resolver configurations by seed, with common settings and common mistakes.
#![expect(clippy::indexing_slicing, reason = "an index is drawn within the bounds")]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::server::{ADDRESS, CLOSED};

const LABELS: [&str; 17] = [
    "web", "db", "api", "my-app", "shop", "a", "b1", "mail", "www2", "cache", "web_1", "my_app_1", "_srv",
    "x_y_z", "db_", "a-", "xn--x",
];
const DOMAINS: [&str; 9] = [
    "test",
    "corp.test",
    "svc.cluster.local",
    "wild.test",
    "Example.TEST",
    "c_d.test",
    "sub.corp.test",
    "local",
    "lan",
];
const ODD_NAMES: [&str; 12] = [
    "localhost",
    "x.localhost",
    "LOCALHOST",
    "localhost.",
    "127.1",
    "a.b.c.d.e.f.test",
    "0x7f.1",
    "123",
    "-lead.test",
    "trail-.test",
    "a!b.test",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test",
];
/// Without `no-reload`, which would apply to the whole process.
const OPTIONS: [&str; 25] = [
    "ndots:0",
    "ndots:1",
    "ndots:2",
    "ndots:5",
    "ndots:15",
    "ndots:99",
    "ndots:x",
    "ndots:",
    "ndots:-1",
    "timeout:1",
    "timeout:2",
    "attempts:1",
    "attempts:2",
    "rotate",
    "edns0",
    "use-vc",
    "single-request",
    "single-request-reopen",
    "no-tld-query",
    "trust-ad",
    "no-aaaa",
    "inet6",
    "foo:bar",
    "debug",
    "no-check-names",
];
const LINES: [&str; 13] = [
    "# comment",
    "; comment",
    "garbage line here",
    "lookup file bind",
    "sortlist 130.155.160.0/255.255.240.0",
    "family inet4",
    " search indented.test",
    "search",
    "options",
    "nameserver",
    ";search no.test",
    "options ndots:3 # x",
    "\tnameserver 127.0.0.98",
];
const BAD_HOSTS: [&str; 6] = [
    "999.1.1.1 bad",
    "not-an-address x",
    "# comment",
    "127.0.0.300 web",
    "",
    "127.0.0.1",
];

/// The files of a resolver, and the names to look up.
pub(super) struct Case {
    pub(super) resolv_conf: String,
    pub(super) hosts: String,
    pub(super) names: Vec<String>,
}

/// A random generator with a seed.
pub(super) struct Generator {
    seed: u64,
    drawn: u64,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(super) fn case(&mut self) -> Case {
        let names: Vec<_> = (0..10).map(|_| self.name()).collect();
        Case {
            resolv_conf: self.resolv_conf(),
            hosts: self.hosts(&names),
            names,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.drawn += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.drawn).hash(&mut hasher);
        usize::try_from(hasher.finish() >> 32).unwrap_or_default() % end
    }

    fn percent(&mut self) -> usize {
        self.below(100)
    }

    fn one_of<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among[self.below(among.len())]
    }

    fn some_of<'a>(&mut self, among: &[&'a str], most: usize) -> Vec<&'a str> {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.one_of(among)).collect()
    }

    fn name(&mut self) -> String {
        let label = self.one_of(&LABELS);
        let domain = self.one_of(&DOMAINS);
        match self.percent() {
            0..35 => label.to_owned(),
            35..83 => format!("{label}.{domain}"),
            83..89 => format!("{label}.{domain}."),
            89..94 => format!("{}.{domain}", label.to_uppercase()),
            _ => self.one_of(&ODD_NAMES).to_owned(),
        }
    }

    fn hosts(&mut self, names: &[String]) -> String {
        let mut lines = vec!["127.0.0.1 localhost".to_owned()];
        if self.percent() < 30 {
            lines.push("::1 localhost ip6-localhost".to_owned());
        }
        for name in names {
            if self.percent() < 30 {
                let line = self.host(name);
                let at = self.below(lines.len() + 1);
                lines.insert(at, line);
            }
        }
        if self.percent() < 20 {
            lines.push(self.one_of(&BAD_HOSTS).to_owned());
        }
        lines.join("\n") + "\n"
    }

    fn host(&mut self, name: &str) -> String {
        let mut name = match self.percent() {
            0..90 => name.trim_end_matches('.').to_owned(),
            _ => name.to_owned(),
        };
        if self.percent() < 20 {
            name = name.to_uppercase();
        }
        let address = match self.percent() {
            0..6 => "::1".to_owned(),
            _ => format!("127.201.{}.{}", self.below(250), 1 + self.below(250)),
        };
        let blank = self.one_of(&[" ", "\t", "   "]);
        match self.below(6) {
            0 => format!("{address}{blank}canon.{name}{blank}{name}"),
            1 => format!(" {address}{blank}{name}"),
            2 => format!("{address}{blank}{name} # c"),
            3 => format!("{address}{blank}{name}#c"),
            4 => format!("{address}{blank}other {name}\r"),
            _ => format!("{address}{blank}{name}\n127.202.0.{} {name}", 1 + self.below(250)),
        }
    }

    fn resolv_conf(&mut self) -> String {
        let mut lines = self.servers();
        match self.percent() {
            0..50 => lines.push(format!("search {}", self.some_of(&DOMAINS, 9).join(" "))),
            50..65 => lines.push(format!("domain {}", self.one_of(&DOMAINS))),
            65..70 => lines.extend(["domain lan".to_owned(), "search corp.test local".to_owned()]),
            70..75 => lines.extend(["search corp.test local".to_owned(), "domain lan".to_owned()]),
            75..83 => {
                let odd = [
                    ".",
                    "test.",
                    "corp.test. wild.test.",
                    ". test",
                    "corp.test bad..name lan",
                    ".test",
                ];
                lines.push(format!("search {}", self.one_of(&odd)));
            }
            _ => {}
        }
        if self.percent() < 60 {
            lines.push(format!("options {}", self.some_of(&OPTIONS, 3).join(" ")));
        }
        if self.percent() < 30 {
            let at = self.below(lines.len() + 1);
            lines.insert(at, self.one_of(&LINES).to_owned());
        }
        lines.join("\n") + "\n"
    }

    fn servers(&mut self) -> Vec<String> {
        let main = format!("nameserver {ADDRESS}");
        let closed = format!("nameserver {CLOSED}");
        match self.percent() {
            0..12 => vec![closed, main],
            12..20 => vec![main, closed],
            20..26 => vec!["nameserver not.an.address".to_owned(), main],
            26..30 => vec![format!("nameserver\t{ADDRESS}   ")],
            30..34 => vec![format!("{main} # main")],
            34..38 => vec![format!("{main}#x"), main],
            38..42 => vec![closed.clone(), closed.clone(), closed, main],
            _ => vec![main],
        }
    }
}

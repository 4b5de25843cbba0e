//! Whole requests, through this host's own sockets, to peers on loopback.

mod cookies;
mod framing;
mod handshakes;
mod http2;
mod proxies;

use std::sync::Arc;
use std::time::Duration;

use canary_tests::peer::Peer;
use tokio::time::Instant;

use super::*;
use crate::NetServices;
use crate::bounded::{Payload, Token, UrlText};
use crate::ledger::{Budget, Ledger, PageOwner};
use crate::resolve::{Resolver, ResolverSettings};
use crate::tls::TrustStore;
use canary_record::Recorder;
use canary_record::quota::Quota;
use canary_record::trace::TraceContext;
use canary_record::trace::propagation::Propagation;
use canary_suite::Secrets;
use canary_suite::grant::{Grants, Networks};

/// A check of a target that may also reach these destinations.
struct Check<'a> {
    target: &'a str,
    allow: &'a [String],
    secrets: Secrets,
    proxies: EnvironmentProxies,
}

impl<'a> Check<'a> {
    fn of(target: &'a str) -> Self {
        Self {
            target,
            allow: &[],
            secrets: Secrets::default(),
            proxies: EnvironmentProxies::default(),
        }
    }

    fn client(self) -> Client {
        let ledger = Ledger::new(Budget::new(8));
        let recorder = Recorder::new(self.secrets, Quota::default().record);
        let page = ledger.open_page(PageOwner::service("a check"), Quota::default(), recorder);
        let allow = self.allow.iter().map(|grant| grant.parse().unwrap());
        let grants = Grants::for_check(self.target, "URL", allow.collect(), true).unwrap();
        let shared = NetServices {
            resolver: Resolver::new(ResolverSettings::servers(Vec::new()), &ledger),
            blocked: Networks::default(),
            trust: TrustStore::default(),
            propagation: Propagation::default(),
            proxies: self.proxies,
        };
        let trace = TraceContext {
            trace_id: [1; 16],
            span_id: [1; 8],
            sampled: true,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        Client::new(Arc::new(shared), page, grants, deadline, trace)
    }
}

fn asking(method: &str, url: &str, options: RequestOptions) -> Request {
    let method = Token::new("the method", method.to_owned()).unwrap();
    let url = UrlText::new("the url", url.to_owned()).unwrap();
    let body = Payload::new("the body", Vec::new()).unwrap();
    Request::new(method, &url, Vec::new(), body, options).unwrap()
}

/// Options that follow redirects and read the body.
fn usual() -> RequestOptions {
    RequestOptions {
        max_redirects: 5,
        max_body: 1 << 10,
        ..RequestOptions::default()
    }
}

fn granted(peer: &Peer) -> String {
    format!("tcp://{}", peer.address())
}

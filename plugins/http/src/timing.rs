//! The times of an exchange, over all its redirects.

use std::time::Duration;

use canary_sdk::Phase;
use canary_sdk::http::Response;
use canary_sdk::tcp::Timings;

/// From the first DNS query to the last byte, redirects included.
pub(crate) fn total(response: &Response) -> Duration {
    timings(response).map(Timings::total).sum()
}

/// The phases that happened, each summed over all redirects.
pub(crate) fn phases(response: &Response) -> impl Iterator<Item = (Phase, Duration)> {
    type Part = fn(&Timings) -> Option<Duration>;
    let parts: [(Phase, Part); 6] = [
        (Phase::Resolve, |timings| timings.resolve),
        (Phase::Connect, |timings| timings.connect),
        (Phase::Handshake, |timings| timings.handshake),
        (Phase::Send, |timings| timings.send),
        (Phase::Wait, |timings| timings.wait),
        (Phase::Receive, |timings| timings.receive),
    ];
    parts.into_iter().filter_map(move |(phase, part)| {
        let happened = timings(response).filter_map(part);
        happened.reduce(|sum, time| sum + time).map(|sum| (phase, sum))
    })
}

/// The timings of every hop, the last one included.
fn timings(response: &Response) -> impl Iterator<Item = &Timings> {
    let hops = response.hops.iter().map(|hop| &hop.timings);
    hops.chain([&response.timings])
}

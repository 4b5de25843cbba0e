mod config;
mod decisions;
mod sent;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn cadence() -> Cadence {
    Cadence {
        interval: MINUTE,
        grace: MINUTE / 2,
        start: true,
        fail: true,
    }
}

fn failure(reason: &str) -> Option<Ping> {
    let reason = reason.to_owned();
    Some(Ping::Fail { reason })
}

//! Time zones by their names. The files of the system are read within a limit; where its disk does not answer, the
//! database that comes with the runner takes their place.

use std::path::Path;

use jiff::tz::{self, TimeZone, TimeZoneDatabase};

use crate::regular_file::{self, Owner};

/// Stands for all of them: the library reads which it likes, one after the other.
const FILES: &str = "the system's time zones";

/// The zone of this name in the IANA database.
pub(super) fn find(name: &str) -> Option<TimeZone> {
    let own = name.to_owned();
    let found = on_disk(move || TimeZone::get(&own).ok());
    let found = found.unwrap_or_else(|| TimeZoneDatabase::bundled().get(name).ok());
    found.filter(|zone| !zone.is_unknown())
}

/// Every name of a zone.
pub(super) fn names() -> Vec<String> {
    let names = |database: &TimeZoneDatabase| database.available().map(|name| name.to_string()).collect();
    on_disk(move || names(tz::db())).unwrap_or_else(|| names(&TimeZoneDatabase::bundled()))
}

/// What `read` comes to, unless the disk does not answer.
fn on_disk<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    regular_file::within(Owner::TimeZones, Path::new(FILES), read).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn where_the_disk_hangs_a_zone_comes_from_the_runner_itself() {
        let (release, released) = channel::<()>();
        let hangs = move || released.recv().unwrap_or_default();
        let hung = regular_file::start(Owner::TimeZones, Path::new(FILES), hangs, drop);
        // Given up at once.
        drop(hung);
        assert_eq!(on_disk(|| ()), None);
        assert!(find("Europe/Berlin").is_some() && find("Europe/Nowhere").is_none());
        assert!(names().iter().any(|name| name == "Europe/Berlin"));
        drop(release);
    }
}

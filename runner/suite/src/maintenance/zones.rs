//! Time zones by name. The files of the system are read within a time limit; if its disk does not respond, the bundled
//! database is used.

use std::path::Path;

use jiff::tz::{self, TimeZone, TimeZoneDatabase};

use canary_system::regular_file::{self, Owner};

/// A placeholder for all of them: the library chooses which files to read.
const FILES: &str = "the system's time zones";

/// The zone with this name in the IANA database.
pub(super) fn find(name: &str) -> Option<TimeZone> {
    let own = name.to_owned();
    let found = on_disk(move || TimeZone::get(&own).ok());
    let found = found.unwrap_or_else(|| TimeZoneDatabase::bundled().get(name).ok());
    found.filter(|zone| !zone.is_unknown())
}

/// The names of all zones.
pub(super) fn names() -> Vec<String> {
    let names = |database: &TimeZoneDatabase| database.available().map(|name| name.to_string()).collect();
    on_disk(move || names(tz::db())).unwrap_or_else(|| names(&TimeZoneDatabase::bundled()))
}

/// The result of `read`, unless the disk does not respond.
fn on_disk<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    regular_file::with_timeout(Owner::TimeZones, Path::new(FILES), read).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn where_the_disk_hangs_a_zone_comes_from_the_runner_itself() {
        let (release, released) = channel::<()>();
        let hangs = move || released.recv().unwrap_or_default();
        let hung = regular_file::spawn(Owner::TimeZones, Path::new(FILES), hangs, drop);
        // Abandoned immediately.
        drop(hung);
        assert_eq!(on_disk(|| ()), None);
        assert!(find("Europe/Berlin").is_some() && find("Europe/Nowhere").is_none());
        assert!(names().iter().any(|name| name == "Europe/Berlin"));
        drop(release);
    }
}

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::{Description, EngineSettings};
use canary_system::liveness::Registry;

const PAGE: usize = 4096;
const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn engine() -> Engine {
    Engine::compiler(true).unwrap()
}

/// An artefact of several pages that all differ.
fn artefact() -> Artefact {
    let description = Description {
        name: "p".to_owned(),
        version: "1".to_owned(),
        summary: "s".to_owned(),
        target_syntax: "URL".to_owned(),
        config_schema: "{}".to_owned(),
        ..Description::default()
    };
    let code: Vec<u8> = (0..PAGE * 8)
        .map(|at| u8::try_from(at / 7 % 251 + 1).unwrap())
        .collect();
    Artefact::new(description, &code).unwrap()
}

/// A cache with one artefact, and the path of its file.
fn filled(folder: &TempDir) -> (Cache, PathBuf) {
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    cache.write(DIGEST, &engine(), &Arc::new(artefact())).unwrap();
    let path = cache.path(DIGEST, &engine()).unwrap();
    (cache, path)
}

#[test]
fn what_was_written_is_read() {
    let folder = TempDir::new().unwrap();
    let (cache, path) = filled(&folder);
    let read = cache.read(DIGEST, &engine()).unwrap().unwrap();
    assert_eq!(read.bytes(), artefact().bytes());
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        cache
            .read(&DIGEST.replace('0', "1"), &engine())
            .unwrap()
            .is_none()
    );
}

#[test]
fn damage_anywhere_is_noticed() {
    let folder = TempDir::new().unwrap();
    let (cache, path) = filled(&folder);
    let good = fs::read(&path).unwrap();
    let assert_damaged = |what: &str, at: usize, bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let read = cache.read(DIGEST, &engine());
        assert!(matches!(read, Err(CacheError::Damaged { .. })), "{what} at {at}");
    };
    for page in (0..good.len()).step_by(PAGE) {
        let end = good.len().min(page + PAGE);
        let mut zeroed = good.clone();
        zeroed[page..end].fill(0);
        assert_damaged("a page of zeros", page, &zeroed);
        let mut flipped = good.clone();
        flipped[(page + 1234).min(good.len() - 1)] ^= 0x10;
        assert_damaged("a flipped bit", page, &flipped);
        assert_damaged("cut short", page, &good[..page]);
    }
    assert_damaged("something more", good.len(), &[&good[..], b"x"].concat());
    fs::write(&path, good).unwrap();
    assert!(cache.read(DIGEST, &engine()).unwrap().is_some());
}

#[test]
fn a_file_under_another_name_is_not_what_was_written_there() {
    let folder = TempDir::new().unwrap();
    let (cache, path) = filled(&folder);
    let other = DIGEST.replace('0', "1");
    fs::copy(path, cache.path(&other, &engine()).unwrap()).unwrap();
    assert!(matches!(
        cache.read(&other, &engine()),
        Err(CacheError::Damaged { .. })
    ));
}

#[test]
fn a_link_is_not_followed() {
    let folder = TempDir::new().unwrap();
    let (cache, path) = filled(&folder);
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(
        cache.read(DIGEST, &engine()),
        Err(CacheError::Read { .. })
    ));
}

#[test]
fn writing_again_replaces_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let (cache, path) = filled(&folder);
    fs::write(&path, "damaged").unwrap();
    cache.write(DIGEST, &engine(), &Arc::new(artefact())).unwrap();
    assert!(cache.read(DIGEST, &engine()).unwrap().is_some());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn two_at_once_never_meet_half_a_file() {
    let folder = TempDir::new().unwrap();
    let (cache, _) = filled(&folder);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..20).for_each(|_| cache.write(DIGEST, &engine(), &Arc::new(artefact())).unwrap())
            });
        }
        for _ in 0..50 {
            assert!(cache.read(DIGEST, &engine()).unwrap().is_some());
        }
    });
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(
        Cache::open(folder.path()),
        Err(CacheError::WritableByOthers { .. })
    ));
}

#[test]
fn a_folder_that_cannot_be_made_says_why() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Cache::open(&file.join("cache")).unwrap_err();
    let CacheError::Folder { source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let folder = TempDir::new().unwrap();
    let (cache, path) = filled(&folder);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    let written = cache.write(DIGEST, &engine(), &Arc::new(artefact()));
    assert!(matches!(written, Err(CacheError::Write { .. })));
}

#[test]
fn the_compiler_makes_code_for_the_engine_that_runs_it() {
    let cache = Cache {
        folder: Some(PathBuf::from("/cache")),
    };
    let runs = Engine::new(EngineSettings::default(), &Registry::default()).unwrap();
    let compiles = Engine::compiler(runs.is_pooling()).unwrap();
    assert_eq!(cache.path(DIGEST, &runs), cache.path(DIGEST, &compiles));
    let other = Engine::compiler(!runs.is_pooling()).unwrap();
    assert_ne!(cache.path(DIGEST, &runs), cache.path(DIGEST, &other));
}

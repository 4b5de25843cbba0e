use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use canary_net::ledger::audit::InternalFds;

/// Larger than any segment in these tests.
const ALL: usize = 1 << 30;

fn envelope() -> Envelope {
    Envelope {
        resource: b"resource".to_vec(),
        scope: b"scope".to_vec(),
    }
}

fn segment_of(folder: &Path, frames: &[&[u8]]) -> PathBuf {
    let path = folder.join(fastrand::u64(..).to_string());
    let mut segment = Segment::create(&path, &envelope(), InternalFds::default().acquire()).unwrap();
    for frame in frames {
        segment.append(frame).unwrap();
    }
    path
}

/// The content of a segment as one request, and whether some of it was unreadable.
pub(in crate::delivery) fn recovered(path: &Path) -> (Option<Vec<u8>>, bool) {
    let mut recovery = Recovery::open(path).unwrap();
    let request = recovery.request(ALL).unwrap();
    assert_eq!(recovery.request(ALL).unwrap(), None);
    (request, recovery.has_unreadable_rest())
}

#[test]
fn what_was_appended_is_recovered_as_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment_of(folder.path(), &[b"one", b"two"]);
    assert_eq!(recovered(&path), (Some(envelope().request(b"onetwo")), false));
}

#[test]
fn nobody_else_reads_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment_of(folder.path(), &[]);
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_segment_of_any_size_is_recovered_in_requests_of_a_bounded_one() {
    let folder = tempfile::tempdir().unwrap();
    let frame = vec![7; 100 << 10];
    let frames: Vec<&[u8]> = vec![&frame; 700];
    let path = segment_of(folder.path(), &frames);
    assert!(fs::metadata(&path).unwrap().len() > 64 << 20);
    let mut recovery = Recovery::open(&path).unwrap();
    let (mut requests, mut bytes) = (0, 0);
    while let Some(request) = recovery.request(512 << 10).unwrap() {
        assert!(request.len() < 520 << 10);
        requests += 1;
        bytes += request.len();
    }
    assert_eq!(requests, 140);
    assert!(bytes > 700 * frame.len());
    assert!(!recovery.has_unreadable_rest());
}

#[test]
fn a_segment_without_a_whole_frame_is_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment_of(folder.path(), &[]);
    let whole = fs::read(&path).unwrap();
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(recovered(&path).0, None);
    }
}

/// Random segments, each with the offsets at which its frames end.
fn segments(folder: &Path, count: u64) -> impl Iterator<Item = (PathBuf, Vec<(usize, Vec<u8>)>)> {
    (0..count).map(move |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(1..8);
        let frames: Vec<Vec<u8>> = (0..count)
            .map(|_| (0..random.usize(1..200)).map(|_| random.u8(..)).collect())
            .collect();
        let borrowed: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let path = segment_of(folder, &borrowed);
        let mut end = 8 + b"resource".len() + 8 + b"scope".len();
        let ends = frames.into_iter().map(move |frame| {
            end += 8 + frame.len();
            (end, frame)
        });
        (path, ends.collect())
    })
}

/// The request of the frames that end before an offset.
fn before(frames: &[(usize, Vec<u8>)], place: usize) -> Option<Vec<u8>> {
    let whole = frames.iter().take_while(|(end, _)| *end <= place);
    let whole: Vec<_> = whole.map(|(_, frame)| frame.as_slice()).collect();
    (!whole.is_empty()).then(|| envelope().request(&whole.concat()))
}

#[test]
fn wherever_a_segment_is_cut_off_every_whole_frame_before_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    for (path, frames) in segments(folder.path(), 20) {
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (request, has_unreadable_rest) = recovered(&path);
            assert_eq!(request, before(&frames, length));
            let ends_whole = frames.iter().any(|(end, _)| *end == length);
            assert!(!(ends_whole && has_unreadable_rest), "{length}");
        }
    }
}

#[test]
fn whichever_bit_of_a_segment_flips_every_whole_frame_before_is_recovered_and_none_is_made_up() {
    let folder = tempfile::tempdir().unwrap();
    for (path, frames) in segments(folder.path(), 6) {
        let whole = fs::read(&path).unwrap();
        let all = before(&frames, whole.len());
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << fastrand::u8(..8);
            fs::write(&path, &damaged).unwrap();
            let (request, has_unreadable_rest) = recovered(&path);
            assert_ne!(request, all);
            assert_eq!(request, before(&frames, place), "byte {place}");
            assert!(has_unreadable_rest);
        }
    }
}

#[test]
fn whatever_comes_behind_a_segment_all_of_its_frames_are_recovered() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, (path, frames)) in segments(folder.path(), 200).enumerate() {
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let whole = fs::read(&path).unwrap();
        let rest: Vec<u8> = (0..random.usize(1..64)).map(|_| random.u8(..)).collect();
        fs::write(&path, [whole.as_slice(), &rest].concat()).unwrap();
        let (request, has_unreadable_rest) = recovered(&path);
        assert_eq!(
            (request, has_unreadable_rest),
            (before(&frames, whole.len()), true)
        );
    }
}

#[test]
fn a_length_without_bytes_behind_it_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment_of(folder.path(), &[b"one"]);
    let whole = fs::read(&path).unwrap();
    for length in [u32::MAX, MAX_RECORD, MAX_RECORD + 1, 1 << 30] {
        let header = [length.to_le_bytes(), [0; 4]].concat();
        fs::write(&path, [whole.as_slice(), &header, &[1, 2, 3]].concat()).unwrap();
        assert_eq!(recovered(&path), (Some(envelope().request(b"one")), true));
    }
}

#[test]
fn a_frame_has_sixteen_mebibytes_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let largest = vec![7; 16 << 20];
    let path = segment_of(folder.path(), &[&largest]);
    assert_eq!(recovered(&path), (Some(envelope().request(&largest)), false));

    let larger = vec![7; (16 << 20) + 1];
    let path = folder.path().join("larger");
    let mut segment = Segment::create(&path, &envelope(), InternalFds::default().acquire()).unwrap();
    let error = segment.append(&larger).unwrap_err();
    assert_eq!(error.to_string(), "a record of more than 16 MiB");
    // Nobody wrote such a record, so it is damage.
    let mut record = u32::try_from(larger.len()).unwrap().to_le_bytes().to_vec();
    record.extend(crc32(&larger).to_le_bytes());
    record.extend(&larger);
    segment.file.write_all(&record).unwrap();
    assert_eq!(recovered(&path), (None, true));
}

#[test]
fn a_recovered_request_may_be_exactly_as_large_as_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment_of(folder.path(), &[b"one", b"two", b"six"]);
    let mut recovery = Recovery::open(&path).unwrap();
    for frames in [b"onetwo".as_slice(), b"six"] {
        assert_eq!(recovery.request(6).unwrap(), Some(envelope().request(frames)));
    }
    assert_eq!(recovery.request(6).unwrap(), None);
}

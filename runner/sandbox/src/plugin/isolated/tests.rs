use std::path::Path;

use tempfile::TempDir;

use super::*;

fn shell(script: &str) -> Program {
    Program {
        path: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
    }
}

fn run(script: &str, limits: Limits) -> Result<Vec<u8>, IsolationError> {
    process::run(&shell(script), &[b"in", b"put"], limits, &AtomicBool::new(false))
}

#[test]
fn what_goes_in_and_out_is_whole_however_large() {
    let input = vec![7; 5 << 20];
    let output = process::run(
        &shell("cat"),
        &[b"head", &input],
        Limits::default(),
        &AtomicBool::new(false),
    );
    let output = output.unwrap();
    assert_eq!((&output[..4], output[4..].len()), (&b"head"[..], input.len()));
}

#[test]
fn a_process_that_reads_nothing_is_no_error_of_the_pipe() {
    let input = vec![7; 5 << 20];
    let output = process::run(
        &shell("echo done"),
        &[&input],
        Limits::default(),
        &AtomicBool::new(false),
    );
    assert_eq!(output.unwrap(), b"done\n");
}

#[test]
fn a_process_has_no_environment_of_ours() {
    let environment = run("cat /proc/$$/environ", Limits::default()).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let names: Vec<&str> = environment
        .split_terminator('\0')
        .filter_map(|variable| Some(variable.split_once('=')?.0))
        .collect();
    assert_eq!(names, ["RAYON_NUM_THREADS"]);
}

#[test]
fn a_process_that_takes_too_long_is_given_up() {
    let limits = Limits {
        time: Duration::from_millis(20),
        ..Limits::default()
    };
    for script in [
        "sleep 600",
        "exec >&- 2>&-; sleep 600",
        "while :; do echo x; done",
    ] {
        let error = run(script, limits).unwrap_err();
        assert!(
            matches!(error, IsolationError::TooLong { .. }),
            "{script}: {error}"
        );
    }
}

#[test]
fn a_process_that_nobody_waits_for_is_killed_and_reaped() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pid");
    let script = format!(
        "echo $$ > {0}.part; mv {0}.part {0}; exec sleep 600",
        file.display()
    );
    let cancelled = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| process::run(&shell(&script), &[], Limits::default(), &cancelled));
        while !file.exists() {
            std::thread::yield_now();
        }
        cancelled.store(true, Ordering::Release);
        assert!(matches!(running.join().unwrap(), Err(IsolationError::Cancelled)));
    });
    let pid = std::fs::read_to_string(file).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn each_way_of_ending_is_said_in_its_own_words() {
    let endings = [
        ("kill -SEGV $$", "crashed (signal: 11 (SIGSEGV)"),
        ("kill -KILL $$", "was killed by the operating system"),
        (
            "kill -XCPU $$",
            "took longer than 30s; if it is trusted, raise `--plugin-load-timeout`",
        ),
        (
            "echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$",
            "more than 1024 MiB of memory; if it is trusted, raise `--plugin-load-memory`",
        ),
        (
            "echo \"thread 'main' has overflowed its stack\" >&2; kill -ABRT $$",
            "its stack was too small",
        ),
        (
            "echo 'it broke' >&2; exit 101",
            "crashed (exit status: 101: it broke)",
        ),
    ];
    for (script, words) in endings {
        let error = run(script, Limits::default()).unwrap_err().to_string();
        assert!(error.contains(words), "{script}: {error}");
    }
}

#[test]
fn what_a_process_says_of_its_end_is_bounded_and_printable() {
    let error = run("head -c 1000000 /dev/zero >&2; exit 1", Limits::default()).unwrap_err();
    assert!(error.to_string().chars().count() < 3_000);
    let error = run("printf '\\033[2J' >&2; exit 1", Limits::default()).unwrap_err();
    assert!(!error.to_string().contains('\x1b'));
}

#[test]
fn a_program_that_is_not_there_cannot_be_started() {
    let program = Program {
        path: "/nowhere".into(),
        arguments: Vec::new(),
    };
    let error = process::run(&program, &[], Limits::default(), &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(error, IsolationError::Start(_)));
}

#[test]
fn a_frame_is_split_as_it_was_made_and_nothing_else_is() {
    let task = Task::Load { pooling: true };
    let bytes = [protocol::frame(&task).unwrap().as_slice(), b"payload"].concat();
    assert_eq!(
        protocol::split::<Task>(bytes.clone()),
        Some((task, b"payload".to_vec()))
    );
    for length in 0..bytes.len() - b"payload".len() {
        let mut cut = bytes.clone();
        cut.truncate(length);
        assert_eq!(protocol::split::<Task>(cut), None, "{length}");
    }
}

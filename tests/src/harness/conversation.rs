//! The conversation of an attempt, as tests compare it.

use std::time::Duration;

use canary::record::{Line, LineKind};

use super::AttemptResult;

impl AttemptResult {
    /// What was recorded of the conversation, without values that differ in each run: times, ports, digests, lengths of
    /// certificates. Also asserts that the attempt left nothing, and that the record is complete and in order.
    ///
    /// # Panics
    /// An assertion does not hold.
    #[must_use]
    #[track_caller]
    pub fn conversation(&self) -> String {
        let recorded = self.leaves_nothing().trail.conversation.as_ref();
        let transcript = recorded.expect("a recorded conversation");
        assert!(!transcript.lines.is_empty(), "{self:?}");
        assert_eq!((transcript.bytes_left_out, transcript.lines_left_out), (0, 0));
        let mut at = Duration::ZERO;
        let mut lines = String::new();
        for line in &transcript.lines {
            assert!(at <= line.at && line.at <= self.took, "{line:?}");
            at = line.at;
            lines.push_str(steady(line).trim_end());
            lines.push('\n');
        }
        lines
    }
}

fn steady(line: &Line) -> String {
    let sign = match line.kind {
        LineKind::Note => '*',
        LineKind::Sent => '>',
        LineKind::Received => '<',
    };
    let number = line
        .connection
        .map_or("-".to_owned(), |number| number.to_string());
    let text = match (line.text.split_once("; sent "), line.text.split_once("date: ")) {
        (Some((closed, _)), _) => format!("{closed}; sent N, received N"),
        (None, Some(("", _))) => "date: DATE".to_owned(),
        (None, _) => line
            .text
            .split(' ')
            .map(steady_word)
            .collect::<Vec<_>>()
            .join(" "),
    };
    format!("{number}{sign} {text}")
}

fn steady_word(word: &str) -> String {
    let is_digest = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bare = word.trim_end_matches([',', ':']);
    let behind = word.get(bare.len()..).unwrap_or_default();
    let port = bare
        .rsplit_once(':')
        .map(|(_, behind)| behind.split('/').next().unwrap_or_default());
    match port.filter(|port| port.parse::<u16>().is_ok()) {
        _ if is_digest => "DIGEST".to_owned(),
        _ if bare.ends_with('Z') && bare.contains('T') => format!("TIME{behind}"),
        _ if bare.starts_with("canary/") => "canary/VERSION".to_owned(),
        Some(port) => word.replace(port, "PORT"),
        None => word.to_owned(),
    }
}

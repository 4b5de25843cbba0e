//! The conversation of a run with its peers, line by line.

use anstyle::Style;

use super::{Screen, for_terminal, format_duration};
use crate::outcome::Run;
use canary_record::quota::format_bytes;
use canary_record::{Line, LineKind, Transcript};

/// Width of the time, in columns.
const TIME_WIDTH: usize = 7;

/// Formats the conversation like `curl -v`: `*` for actions of the host, `>` for sent and `<` for received lines, with
/// the number of the connection if there are several. Empty for a run whose conversation was not recorded.
#[must_use]
pub fn conversation(run: &Run, screen: Screen) -> String {
    let Some(transcript) = &run.trail.conversation else {
        return String::new();
    };
    let are_several = transcript.lines.iter().any(|line| line.connection > Some(1));
    let lines: String = transcript
        .lines
        .iter()
        .map(|line| format_line(line, are_several, screen))
        .collect();
    format!("{lines}{}", omitted(transcript))
}

fn format_line(line: &Line, are_several: bool, screen: Screen) -> String {
    let sign = match line.kind {
        LineKind::Note => '*',
        LineKind::Sent => '>',
        LineKind::Received => '<',
    };
    let number = match line.connection.filter(|_| are_several) {
        Some(number) => format!("{number}{sign}"),
        None if are_several => format!(" {sign}"),
        None => sign.to_string(),
    };
    let time = format!("{:>TIME_WIDTH$}", format_duration(line.at));
    let time = if screen.colour {
        let dimmed = Style::new().dimmed();
        format!("{dimmed}{time}{dimmed:#}")
    } else {
        time
    };
    let text = for_terminal(&line.text);
    format!("{}\n", format!("{time} {number} {text}").trim_end())
}

/// A line about what is missing from the transcript; empty if it is complete.
fn omitted(transcript: &Transcript) -> String {
    let mut what = Vec::new();
    if transcript.bytes_left_out > 0 {
        what.push(format_bytes(transcript.bytes_left_out));
    }
    match transcript.lines_left_out {
        0 => {}
        1 => what.push("1 line".to_owned()),
        lines => what.push(format!("{lines} lines")),
    }
    if what.is_empty() {
        String::new()
    } else {
        format!("not shown: {}\n", what.join(" and "))
    }
}

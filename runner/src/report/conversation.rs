//! What a run and its peers said to each other, line by line.

use anstyle::Style;

use super::{Screen, for_terminal, show_duration};
use crate::outcome::Run;
use crate::quota::show_bytes;
use crate::record::{Line, Speaker, Transcript};

/// Columns of the time.
const TIME: usize = 7;

/// One line each, as `curl -v` has them: `*` for what the host did, `>` for what it sent, `<` for what it received, with the
/// number of the connection where there are several. Nothing for a run whose conversation was not kept.
#[must_use]
pub fn conversation(run: &Run, screen: Screen) -> String {
    let Some(transcript) = &run.trail.conversation else {
        return String::new();
    };
    let are_several = transcript.lines.iter().any(|line| line.connection > Some(1));
    let lines: String = transcript
        .lines
        .iter()
        .map(|line| shown(line, are_several, screen))
        .collect();
    format!("{lines}{}", left_out(transcript))
}

fn shown(line: &Line, are_several: bool, screen: Screen) -> String {
    let sign = match line.speaker {
        Speaker::Note => '*',
        Speaker::Sent => '>',
        Speaker::Received => '<',
    };
    let number = match line.connection.filter(|_| are_several) {
        Some(number) => format!("{number}{sign}"),
        None if are_several => format!(" {sign}"),
        None => sign.to_string(),
    };
    let time = format!("{:>TIME$}", show_duration(line.at));
    let time = match screen.colour {
        true => {
            let dimmed = Style::new().dimmed();
            format!("{dimmed}{time}{dimmed:#}")
        }
        false => time,
    };
    let text = for_terminal(&line.text);
    format!("{}\n", format!("{time} {number} {text}").trim_end())
}

fn left_out(transcript: &Transcript) -> String {
    let mut what = Vec::new();
    if transcript.bytes_left_out > 0 {
        what.push(show_bytes(transcript.bytes_left_out));
    }
    match transcript.lines_left_out {
        0 => {}
        1 => what.push("1 line".to_owned()),
        lines => what.push(format!("{lines} lines")),
    }
    match what.is_empty() {
        true => String::new(),
        false => format!("not shown: {}\n", what.join(" and ")),
    }
}

//! A terminal that is drawn on as a whole.

use std::io::{self, IsTerminal as _, stdin, stdout};
use std::time::Duration;

use rustix::io::read;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::Output;
use crate::report::for_terminal;

/// Tenths of a second that a look for a key waits.
const WAIT: u8 = 10;
/// A terminal that does not say how large it is.
const UNKNOWN: (usize, usize) = (80, 24);
const INTERRUPT: u8 = 3;
const END: u8 = 4;
/// How long a terminal that takes nothing holds up the end.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The terminal's other screen, and its keyboard. As it was before, once this is dropped.
pub struct Terminal {
    before: Termios,
    output: Output,
}

impl Terminal {
    /// Takes the terminal; nothing where there is none to draw on or to read from.
    ///
    /// # Errors
    /// It cannot be set.
    pub fn take(output: &Output) -> io::Result<Option<Self>> {
        if !(stdin().is_terminal() && stdout().is_terminal()) {
            return Ok(None);
        }
        let before = tcgetattr(stdin())?;
        let mut modes = before.clone();
        // Ctrl-C is a key, so that there is a time to put everything back.
        modes
            .local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = WAIT;
        tcsetattr(stdin(), OptionalActions::Now, &modes)?;
        output.push_raw("\x1b[?1049h\x1b[?25l".to_owned());
        let output = output.clone();
        Ok(Some(Self { before, output }))
    }

    /// Columns and lines, at the moment.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (usize::from(size.ws_col), usize::from(size.ws_row))
            }
            _ => UNKNOWN,
        }
    }

    /// Draws a picture over the last one, without waiting for the terminal.
    pub fn draw(&self, picture: &str) {
        let picture = for_terminal(picture);
        let lines: Vec<String> = picture.lines().map(|line| format!("{line}\x1b[K")).collect();
        self.output.push_raw(format!("\x1b[H{}\x1b[J", lines.join("\n")));
    }

    /// Waits a second at most, and says whether a key was pressed that means the end: `q`, Ctrl-C or Ctrl-D.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn is_over(&self) -> io::Result<bool> {
        let mut key = [0];
        match read(stdin(), &mut key) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
            Ok(_) => Ok(matches!(key, [b'q' | b'Q' | INTERRUPT | END])),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let usual = "\x1b[?25h\x1b[?1049l".to_owned();
        // A terminal that is gone need not be put back.
        let _gone = (
            self.output.write_raw(usual, Some(LAST_WRITE)),
            tcsetattr(stdin(), OptionalActions::Now, &self.before),
        );
    }
}

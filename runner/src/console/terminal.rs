//! A terminal that is drawn on as a whole.

use std::io::{self, IsTerminal as _, Write as _, stdin, stdout};

use rustix::io::read;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

/// Tenths of a second that a look for a key waits.
const WAIT: u8 = 10;
/// A terminal that does not say how large it is.
const UNKNOWN: (usize, usize) = (80, 24);
const INTERRUPT: u8 = 3;
const END: u8 = 4;

/// The terminal's other screen, and its keyboard. As it was before, once this is dropped.
pub struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Takes the terminal; nothing where there is none to draw on or to read from.
    ///
    /// # Errors
    /// It cannot be set.
    pub fn take() -> io::Result<Option<Self>> {
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
        let terminal = Self { before };
        write("\x1b[?1049h\x1b[?25l")?;
        Ok(Some(terminal))
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

    /// Draws a picture over the last one.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&self, picture: &str) -> io::Result<()> {
        let lines: Vec<String> = picture.lines().map(|line| format!("{line}\x1b[K")).collect();
        write(&format!("\x1b[H{}\x1b[J", lines.join("\n")))
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
        // A terminal that is gone need not be put back.
        let _gone = (
            write("\x1b[?25h\x1b[?1049l"),
            tcsetattr(stdin(), OptionalActions::Now, &self.before),
        );
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

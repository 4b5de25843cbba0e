//! Full-screen terminal output.

use std::io::{self, IsTerminal as _, stdin, stdout};
use std::time::Duration;

use rustix::io::read;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::Output;
use canary_run::report::for_terminal;

/// Time-out for reading a key, in tenths of a second.
const KEY_TIMEOUT: u8 = 10;
/// Size of a terminal that does not report it.
const DEFAULT_SIZE: (usize, usize) = (80, 24);
const INTERRUPT: u8 = 3;
const END: u8 = 4;
/// How long a terminal that does not read may delay the exit.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(1);

/// The alternate screen and the keyboard of a terminal, which is restored on drop.
pub struct Terminal {
    before: Termios,
    output: Output,
}

impl Terminal {
    /// Takes over the terminal; `None` if input or output is not a terminal.
    ///
    /// # Errors
    /// The terminal's modes cannot be set.
    pub fn take(output: &Output) -> io::Result<Option<Self>> {
        if !(stdin().is_terminal() && stdout().is_terminal()) {
            return Ok(None);
        }
        let before = tcgetattr(stdin())?;
        let mut modes = before.clone();
        // Ctrl-C is a key, so that the terminal can be restored.
        modes
            .local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = KEY_TIMEOUT;
        tcsetattr(stdin(), OptionalActions::Now, &modes)?;
        output.push_raw("\x1b[?1049h\x1b[?25l".to_owned());
        let output = output.clone();
        Ok(Some(Self { before, output }))
    }

    /// Current columns and lines.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (usize::from(size.ws_col), usize::from(size.ws_row))
            }
            _ => DEFAULT_SIZE,
        }
    }

    /// Draws a screen over the last one, without blocking.
    pub fn draw(&self, screen: &str) {
        let screen = for_terminal(screen);
        let lines: Vec<String> = screen.lines().map(|line| format!("{line}\x1b[K")).collect();
        self.output.push_raw(format!("\x1b[H{}\x1b[J", lines.join("\n")));
    }

    /// Waits up to a second for a key; returns whether it was a quit key: `q`, Ctrl-C or Ctrl-D.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn is_quit_requested(&self) -> io::Result<bool> {
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
        let restore = "\x1b[?25h\x1b[?1049l".to_owned();
        // A terminal that is gone need not be restored.
        let _gone = (
            self.output.write_raw(restore, Some(RESTORE_TIMEOUT)),
            tcsetattr(stdin(), OptionalActions::Now, &self.before),
        );
    }
}

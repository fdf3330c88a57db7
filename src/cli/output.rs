//! Answers, to standard output.

use crate::error::{Doing, Result};
use std::io::{ErrorKind, Write};

/// Writes `text` as it is.
///
/// # Errors
/// What write(2) says, but for a reader that went away (EPIPE, as with `rr images | head -1`):
/// nobody is left to tell.
pub fn text(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.doing(|| "cannot write to standard output"),
    }
}

/// Writes `line` and ends it.
pub fn line(line: &str) -> Result<()> {
    text(&format!("{line}\n"))
}

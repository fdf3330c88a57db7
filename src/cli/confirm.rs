//! The question before something is lost.

use super::output;
use crate::error::{Doing, Result};
use std::io::BufRead;

/// Asks in Docker's words whether to go on; `warning` is one sentence. What is no yes, or the end of
/// standard input, is a no.
///
/// # Errors
/// Standard input or output cannot be used.
pub fn confirm(warning: &str) -> Result<bool> {
    output::text(&format!("WARNING! {warning}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).doing(|| "cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "YES" | "Yes"))
}

//! The one place that prints errors and notices, both to standard error.
//!
//! ```text
//! rr: cannot map user ids: /etc/subuid has no range for `ana`
//! hint: ask an administrator to run: usermod …
//! ```

use super::personality;
use crate::error::{Failure, Result};
use crate::launch::STEP;
use log::{Level, LevelFilter};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a failure and its hints.
pub fn failure(failure: &Failure) {
    let mut text = personality::words(failure);
    for hint in &failure.hints {
        text.push_str(&format!("hint: {hint}\n"));
    }
    to_stderr(&text);
}

/// Prints one line the user should know of although nothing failed: a fallback, a thing ignored.
pub fn notice(notice: &str) {
    to_stderr(&format!("rr: {notice}\n"));
}

/// Prints one line of what is being done, without `rr:` in front: the progress of a pull.
pub fn line(text: &str) {
    to_stderr(&format!("{text}\n"));
}

/// One write, so that lines of several processes do not mix. Names of images, files and registries come
/// from outside: what could steer a terminal is shown, not sent.
fn to_stderr(text: &str) {
    let text = escape_controls(text);
    // Where standard error is closed or full there is nowhere left to complain.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Escapes control characters (`\u{1b}`) other than newlines and tabs.
fn escape_controls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            letter if letter.is_control() => shown.extend(letter.escape_debug()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// Lets the `log` of the layers below through: `--log-level`, `--debug`, or else RR_LOG.
///
/// # Errors
/// A level there is not; an unknown RR_LOG counts as well, since it was set to see something.
pub fn start_log(level: Option<&str>, debug: bool) -> Result<()> {
    let from_environment = std::env::var("RR_LOG").ok().filter(|level| !level.is_empty());
    let (name, source) = match (level, debug, &from_environment) {
        (Some(level), _, _) => (level, "--log-level"),
        (None, true, _) => ("debug", "--debug"),
        (None, false, Some(level)) => (level.as_str(), "RR_LOG"),
        (None, false, None) => return Ok(()),
    };
    let filter = match name.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::Trace,
        "debug" => LevelFilter::Debug,
        "info" => LevelFilter::Info,
        "warn" | "warning" => LevelFilter::Warn,
        "error" | "fatal" | "panic" => LevelFilter::Error,
        _ => {
            let cause = format!("`{name}` is none of trace, debug, info, warn and error");
            return Err(Failure::new(format!("cannot use {source}"), cause));
        }
    };
    // Fails only when a logger is set already, which in one process happens in tests alone.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(filter);
    }
    Ok(())
}

/// What makes a text of a step's name.
type Teller = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Who tells the steps of a start, where that was asked for. A process that was forked has it as well.
static STEPS: OnceLock<Teller> = OnceLock::new();

/// From here on each step of the start sequence ([`launch::STEP`]) that `tell` knows is told on standard error.
pub fn listen_to_steps(tell: Teller) {
    let _ = STEPS.set(tell);
    // One is there already where the log is wanted too.
    if log::set_logger(&Stderr).is_ok() || log::max_level() < LevelFilter::Debug {
        log::set_max_level(LevelFilter::Debug);
        ONLY_STEPS.store(true, Ordering::Relaxed);
    }
}

/// Nobody has asked for the rest of the log.
static ONLY_STEPS: AtomicBool = AtomicBool::new(false);

/// The logger: `rr[debug] launch: stage UserNsCreated`.
struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // Libraries' own debugging is of no use to a user of rr.
        metadata.target().starts_with("rr")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if record.target() == STEP
            && let Some(text) = STEPS.get().and_then(|tell| tell(&record.args().to_string()))
        {
            return to_stderr(&text);
        }
        if ONLY_STEPS.load(Ordering::Relaxed) && record.level() > Level::Warn {
            return;
        }
        let module = record.target().strip_prefix("rr::").unwrap_or(record.target());
        let level = record.level().as_str().to_ascii_lowercase();
        to_stderr(&format!("rr[{level}] {module}: {}\n", record.args()));
    }

    fn flush(&self) {}
}

//! `rr logs`

use super::verbs::Verb;
use super::{run_flags, store};
use crate::container::lifecycle;
use crate::container::logs::Tail;
use crate::container::record;
use crate::container::values::Parsed;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::logfile::{Ending, Entry, Stream};
use crate::launch::{Event, Interest};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::io::{BufWriter, ErrorKind, Stdout, Write};

/// Print what a container has written
#[derive(Debug, clap::Parser)]
pub struct Logs {
    /// Put the log's extra attributes before each line; rr has none
    #[arg(long)]
    details: bool,
    /// Go on until the container stops
    #[arg(short, long)]
    follow: bool,
    /// Only from this time on: RFC 3339, seconds since the epoch, or so long ago (42m, 1h30m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only the last so many lines, or all [default: all]
    #[arg(short = 'n', long, value_name = "LINES")]
    tail: Option<String>,
    /// Put its time before each line
    #[arg(short, long)]
    timestamps: bool,
    /// Only up to this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Name or id
    container: String,
}

impl Verb for Logs {
    fn run(self) -> Result<i32> {
        let now = Timestamp::now();
        let time = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| run_flags::one(option, text, |text| moment(text, now))).transpose()
        };
        let (since, until) = (time("--since", &self.since)?, time("--until", &self.until)?);
        let last = self.tail.as_deref().map(|text| run_flags::one("--tail", text, line_count)).transpose()?.flatten();
        let container = record::find(&store()?, &self.container)?;
        if container.plan.log.is_none() {
            let doing = format!("cannot read the log of container {}", container.plan.name);
            return Err(Failure::new(doing, "it was made with --log-driver none").code(ExitCode::General));
        }
        let mut printer = Printer {
            timestamps: self.timestamps,
            details: self.details,
            since: since.map(stamp),
            until: until.map(stamp),
            last,
            held: VecDeque::new(),
            open: [None, None],
            done: Done::No,
            out: BufWriter::with_capacity(64 * 1024, std::io::stdout()),
        };
        let mut log = Tail::at_start(&container.dir)?;
        // Connected before the log is read: what is written from here on is announced.
        let running = if self.follow { lifecycle::attach(&container, Interest::End)? } else { None };
        printer.print_all(&mut log)?;
        printer.release_held()?;
        while let Some(running) = &running
            && printer.done == Done::No
        {
            running.wait_for_log();
            let event = running.event();
            printer.print_all(&mut log)?;
            match event? {
                Event::Exited(_) => break,
                Event::Logged | Event::Notice(_) => {}
            }
        }
        printer.flush()?;
        Ok(0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    No,
    /// Past `--until`, or nobody reads any more.
    Yes,
}

/// Prints entries as asked for. Parts of a line are one line with the time of the first, as Docker has it.
struct Printer {
    timestamps: bool,
    details: bool,
    /// In the log's own form, whose texts sort as the times do.
    since: Option<String>,
    until: Option<String>,
    /// `--tail`: only so many of what is there at the beginning.
    last: Option<usize>,
    held: VecDeque<(Stream, Vec<u8>)>,
    /// What has been printed of a line that has not ended, for each stream.
    open: [Option<()>; 2],
    done: Done,
    /// Standard output itself writes each line at once.
    out: BufWriter<Stdout>,
}

impl Printer {
    fn print_all(&mut self, log: &mut Tail) -> Result<()> {
        while self.done == Done::No && log.read(&mut |entry| self.entry(&entry))? {}
        self.flush()
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        if self.since.as_deref().is_some_and(|since| entry.time < since) {
            return Ok(());
        }
        if self.until.as_deref().is_some_and(|until| entry.time > until) {
            self.done = Done::Yes;
        }
        if self.done == Done::Yes {
            return Ok(());
        }
        let open = &mut self.open[usize::from(entry.stream == Stream::Stderr)];
        let begins = open.is_none();
        let mut text = Vec::with_capacity(entry.text.len() + 40);
        if begins && self.timestamps {
            text.extend_from_slice(entry.time.as_bytes());
            text.push(b' ');
        }
        if begins && self.details {
            text.push(b' ');
        }
        text.extend_from_slice(entry.text);
        *open = match entry.ending {
            Ending::Full => {
                text.push(b'\n');
                None
            }
            Ending::Partial => Some(()),
        };
        let Some(last) = self.last else { return self.write(entry.stream, &text) };
        let goes_on = self.held.iter().rposition(|(stream, _)| *stream == entry.stream).filter(|_| !begins);
        match goes_on {
            Some(at) => self.held[at].1.extend_from_slice(&text),
            None => self.held.push_back((entry.stream, text)),
        }
        while self.held.len() > last {
            self.held.pop_front();
        }
        Ok(())
    }

    /// `--tail` is about what was there; what comes is printed as it comes.
    fn release_held(&mut self) -> Result<()> {
        self.last = None;
        for (stream, text) in std::mem::take(&mut self.held) {
            self.write(stream, &text)?;
        }
        self.flush()
    }

    fn write(&mut self, stream: Stream, text: &[u8]) -> Result<()> {
        let written = match stream {
            Stream::Stdout => self.out.write_all(text),
            Stream::Stderr => self.out.flush().and_then(|()| std::io::stderr().write_all(text)),
        };
        self.heed(written)
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.out.flush();
        self.heed(flushed)
    }

    /// A reader that went away (`rr logs | head`) is the end, and no failure.
    fn heed(&mut self, written: std::io::Result<()>) -> Result<()> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.done = Done::Yes;
                Ok(())
            }
            written => written.doing(|| "cannot print the log"),
        }
    }
}

/// A time as the log writes it.
fn stamp(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// `all` is None.
fn line_count(text: &str) -> Parsed<Option<usize>> {
    match text {
        "all" | "-1" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| "it is a number of lines, or all".to_owned()),
    }
}

/// A moment in Docker's ways: RFC 3339, perhaps without the zone or the time of day (then UTC), seconds
/// since the epoch with a fraction, or a Go duration before now.
pub fn moment(text: &str, now: Timestamp) -> Parsed<Timestamp> {
    let bad = || "it is neither RFC 3339, nor seconds since the epoch, nor a duration such as 1h30m".to_owned();
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<jiff::civil::DateTime>() {
        return time.to_zoned(jiff::tz::TimeZone::UTC).map(|time| time.timestamp()).map_err(|_| bad());
    }
    if let Some(seconds) = seconds(text) {
        return Timestamp::UNIX_EPOCH.checked_add(seconds).map_err(|_| bad());
    }
    now.checked_sub(duration(text).ok_or_else(bad)?).map_err(|_| bad())
}

/// `1700000000.25`
fn seconds(text: &str) -> Option<SignedDuration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    Some(SignedDuration::new(whole.parse().ok()?, nanoseconds))
}

/// Go's time.ParseDuration, without a sign and without fractions: `90s`, `1h30m`, `200ms`.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut sum = SignedDuration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let one = match &rest[..unit] {
            "h" => SignedDuration::from_secs(3600),
            "m" => SignedDuration::from_secs(60),
            "s" => SignedDuration::from_secs(1),
            "ms" => SignedDuration::from_millis(1),
            _ => return None,
        };
        rest = &rest[unit..];
        sum = sum.checked_add(one.checked_mul(i32::try_from(number).ok()?)?)?;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_dockers() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for (text, time) in [
            ("2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.5Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
            ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
            ("2026-01-02", "2026-01-02T00:00:00Z"),
            ("1767225600.25", "2026-01-01T00:00:00.25Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("1h30m", "2026-01-31T10:30:00Z"),
            ("500ms", "2026-01-31T11:59:59.5Z"),
        ] {
            assert_eq!(moment(text, now), Ok(time.parse().unwrap()), "{text}");
        }
        for text in ["", "x", "1x", "h", "-1h", "1.2.3", "99999999999999h"] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_a_moment_never_panics(text in "\\PC{0,24}") {
            let _ = moment(&text, Timestamp::UNIX_EPOCH);
        }
    }
}

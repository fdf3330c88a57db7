//! Sizes, times and texts for people, as Docker's go-units and formatter write them.

pub use crate::host::time::go_duration;
use jiff::Timestamp;

/// `7.8MB`: units of 1000, at most three digits that count.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    // 999.5 would be written as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// `7.81 MB`, as Podman's `images` has it.
pub fn spaced_size(bytes: u64) -> String {
    let text = size(bytes);
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    format!("{} {}", &text[..unit], &text[unit..])
}

/// `About an hour`, `3 days`: a length of time, in seconds.
pub fn duration(seconds: u64) -> String {
    let minutes = seconds / 60;
    // Hours are rounded, everything else is cut.
    let hours = (seconds + 1800) / 3600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".into(),
        (1, ..) => "1 second".into(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".into(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".into(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1440) => format!("{} weeks", hours / 24 / 7),
        (.., ..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// `1.234MiB`: units of 1024, at most four digits that count, as Docker writes memory.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = match value {
        value if value >= 999.95 => 0,
        value if value >= 99.995 => 1,
        value if value >= 9.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// How long before `now` something was; a clock that was set back counts as no time.
pub fn since(then: Timestamp, now: Timestamp) -> String {
    duration(u64::try_from(now.as_second() - then.as_second()).unwrap_or(0))
}

/// `2024-09-06 22:20:07 +0000 UTC`, to the second.
pub fn date(time: Timestamp) -> String {
    let text = format!("{}", Timestamp::from_second(time.as_second()).unwrap_or(time));
    text.replace('T', " ").replace('Z', " +0000 UTC")
}

/// At most `width` letters, the last of them `…` where some were left out.
pub fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// The first `width` letters and `...` where some were left out, as Podman cuts commands.
pub fn dots(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width).collect();
    kept + "..."
}

/// In double quotes, quotes and control characters escaped (Go's strconv.Quote).
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\x7f' | '\0'..='\x1f' => quoted.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.23kB"),
            (7_797_760, "7.8MB"),
            (12_345_678, "12.3MB"),
            (123_456_789, "123MB"),
            (999_499, "999kB"),
            (999_999, "1MB"),
            (1_240_000_000, "1.24GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn memory_has_four_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1536, "1.5KiB"),
            (1_294_336, "1.234MiB"),
            (13_000_000, "12.4MiB"),
            (8_322_490_368, "7.751GiB"),
            (1_047_527_424, "999MiB"),
        ] {
            assert_eq!(binary_size(bytes), text);
        }
    }

    #[test]
    fn durations_are_go_units() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (3600 + 1800, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (13 * 86400, "13 days"),
            (14 * 86400, "2 weeks"),
            (59 * 86400, "8 weeks"),
            (60 * 86400, "2 months"),
            (729 * 86400, "24 months"),
            (730 * 86400, "2 years"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn times_are_relative_and_absolute() {
        let then: Timestamp = "2024-09-06T22:20:07.25Z".parse().unwrap();
        let now: Timestamp = "2024-09-06T22:22:07Z".parse().unwrap();
        assert_eq!(since(then, now), "2 minutes");
        assert_eq!(since(now, then), "Less than a second");
        assert_eq!(date(then), "2024-09-06 22:20:07 +0000 UTC");
    }

    #[test]
    fn texts_are_cut_and_quoted() {
        assert_eq!(ellipsis("/bin/sh -c 'sleep 100'", 20), "/bin/sh -c 'sleep 1…");
        assert_eq!(ellipsis("sh", 20), "sh");
        assert_eq!(quoted("a \"b\"\n\x1b\\"), "\"a \\\"b\\\"\\n\\x1b\\\\\"");
    }
}

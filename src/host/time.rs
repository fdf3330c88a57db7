//! Lengths of time in words.

use std::time::Duration;

/// `1h2m12.5s`, `300ms`, `0s`: as Go prints a length of time.
pub fn go_duration(length: Duration) -> String {
    let fraction = |number: u64, nanoseconds: u64, digits: usize, unit: &str| {
        let text = format!("{number}.{nanoseconds:0digits$}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    let (seconds, nanoseconds) = (length.as_secs(), u64::from(length.subsec_nanos()));
    match (seconds, nanoseconds) {
        (0, 0) => "0s".into(),
        (0, ..1_000) => format!("{nanoseconds}ns"),
        (0, ..1_000_000) => fraction(nanoseconds / 1_000, nanoseconds % 1_000, 3, "µs"),
        (0, _) => fraction(nanoseconds / 1_000_000, nanoseconds % 1_000_000, 6, "ms"),
        (..60, _) => fraction(seconds, nanoseconds, 9, "s"),
        (..3600, _) => format!("{}m{}", seconds / 60, fraction(seconds % 60, nanoseconds, 9, "s")),
        _ => format!("{}h{}m{}", seconds / 3600, seconds / 60 % 60, fraction(seconds % 60, nanoseconds, 9, "s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_gos() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5µs"),
            (20_000_000, "20ms"),
            (20_386_825_206, "20.386825206s"),
            (60_000_000_000, "1m0s"),
            (3_732_497_061_672, "1h2m12.497061672s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanoseconds)), text);
        }
    }
}

//! The values of `--memory`, `--cpus`, `--pids-limit` and the like, by Docker's rules and in its words.

use super::plan::{Bound, DeviceLimit, Limits, Rate};
use super::values::{self, Parsed};
use crate::confine::cgroup;
use crate::error::{ExitCode, Failure, Notice, Result};
use rustix::fs::FileType;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Docker's least memory: below it nothing can be started.
const LEAST_MEMORY: u64 = 6 << 20;

/// Bytes; -1 is no limit, and 0 nothing said.
///
/// # Errors
/// It is no size.
pub fn memory(text: &str) -> Parsed<Option<Bound>> {
    match text {
        "-1" => Ok(Some(Bound::Unlimited)),
        _ => Ok(Some(values::size(text)?).filter(|bytes| *bytes > 0).map(Bound::At)),
    }
}

/// Bytes; 0 is nothing said.
///
/// # Errors
/// It is no size.
pub fn bytes(text: &str) -> Parsed<Option<u64>> {
    Ok(Some(values::size(text)?).filter(|bytes| *bytes > 0))
}

/// A number of processors, with up to nine decimals; 0 is nothing said.
///
/// # Errors
/// It is no such number.
pub fn cpus(text: &str) -> Parsed<Option<u64>> {
    let bad = || format!("failed to parse {text} as a rational number");
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && part.is_empty() || !digits(whole) || !digits(part) {
        return Err(bad());
    }
    let part = part.trim_end_matches('0');
    if part.len() > 9 {
        return Err("value is too precise".into());
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
    let part: u64 = format!("{part:0<9}").parse().map_err(|_| bad())?;
    let nano = whole.checked_mul(1_000_000_000).and_then(|nano| nano.checked_add(part)).ok_or_else(bad)?;
    Ok(Some(nano).filter(|nano| *nano > 0))
}

/// `--cpu-shares`; 0 is nothing said.
///
/// # Errors
/// It is no positive number.
pub fn shares(text: &str) -> Parsed<Option<u64>> {
    let number: i64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    match u64::try_from(number) {
        Ok(number) => Ok(Some(number).filter(|number| *number > 0)),
        Err(_) => Err(format!("invalid CPU shares ({number}): value must be a positive integer")),
    }
}

/// `--cpu-period`: microseconds; 0 is nothing said.
///
/// # Errors
/// It is none that the kernel takes.
pub fn period(text: &str) -> Parsed<Option<u64>> {
    match text.parse().map_err(|_| "it is no number of microseconds".to_owned())? {
        0 => Ok(None),
        number @ 1000..=1_000_000 => Ok(Some(number)),
        _ => Err("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)".into()),
    }
}

/// `--cpu-quota`: microseconds; 0 is nothing said, and what is below is no limit.
///
/// # Errors
/// It is none that the kernel takes.
pub fn quota(text: &str) -> Parsed<Option<Bound>> {
    match text.parse::<i64>().map_err(|_| "it is no number of microseconds".to_owned())? {
        0 => Ok(None),
        ..0 => Ok(Some(Bound::Unlimited)),
        1..1000 => Err("CPU cfs quota can not be less than 1ms (i.e. 1000)".into()),
        number => Ok(Some(Bound::At(number.unsigned_abs()))),
    }
}

/// `--pids-limit`: 0 and what is below is no limit.
///
/// # Errors
/// It is no number.
pub fn pids(text: &str) -> Parsed<Bound> {
    match text.parse::<i64>().map_err(|_| "it is no number".to_owned())? {
        ..=0 => Ok(Bound::Unlimited),
        number => Ok(Bound::At(number.unsigned_abs())),
    }
}

/// `--blkio-weight`; 0 is nothing said.
///
/// # Errors
/// It is not in Docker's range.
pub fn weight(text: &str) -> Parsed<Option<u16>> {
    match text.parse().map_err(|_| "it is no number".to_owned())? {
        0 => Ok(None),
        number @ 10..=1000 => Ok(Some(number)),
        _ => Err("Range of blkio weight is from 10 to 1000".into()),
    }
}

/// `--cpuset-cpus`: those that the machine has.
///
/// # Errors
/// It is no list, or names processors that are not there.
pub fn processors(text: &str) -> Parsed<Option<String>> {
    set(text, "cpuset cpus", "CPUs", "/sys/devices/system/cpu/online")
}

/// `--cpuset-mems`: memory nodes.
///
/// # Errors
/// As for processors.
pub fn memory_nodes(text: &str) -> Parsed<Option<String>> {
    set(text, "cpuset mems", "memory nodes", "/sys/devices/system/node/online")
}

fn set(text: &str, what: &str, things: &str, available: &str) -> Parsed<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wanted = numbers(text).ok_or_else(|| format!("Invalid value {text} for {what}"))?;
    // Machines without NUMA have no such file, and node 0.
    let list = std::fs::read_to_string(available).unwrap_or_else(|_| "0".into());
    let list = list.trim();
    match wanted.is_subset(&numbers(list).unwrap_or_default()) {
        true => Ok(Some(text.to_owned())),
        false => Err(format!("Requested {things} are not available - requested {text}, available: {list}")),
    }
}

/// `0-2,4` (cpuset(7), "List format").
fn numbers(text: &str) -> Option<BTreeSet<u16>> {
    let mut all = BTreeSet::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| if text.starts_with('+') { None } else { text.parse::<u16>().ok() };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// `--device-read-bps` and the like: `DEVICE:NUMBER`.
///
/// # Errors
/// It is no block device, or no rate.
pub fn device(text: &str, rate: Rate) -> Parsed<DeviceLimit> {
    let (path, number) = text.rsplit_once(':').ok_or_else(|| format!("bad format: {text}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    let positive = |number: &u64| *number > 0;
    let value = match rate {
        Rate::Weight => match number.parse() {
            Ok(number @ 10..=1000) => Ok(number),
            _ => Err(format!("invalid weight for device: {text}")),
        },
        Rate::ReadBytes | Rate::WriteBytes => values::size(number).ok().filter(positive).ok_or_else(|| {
            format!(
                "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be \
                 a positive integer. Unit is optional and can be kb, mb, or gb"
            )
        }),
        Rate::ReadOperations | Rate::WriteOperations => number.parse().ok().filter(positive).ok_or_else(|| {
            format!(
                "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a \
                 positive integer"
            )
        }),
    }?;
    Ok(DeviceLimit { path: PathBuf::from(path), device: block_device(Path::new(path))?, rate, value })
}

fn block_device(path: &Path) -> Parsed<(u32, u32)> {
    let stat = rustix::fs::stat(path).map_err(|error| crate::error::errno_text(error.raw_os_error()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => Ok((rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))),
        _ => Err("it is not a block device".into()),
    }
}

/// Limits that contradict each other, or that this machine could not keep; and what the user gets otherwise than asked
/// for. Nothing is made.
///
/// # Errors
/// As said, in Docker's words where it has some.
pub fn check(limits: &Limits) -> Result<Vec<Notice>> {
    if limits.is_default() {
        return Ok(Vec::new());
    }
    contradictions(limits, processors_here()).map_err(|why| Failure::new("cannot create the container", why))?;
    let (_site, notice) = cgroup::find_site(limits)?;
    Ok(notice.into_iter().collect())
}

/// As [`check`], for what a container is to have from now on.
///
/// # Errors
/// As there; the exit status is that of any other command.
pub fn check_update(limits: &Limits) -> Result<()> {
    let refused = |failure: Failure| failure.code(ExitCode::General);
    contradictions(limits, processors_here()).map_err(|why| refused(Failure::new("cannot change its limits", why)))?;
    cgroup::find_site(limits).map(drop).map_err(refused)
}

/// Processors that this process may use.
fn processors_here() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// What no machine could keep.
///
/// # Errors
/// Docker's words for it.
pub fn contradictions(limits: &Limits, processors: u64) -> Parsed<()> {
    let at = |bound: Option<Bound>| match bound {
        Some(Bound::At(number)) => Some(number),
        _ => None,
    };
    let memory = at(limits.memory);
    if memory.is_some_and(|memory| memory < LEAST_MEMORY) {
        return Err("Minimum memory limit allowed is 6MB".into());
    }
    if let Some(both) = at(limits.memory_swap) {
        match memory {
            None => return Err("You should always set the Memory limit when using Memoryswap limit, see usage".into()),
            Some(memory) if both < memory => {
                return Err("Minimum memoryswap limit should be larger than memory limit, see usage".into());
            }
            Some(_) => {}
        }
    }
    if let Some(reservation) = limits.memory_reservation {
        if reservation < LEAST_MEMORY {
            return Err("Minimum memory reservation allowed is 6MB".into());
        }
        if memory.is_some_and(|memory| memory < reservation) {
            return Err("Minimum memory limit can not be less than memory reservation limit, see usage".into());
        }
    }
    if let Some(nano) = limits.nano_cpus {
        if limits.cpu_period.is_some() {
            return Err("Conflicting options: Nano CPUs and CPU Period cannot both be set".into());
        }
        if limits.cpu_quota.is_some() {
            return Err("Conflicting options: Nano CPUs and CPU Quota cannot both be set".into());
        }
        if nano > processors.saturating_mul(1_000_000_000) {
            return Err(format!(
                "range of CPUs is from 0.01 to {processors}.00, as there are only {processors} CPUs available"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_dockers() {
        assert_eq!(memory("64m"), Ok(Some(Bound::At(64 << 20))));
        assert_eq!(memory("-1"), Ok(Some(Bound::Unlimited)));
        assert_eq!(memory("0"), Ok(None));
        assert!(memory("-2").is_err() && memory("much").is_err());
        assert_eq!(cpus("1.5"), Ok(Some(1_500_000_000)));
        assert_eq!(cpus(".000000001"), Ok(Some(1)));
        assert_eq!((cpus("0"), cpus("2.000000000000")), (Ok(None), Ok(Some(2_000_000_000))));
        assert_eq!(cpus("1.0000000001"), Err("value is too precise".into()));
        for bad in ["", ".", "a", "-1", "1e3", "+1", "1/2", "99999999999999999999"] {
            assert!(cpus(bad).is_err(), "{bad}");
        }
        assert_eq!((pids("-1"), pids("0"), pids("7")), (Ok(Bound::Unlimited), Ok(Bound::Unlimited), Ok(Bound::At(7))));
        assert_eq!(
            (quota("-1"), quota("0"), quota("1000")),
            (Ok(Some(Bound::Unlimited)), Ok(None), Ok(Some(Bound::At(1000))))
        );
        assert!(quota("999").unwrap_err().contains("less than 1ms"));
        assert!(period("999").is_err() && period("1000001").is_err() && period("1000").is_ok());
        assert!(shares("-3").unwrap_err().contains("(-3)"));
        assert!(weight("9").is_err() && weight("1001").is_err() && weight("10") == Ok(Some(10)));
    }

    #[test]
    fn sets_are_lists_of_what_is_there() {
        assert_eq!(numbers("0-2,4"), Some(BTreeSet::from([0, 1, 2, 4])));
        for bad in ["", "a", "2-1", "1-", "-1", "1,,2", "+1", "0-99999999"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
        assert_eq!(processors("0"), Ok(Some("0".into())));
        assert!(processors("0-9999").unwrap_err().starts_with("Requested CPUs are not available - requested 0-9999"));
        assert_eq!(processors("x"), Err("Invalid value x for cpuset cpus".into()));
    }

    #[test]
    fn devices_are_block_devices() {
        for (text, reason) in [
            ("/dev/null:1", "not a block device"),
            ("/dev/null", "bad format"),
            ("null:1", "bad format for device path"),
            ("/dev/null:0", "must be a positive integer"),
            ("/dev/null:x", "must be a positive integer"),
            ("/dev/surely-not:1", "ENOENT"),
        ] {
            let error = device(text, Rate::ReadBytes).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(device("/dev/null:1k", Rate::ReadOperations).unwrap_err().contains("positive integer"));
        assert!(device("/dev/null:9", Rate::Weight).unwrap_err().contains("invalid weight"));
    }

    #[test]
    fn what_contradicts_is_refused_in_dockers_words() {
        const M: u64 = 1 << 20;
        let at = |n| Some(Bound::At(n));
        let none = Limits::default;
        for (limits, words) in [
            (Limits { memory: at(5 * M), ..none() }, "Minimum memory limit allowed is 6MB"),
            (Limits { memory_swap: at(50 * M), ..none() }, "You should always set the Memory limit"),
            (Limits { memory: at(9 * M), memory_swap: at(8 * M), ..none() }, "should be larger than memory limit"),
            (Limits { memory_reservation: Some(5 * M), ..none() }, "Minimum memory reservation"),
            (Limits { memory: at(9 * M), memory_reservation: Some(10 * M), ..none() }, "less than memory reservation"),
            (Limits { nano_cpus: Some(1), cpu_period: Some(1000), ..none() }, "Nano CPUs and CPU Period"),
            (Limits { nano_cpus: Some(1), cpu_quota: at(1000), ..none() }, "Nano CPUs and CPU Quota"),
            (Limits { nano_cpus: Some(2_000_000_001), ..none() }, "range of CPUs is from 0.01 to 2.00"),
        ] {
            let error = contradictions(&limits, 2).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let unlimited = Limits { memory_swap: Some(Bound::Unlimited), nano_cpus: Some(2_000_000_000), ..none() };
        assert_eq!(contradictions(&unlimited, 2), Ok(()));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,24}") {
            let _ = (memory(&text), cpus(&text), shares(&text), period(&text), quota(&text), pids(&text), weight(&text));
            let _ = (processors(&text), memory_nodes(&text), device(&text, Rate::WriteBytes));
        }
    }
}

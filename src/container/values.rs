//! Small values people type: sizes, signals, key files, names, addresses.
//!
//! Every parser here takes text, does no input or output, and answers with the value or with a
//! sentence without a full stop that says what is wrong with it. The spelling is Docker's.

/// What a parser of this module returns; the error is the cause, without the option's name.
pub type Parsed<T> = std::result::Result<T, String>;

/// Bytes in `64m`, `1.5g`, `512`, `2GiB`: the units are powers of 1024 and case does not matter,
/// as in Docker's `--shm-size` and `--memory`.
pub fn size(text: &str) -> Parsed<u64> {
    let bad = || format!("invalid size `{text}`: expected a number with an optional unit b, k, m, g, t or p");
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return Err(bad()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(|| format!("the size `{text}` is beyond 2^64 bytes"));
    }
    let fraction: f64 = number.parse().map_err(|_| bad())?;
    let bytes = fraction * (1_u64 << shift) as f64;
    // A float of at least 2^64 does not fit; below it the cast only drops the fraction of a byte.
    if bytes.is_finite() && bytes < 18_446_744_073_709_551_616.0 {
        Ok(bytes as u64)
    } else {
        Err(format!("the size `{text}` is beyond 2^64 bytes"))
    }
}

/// `true` and `false` as Docker's boolean options take them (Go's strconv.ParseBool).
pub fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// Names of Linux' signals (signal(7)); the numbers are those of every architecture that rr runs on.
const SIGNALS: [(&str, i32); 34] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGIOT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGPOLL),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The first and last real-time signals as the kernel counts them less the two that the C library
/// keeps for its threads (signal(7)): what Docker and Podman mean by RTMIN and RTMAX.
const RT_MIN: i32 = 34;
const RT_MAX: i32 = 64;

/// The number of a signal: `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN`, `SIGRTMIN+3`, `RTMAX-2`.
pub fn signal(text: &str) -> Parsed<i32> {
    let bad = || format!("invalid signal: {text}");
    if text.starts_with(|letter: char| letter.is_ascii_digit()) {
        let number: i32 = text.parse().map_err(|_| bad())?;
        return if (1..=RT_MAX).contains(&number) { Ok(number) } else { Err(bad()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = SIGNALS.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    let offset = |digits: &str| -> Parsed<i32> {
        // Only digits: `parse` would also take a sign.
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        digits.parse().ok().filter(|offset| *offset <= RT_MAX - RT_MIN).ok_or_else(bad)
    };
    match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => Ok(RT_MIN),
        (_, Some("")) => Ok(RT_MAX),
        (Some(rest), _) => Ok(RT_MIN + offset(rest.strip_prefix('+').ok_or_else(bad)?)?),
        (_, Some(rest)) => Ok(RT_MAX - offset(rest.strip_prefix('-').ok_or_else(bad)?)?),
        (None, None) => Err(bad()),
    }
}

/// The name of a signal number as Docker writes it: `SIGTERM`, `SIGRTMIN+3`.
pub fn signal_name(number: i32) -> String {
    match SIGNALS.iter().find(|(_, known)| *known == number) {
        Some((name, _)) => format!("SIG{name}"),
        None if number == RT_MIN => "SIGRTMIN".into(),
        None if number > RT_MIN && number <= RT_MAX => format!("SIGRTMIN+{}", number - RT_MIN),
        None => number.to_string(),
    }
}

/// One line of a key file, before it is known what a name without a value means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    /// What stands before the first `=`.
    pub name: String,
    /// What stands after it, unchanged; None where there is no `=`.
    pub value: Option<String>,
}

/// The lines of an `--env-file` or `--label-file`, by Docker's rules: blank lines and lines that
/// begin with `#` are skipped, space before a name is dropped, a name holds no space, a value is
/// taken as it stands (no quotes, no escapes), a byte order mark is ignored.
pub fn key_file(content: &[u8]) -> Parsed<Vec<KeyLine>> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
    let mut lines = Vec::new();
    for (index, bytes) in content.split(|byte| *byte == b'\n').enumerate() {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let line = std::str::from_utf8(bytes).map_err(|_| format!("line {} is not UTF-8", index + 1))?;
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        if name.is_empty() {
            return Err(format!("line {} has no name before `=`", index + 1));
        }
        if name.contains(char::is_whitespace) {
            return Err(format!("line {}: the name `{name}` contains white space", index + 1));
        }
        if line.contains('\0') {
            return Err(format!("line {} contains a NUL byte", index + 1));
        }
        lines.push(KeyLine { name: name.to_owned(), value: value.map(str::to_owned) });
    }
    Ok(lines)
}

/// `NAME=value` or `NAME`, as `-e` and `--label` take them.
pub fn key_value(text: &str) -> Parsed<KeyLine> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() {
        return Err(format!("`{text}` has no name"));
    }
    Ok(KeyLine { name: name.to_owned(), value })
}

/// A container's name: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. Docker lets a `/` stand before it.
pub fn container_name(text: &str) -> Parsed<String> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let mut letters = name.bytes();
    let good = letters.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() >= 2
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    match good {
        // A record is a directory of the file system, and its own limit is 255 bytes (NAME_MAX).
        true if name.len() <= 255 => Ok(name.to_owned()),
        true => Err("a container's name has at most 255 letters".into()),
        false => Err(format!(
            "invalid container name `{name}`: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ (at least two letters) is allowed"
        )),
    }
}

/// Docker's rule for names of local volumes, which are directory names, in its words.
pub fn volume_name(name: &str) -> Parsed<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    match name.len() {
        0 | 1 => return Err("volume name is too short, names should be at least two alphanumeric characters".into()),
        2..=255 => {}
        _ => return Err("volume name is too long, names should be at most 255 characters".into()),
    }
    if !name.bytes().all(allowed) || !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(format!(
            "\"{}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
             allowed. If you intended to pass a host directory, use absolute path",
            name.escape_debug()
        ));
    }
    Ok(())
}

/// A network's name: Docker's rule, and Podman's words.
pub fn network_name(name: &str) -> Parsed<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let good = name.len() <= 255 && name.bytes().all(allowed);
    match name.bytes().next() {
        Some(first) if good && first.is_ascii_alphanumeric() => Ok(()),
        _ => Err("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument".into()),
    }
}

/// A host name that fits sethostname(2)'s 64 bytes and that /etc/hosts can hold.
pub fn hostname(text: &str) -> Parsed<String> {
    let good = !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no host name: 1 to 64 letters, digits, `-`, `.` and `_`"))
    }
}

/// `--add-host name:address` or `name=address`, the address perhaps in brackets or the word
/// `host-gateway`.
pub fn add_host(text: &str) -> Parsed<(String, String)> {
    let (name, address) = match text.split_once('=') {
        Some(pair) => pair,
        None => text.split_once(':').ok_or_else(|| format!("`{text}` is not of the form name:address"))?,
    };
    let name = hostname(name).map_err(|_| format!("`{name}` in `{text}` is no host name"))?;
    if address == "host-gateway" {
        return Ok((name, address.to_owned()));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address: std::net::IpAddr = bare.parse().map_err(|_| format!("`{bare}` in `{text}` is no address"))?;
    Ok((name, address.to_string()))
}

/// `--detach-keys`: the bytes a terminal sends for `ctrl-p,ctrl-q` or `a`; an empty text means that
/// no keys detach.
pub fn detach_keys(text: &str) -> Parsed<Vec<u8>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|key| match (key.strip_prefix("ctrl-").unwrap_or("").as_bytes(), key.as_bytes()) {
            // A terminal's control characters are the letter's low five bits (ascii(7)).
            ([letter @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'['..=b'_')], _) => Ok(letter & 0x1f),
            (_, [letter]) => Ok(*letter),
            _ => Err(format!("`{key}` is neither one letter nor ctrl- with one of a-z @ [ \\ ] ^ _")),
        })
        .collect()
}

/// An absolute path in the container, cleaned of `.`, `..` (as in `/`: it stays at the top) and
/// doubled slashes.
pub fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// A digest (`sha256:…`) or id without its algorithm, cut to the twelve digits Docker shows.
pub fn short_id(id: &str) -> &str {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}

/// The words of a command line that are no UTF-8 cannot be kept in the plan, which is JSON.
pub fn utf8_word(word: std::ffi::OsString) -> Parsed<String> {
    word.into_string().map_err(|word| format!("`{}` is not UTF-8", word.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64m", 64 << 20),
            ("64M", 64 << 20),
            ("64MiB", 64 << 20),
            ("1.5g", 3 << 29),
            ("10 kb", 10 << 10),
            ("1b", 1),
            ("2T", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "foo", "m", "-1", "1q", "1.2.3", "1 m m", "٣", "99999999p", "1e3", "16777216.0p"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigusr1", 10),
            ("9", 9),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("rtmax", 64),
            ("64", 64),
        ] {
            assert_eq!(signal(text), Ok(number), "{text}");
        }
        for text in
            ["", "SIG", "0", "65", "-9", "+9", "FOO", "RTMIN+", "RTMIN-1", "RTMIN+31", "RTMIN++3", "RTMAX+1", "9x"]
        {
            assert!(signal(text).is_err(), "{text}");
        }
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_name(37), "SIGRTMIN+3");
    }

    #[test]
    fn key_files_follow_dockers_rules() {
        let text = b"\xef\xbb\xbfA=1\r\n# comment\n\n  B= two words \nC\nD=a=b\n\tE='q'\n";
        let pairs: Vec<(String, Option<String>)> =
            key_file(text).unwrap().into_iter().map(|line| (line.name, line.value)).collect();
        let expected =
            [("A", Some("1")), ("B", Some(" two words ")), ("C", None), ("D", Some("a=b")), ("E", Some("'q'"))];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))));
        for (bad, word) in [
            (&b"=x"[..], "no name"),
            (b"A B=1", "white space"),
            (b"A\tB", "white space"),
            (b"A=\xff", "UTF-8"),
            (b"A=\0", "NUL"),
        ] {
            let error = key_file(bad).unwrap_err();
            assert!(error.contains(word) && error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn names_are_dockers() {
        for good in ["ab", "a_b", "0.-", "/web-1", "A1"] {
            assert!(container_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "-ab", "a b", "a/b", "//ab", "ä1", "a\n", "..", ".a"] {
            assert!(container_name(bad).is_err(), "{bad}");
        }
        assert!(container_name(&"a".repeat(256)).is_err());
    }

    #[test]
    fn hosts_have_names_and_addresses() {
        let host = |name: &str, address: &str| Ok((name.to_owned(), address.to_owned()));
        assert_eq!(add_host("db:10.0.0.1"), host("db", "10.0.0.1"));
        assert_eq!(add_host("db=10.0.0.1"), host("db", "10.0.0.1"));
        assert_eq!(add_host("v6:::1"), host("v6", "::1"));
        assert_eq!(add_host("v6:[fe80::1]"), host("v6", "fe80::1"));
        assert_eq!(add_host("gw:host-gateway"), host("gw", "host-gateway"));
        for bad in ["", "db", "db:", ":1.2.3.4", "db:1.2.3", "a b:1.2.3.4", "a\n:1.2.3.4"] {
            assert!(add_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn detach_keys_are_what_a_terminal_sends() {
        assert_eq!(detach_keys("ctrl-p,ctrl-q"), Ok(vec![16, 17]));
        assert_eq!(detach_keys("a,ctrl-@,ctrl-\\,ctrl-[,ctrl-^,ctrl-_"), Ok(vec![b'a', 0, 28, 27, 30, 31]));
        assert_eq!(detach_keys(""), Ok(vec![]));
        for bad in [",", "ctrl-", "ctrl-1", "ab", "ctrl-pp", "ä", "a,,b"] {
            assert!(detach_keys(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn short_ids_have_twelve_digits() {
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("12"), "12");
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
    }

    proptest! {
        #[test]
        fn parsers_never_panic(text in "\\PC{0,24}") {
            let _ = (size(&text), signal(&text), boolean(&text), key_value(&text), container_name(&text));
            let _ = (hostname(&text), add_host(&text));
        }

        #[test]
        fn key_files_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = key_file(&bytes);
        }

        #[test]
        fn key_files_give_back_what_was_written(
            pairs in proptest::collection::vec(("[A-Za-z_][A-Za-z0-9_.-]{0,8}", "[^\\r\\n\\x00]{0,16}"), 0..8)
        ) {
            let text: String = pairs.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            let read: Vec<(String, String)> =
                key_file(text.as_bytes()).unwrap().into_iter().map(|line| (line.name, line.value.unwrap())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn a_signals_name_leads_back_to_it(number in 1..=64_i32) {
            // 32 and 33 belong to the C library and have no name.
            prop_assert_eq!(signal(&signal_name(number)), Ok(number));
        }

        #[test]
        fn clean_paths_are_absolute_and_clean(path in "[a./]{0,16}") {
            let clean = clean_path(&path);
            prop_assert!(clean.starts_with('/'));
            prop_assert!(clean == "/" || clean[1..].split('/').all(|part| !matches!(part, "" | "." | "..")));
            prop_assert_eq!(clean_path(&clean), clean.clone());
        }

        #[test]
        fn whole_sizes_are_exact(number in 0..1_u64 << 40) {
            prop_assert_eq!(size(&number.to_string()), Ok(number));
            prop_assert_eq!(size(&format!("{number}k")), Ok(number * 1024));
        }

        #[test]
        fn accepted_names_are_file_names(text in "\\PC{0,12}") {
            if let Ok(name) = container_name(&text) {
                prop_assert!(!name.contains('/') && name != "." && name != "..");
            }
        }
    }
}

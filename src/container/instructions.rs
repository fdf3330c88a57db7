//! Dockerfile instructions that change an image's config: `commit --change`, `import --change`.
//!
//! Parsing is Docker's (moby, `builder/dockerfile`), but for variables, which are not expanded.

use super::port_options;
use super::values::{self, Parsed, clean_path};
use crate::image::config::{ContainerConfig, Healthcheck};

/// What `--change` takes.
const KNOWN: &str = "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR";

/// Changes `config` as one instruction says. The error is a sentence without a full stop.
pub fn apply(config: &mut ContainerConfig, instruction: &str) -> Parsed<()> {
    let instruction = instruction.trim();
    // Podman takes `CMD=/bin/sh` too.
    let end = instruction.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(instruction.len());
    let (name, rest) = instruction.split_at(end);
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim();
    let name = name.to_ascii_uppercase();
    if rest.is_empty() && !matches!(name.as_str(), "CMD" | "ENTRYPOINT") {
        return Err(format!("{name} needs an argument"));
    }
    match name.as_str() {
        "CMD" => config.cmd = command(config, rest),
        "ENTRYPOINT" => {
            config.entrypoint = command(config, rest);
        }
        "ENV" => {
            for (name, value) in pairs(rest)? {
                let prefix = format!("{name}=");
                config.env.retain(|entry| !entry.starts_with(&prefix));
                config.env.push(format!("{name}={value}"));
            }
        }
        "LABEL" => config.labels.extend(pairs(rest)?),
        "EXPOSE" => {
            for word in words(rest)? {
                let bad = |_| format!("`{word}` is no port: expected NUMBER[-NUMBER][/tcp|udp|sctp]");
                add_all(&mut config.exposed_ports, port_options::expose(&word).map_err(bad)?);
            }
            config.exposed_ports.sort();
        }
        "VOLUME" => {
            let paths = json_words(rest).map_or_else(|| words(rest), Ok)?;
            add_all(&mut config.volumes, paths);
        }
        "ONBUILD" => config.on_build.push(rest.to_owned()),
        "STOPSIGNAL" => {
            values::signal(rest)?;
            config.stop_signal = Some(rest.to_owned());
        }
        "USER" => config.user = rest.to_owned(),
        "WORKDIR" => {
            let base = if rest.starts_with('/') { "" } else { config.working_dir.as_str() };
            config.working_dir = clean_path(&format!("{base}/{rest}"));
        }
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(config, rest)?),
        _ => return Err(format!("`{name}` is none of {KNOWN}")),
    }
    Ok(())
}

fn add_all(list: &mut Vec<String>, new: Vec<String>) {
    for item in new {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

/// A JSON list of words, or a line for the shell.
fn command(config: &ContainerConfig, text: &str) -> Vec<String> {
    if let Some(words) = json_words(text) {
        return words;
    }
    if text.is_empty() {
        return Vec::new();
    }
    let mut shell = config.shell.clone();
    if shell.is_empty() {
        shell = vec!["/bin/sh".to_owned(), "-c".to_owned()];
    }
    shell.push(text.to_owned());
    shell
}

fn json_words(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') { serde_json::from_str(text).ok() } else { None }
}

/// `a=1 b="two words"`, or the old form of one name and the rest of the line.
fn pairs(text: &str) -> Parsed<Vec<(String, String)>> {
    let words = words(text)?;
    if words.first().is_some_and(|word| !word.contains('=')) {
        let (name, value) = text.split_once(char::is_whitespace).ok_or("a name needs a value, as in NAME=value")?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{word}` is not of the form NAME=value")),
    };
    words.iter().map(pair).collect()
}

/// Splits at blanks, but within quotes; quotes and backslashes go.
fn words(text: &str) -> Parsed<Vec<String>> {
    let (mut all, mut word, mut begun) = (Vec::new(), String::new(), false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            blank if blank.is_whitespace() => {
                if std::mem::take(&mut begun) {
                    all.push(std::mem::take(&mut word));
                }
                continue;
            }
            quote @ ('"' | '\'') => loop {
                match letters.next() {
                    None => return Err(format!("the quote {quote} is not closed")),
                    Some(end) if end == quote => break,
                    Some('\\') if quote == '"' => match letters.next() {
                        Some(escaped @ ('"' | '\\' | '$')) => word.push(escaped),
                        Some(other) => word.extend(['\\', other]),
                        None => return Err("the quote \" is not closed".into()),
                    },
                    Some(other) => word.push(other),
                }
            },
            '\\' => word.push(letters.next().unwrap_or('\\')),
            other => word.push(other),
        }
        begun = true;
    }
    if begun {
        all.push(word);
    }
    Ok(all)
}

/// `NONE`, or `[--interval=30s …] CMD …`
fn healthcheck(config: &ContainerConfig, text: &str) -> Parsed<Healthcheck> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).ok_or("HEALTHCHECK needs CMD or NONE")?;
        let (name, value) = option.split_once('=').ok_or_else(|| format!("--{option} needs a value"))?;
        match name {
            "interval" => check.interval = nanoseconds(value)?,
            "timeout" => check.timeout = nanoseconds(value)?,
            "start-period" => check.start_period = nanoseconds(value)?,
            "start-interval" => check.start_interval = nanoseconds(value)?,
            "retries" => check.retries = value.parse().map_err(|_| format!("--retries={value} is no number"))?,
            _ => return Err(format!("HEALTHCHECK has no option --{name}")),
        }
        rest = after.trim_start();
    }
    let (kind, command_line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    check.test = match kind.to_ascii_uppercase().as_str() {
        "NONE" => vec!["NONE".to_owned()],
        "CMD" => match json_words(command_line.trim()) {
            Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            None if command_line.trim().is_empty() => return Err("HEALTHCHECK CMD needs a command".into()),
            None if config.shell.is_empty() => vec!["CMD-SHELL".to_owned(), command_line.trim().to_owned()],
            None => std::iter::once("CMD".to_owned()).chain(command(config, command_line.trim())).collect(),
        },
        other => return Err(format!("HEALTHCHECK needs CMD or NONE, not `{other}`")),
    };
    Ok(check)
}

/// A duration in Go's spelling: `1m30s`, `500ms`.
///
/// # Errors
/// It is none.
pub fn nanoseconds(text: &str) -> Parsed<i64> {
    let bad = || format!("`{text}` is no duration such as 1m30s");
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        let after = &rest[digits..];
        let end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let unit = match &after[..end] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(bad()),
        };
        total += number * unit;
        rest = &after[end..];
    }
    if text.is_empty() { Err(bad()) } else { Ok(total as i64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed(instructions: &[&str]) -> ContainerConfig {
        let mut config = ContainerConfig { env: vec!["A=old".into()], working_dir: "/w".into(), ..Default::default() };
        for instruction in instructions {
            apply(&mut config, instruction).unwrap_or_else(|error| panic!("{instruction}: {error}"));
        }
        config
    }

    #[test]
    fn instructions_are_dockers() {
        let config = changed(&[
            "CMD [\"sh\", \"-c\", \"true\"]",
            "entrypoint exec top -b",
            "ENV A=1 B=\"two words\" C='$x' D=a\\ b",
            "ENV OLD the rest  of it",
            "EXPOSE 80 53/udp 8000-8001",
            "LABEL a=b \"c d\"=e",
            "ONBUILD RUN true",
            "STOPSIGNAL SIGQUIT",
            "USER 1000:100",
            "VOLUME [\"/a\", \"/b\"]",
            "VOLUME /c /a",
            "WORKDIR sub/../other",
            "HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f localhost",
        ]);
        assert_eq!(config.cmd, ["sh", "-c", "true"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "exec top -b"]);
        assert_eq!(config.env, ["A=1", "B=two words", "C=$x", "D=a b", "OLD=the rest  of it"]);
        assert_eq!(config.exposed_ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]);
        assert_eq!(config.labels["c d"], "e");
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("1000:100", "/w/other"));
        assert_eq!(config.volumes, ["/a", "/b", "/c"]);
        assert_eq!(config.on_build, ["RUN true"]);
        let check = config.healthcheck.unwrap();
        assert_eq!(check.test, ["CMD-SHELL", "curl -f localhost"]);
        assert_eq!((check.interval, check.retries), (90_000_000_000, 3));
        assert_eq!(changed(&["CMD=/bin/sh"]).cmd, ["/bin/sh", "-c", "/bin/sh"]);
        assert_eq!(changed(&["HEALTHCHECK NONE"]).healthcheck.unwrap().test, ["NONE"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (instruction, word) in [
            ("RUN true", "none of CMD"),
            ("FROM x", "none of CMD"),
            ("ENV", "argument"),
            ("ENV A", "needs a value"),
            ("ENV A=1 B", "NAME=value"),
            ("LABEL a=\"b", "not closed"),
            ("EXPOSE x", "no port"),
            ("EXPOSE 5-3", "no port"),
            ("STOPSIGNAL NOPE", "invalid signal"),
            ("HEALTHCHECK --interval=x CMD a", "duration"),
            ("HEALTHCHECK RUN a", "CMD or NONE"),
        ] {
            let error = apply(&mut ContainerConfig::default(), instruction).unwrap_err();
            assert!(error.contains(word), "{instruction}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_instruction_panics(text in "\\PC{0,40}", name in "ENV|LABEL|EXPOSE|HEALTHCHECK|VOLUME|CMD") {
            let _ = apply(&mut ContainerConfig::default(), &format!("{name} {text}"));
        }
    }
}

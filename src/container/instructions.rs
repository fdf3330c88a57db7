//! Dockerfile instructions that change an image's config: `build`'s, `commit --change`'s, `import --change`'s.
//!
//! What they mean is BuildKit's (`frontend/dockerfile/dockerfile2llb`); the grammar is in [`crate::image::dockerfile`].

use super::port_options;
use super::values::{self, Parsed, clean_path};
use crate::image::config::ContainerConfig;
use crate::image::config::Healthcheck as Check;
use crate::image::dockerfile::instruction::Healthcheck;
use crate::image::dockerfile::words::Flag;
use crate::image::dockerfile::{Command, Expander, Instruction, parse_instruction};

/// What `--change` takes.
const KNOWN: &str = "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR";

/// Changes `config` as one instruction says, whose variables are those of `config`. The error is a sentence without a
/// full stop.
pub fn apply(config: &mut ContainerConfig, instruction: &str) -> Parsed<()> {
    let text = instruction.trim();
    // Podman takes `CMD=/bin/sh` too.
    let end = text.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let parsed = parse_instruction(&format!("{name} {}", rest.strip_prefix('=').unwrap_or(rest)), '\\')?;
    if matches!(
        parsed,
        Instruction::Add(_)
            | Instruction::Arg(_)
            | Instruction::Copy(_)
            | Instruction::Maintainer(_)
            | Instruction::Run(_)
            | Instruction::Shell(_)
    ) {
        return Err(format!("`{}` is none of {KNOWN}", name.to_ascii_uppercase()));
    }
    let env = config.env.clone();
    let known =
        |name: &str| env.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
    change(config, &parsed, &Expander { escape: '\\', value: &known })
}

/// Changes `config` as an instruction says; one that is not about it does nothing. The error is a sentence.
pub fn change(config: &mut ContainerConfig, instruction: &Instruction, expander: &Expander<'_>) -> Parsed<()> {
    match instruction {
        Instruction::Cmd(command) => config.cmd = words_of(config, command),
        Instruction::Entrypoint(command) => config.entrypoint = words_of(config, command),
        Instruction::Env(pairs) => {
            for (name, value) in expanded(pairs, expander)? {
                let prefix = format!("{name}=");
                match config.env.iter_mut().find(|entry| entry.starts_with(&prefix)) {
                    Some(entry) => *entry = format!("{name}={value}"),
                    None => config.env.push(format!("{name}={value}")),
                }
            }
        }
        Instruction::Label(pairs) => config.labels.extend(expanded(pairs, expander)?),
        Instruction::Expose(texts) => {
            for text in texts {
                for word in expander.words(text)? {
                    let bad = |_| format!("`{word}` is no port: expected NUMBER[-NUMBER][/tcp|udp|sctp]");
                    add_all(&mut config.exposed_ports, port_options::expose(&word).map_err(bad)?);
                }
            }
            config.exposed_ports.sort_unstable();
        }
        Instruction::Volume(texts) => {
            let paths = texts.iter().map(|text| expander.word(text)).collect::<Parsed<_>>()?;
            add_all(&mut config.volumes, paths);
        }
        Instruction::OnBuild(text) => config.on_build.push(text.clone()),
        Instruction::StopSignal(text) => {
            let text = expander.word(text)?;
            values::signal(&text)?;
            config.stop_signal = Some(text);
        }
        Instruction::User(text) => config.user = expander.word(text)?,
        Instruction::Workdir(text) => {
            let path = expander.word(text)?;
            let base = if path.starts_with('/') { "" } else { config.working_dir.as_str() };
            config.working_dir = clean_path(&format!("{base}/{path}"));
        }
        Instruction::Shell(words) => config.shell.clone_from(words),
        Instruction::Healthcheck(check) => config.healthcheck = Some(healthcheck(check)?),
        Instruction::Add(_)
        | Instruction::Arg(_)
        | Instruction::Copy(_)
        | Instruction::Maintainer(_)
        | Instruction::Run(_) => {}
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

fn expanded(pairs: &[(String, String)], expander: &Expander<'_>) -> Parsed<Vec<(String, String)>> {
    // All of one instruction see the variables from before it.
    pairs.iter().map(|(name, value)| Ok((expander.word(name)?, expander.word(value)?))).collect()
}

/// The words that a line is given to: SHELL's.
pub fn shell_of(config: &ContainerConfig) -> Vec<String> {
    match config.shell.is_empty() {
        true => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        false => config.shell.clone(),
    }
}

/// What is executed.
fn words_of(config: &ContainerConfig, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) if line.is_empty() => Vec::new(),
        Command::Shell(line) => {
            let mut words = shell_of(config);
            words.push(line.clone());
            words
        }
    }
}

fn healthcheck(check: &Healthcheck) -> Parsed<Check> {
    let (flags, command) = match check {
        Healthcheck::None => return Ok(Check { test: vec!["NONE".to_owned()], ..Check::default() }),
        Healthcheck::Command { flags, command } => (flags, command),
    };
    let mut check = Check {
        test: match command {
            Command::Exec(words) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
            Command::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        },
        ..Check::default()
    };
    for flag in flags {
        let time = |flag: &Flag| nanoseconds(&flag.value()?);
        match flag.name.as_str() {
            "interval" => check.interval = time(flag)?,
            "timeout" => check.timeout = time(flag)?,
            "start-period" => check.start_period = time(flag)?,
            "start-interval" => check.start_interval = time(flag)?,
            "retries" => {
                let text = flag.value()?;
                check.retries = text.parse().map_err(|_| format!("--retries={text} is no number"))?;
            }
            other => return Err(format!("unknown flag: --{other}")),
        }
    }
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
            ("FROM x", "FROM"),
            ("ENV", "argument"),
            ("ENV A", "two arguments"),
            ("ENV A=1 B", "name=value"),
            ("LABEL a=\"b", "matching quote"),
            ("EXPOSE x", "no port"),
            ("EXPOSE 5-3", "no port"),
            ("STOPSIGNAL NOPE", "invalid signal"),
            ("HEALTHCHECK --interval=x CMD a", "duration"),
            ("HEALTHCHECK RUN a", "unknown type"),
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

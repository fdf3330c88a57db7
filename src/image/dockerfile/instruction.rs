//! One line becomes an [`Instruction`]. Its words stay as they were typed, quotes and variables and all, where BuildKit
//! expands them; [`super::Expander`] does so once the variables are known.

use super::lines::{Heredoc, Line};
use super::words::{self, Flag};

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `ADD`
    Add(Files),
    /// `ARG`: names, and their defaults.
    Arg(Vec<(String, Option<String>)>),
    /// `CMD`
    Cmd(Command),
    /// `COPY`
    Copy(Files),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `ENV`
    Env(Vec<(String, String)>),
    /// `EXPOSE`
    Expose(Vec<String>),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `LABEL`
    Label(Vec<(String, String)>),
    /// `MAINTAINER`
    Maintainer(String),
    /// `ONBUILD`: an instruction for the image that is built upon this one.
    OnBuild(String),
    /// `RUN`
    Run(Run),
    /// `SHELL`
    Shell(Vec<String>),
    /// `STOPSIGNAL`
    StopSignal(String),
    /// `USER`
    User(String),
    /// `VOLUME`
    Volume(Vec<String>),
    /// `WORKDIR`
    Workdir(String),
}

/// Something to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for the shell.
    Shell(String),
    /// A list in JSON: the words themselves.
    Exec(Vec<String>),
}

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is executed.
    pub command: Command,
    /// The files that follow.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, as typed: [`MountFlag::parse`] reads it once its variables are expanded.
    pub mounts: Vec<String>,
    /// `--network`
    pub network: Option<String>,
    /// `--security`
    pub security: Option<String>,
}

/// `COPY` and `ADD`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// What is copied.
    pub sources: Vec<String>,
    /// Where to.
    pub target: String,
    /// The files that follow.
    pub heredocs: Vec<Heredoc>,
    /// `--from`
    pub from: Option<String>,
    /// `--chown`
    pub chown: Option<String>,
    /// `--chmod`
    pub chmod: Option<String>,
    /// `--link`
    pub link: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`
    pub exclude: Vec<String>,
    /// `--checksum`
    pub checksum: Option<String>,
    /// `--unpack`
    pub unpack: Option<bool>,
}

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: not even the base's.
    None,
    /// `CMD`
    Command {
        /// `--interval` and its like.
        flags: Vec<Flag>,
        /// What is executed.
        command: Command,
    },
}

/// `RUN --mount`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountFlag {
    /// bind, cache, tmpfs, secret or ssh.
    pub kind: String,
    /// The other keys, `src` and `dst` and the like by their long names; those without a value have an empty one.
    pub keys: Vec<(String, String)>,
}

/// Every instruction there is.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Reads any line but FROM. The error is a sentence without a full stop, in BuildKit's words.
pub fn parse(line: &Line, escape: char) -> Result<Instruction, String> {
    let keyword = line.keyword.to_ascii_uppercase();
    let takes_flags = matches!(keyword.as_str(), "ADD" | "COPY" | "RUN" | "HEALTHCHECK");
    let (flags, rest) = if takes_flags { words::flags(&line.rest, escape)? } else { (Vec::new(), line.rest.as_str()) };
    if !KEYWORDS.contains(&keyword.as_str()) {
        return Err(unknown(&line.keyword));
    }
    if rest.is_empty() && !matches!(keyword.as_str(), "CMD" | "ENTRYPOINT") {
        return Err(needs_argument(&keyword));
    }
    Ok(match keyword.as_str() {
        "ADD" | "COPY" => {
            let files = files(&keyword, flags, rest, line, escape)?;
            if keyword == "ADD" { Instruction::Add(files) } else { Instruction::Copy(files) }
        }
        "ARG" => Instruction::Arg(arguments(rest, escape)?),
        "CMD" => Instruction::Cmd(command(rest)),
        "ENTRYPOINT" => Instruction::Entrypoint(command(rest)),
        "ENV" => Instruction::Env(words::pairs(rest, escape, "ENV")?),
        "EXPOSE" => Instruction::Expose(rest.split_whitespace().map(str::to_owned).collect()),
        "HEALTHCHECK" => Instruction::Healthcheck(healthcheck(flags, rest)?),
        "LABEL" => Instruction::Label(words::pairs(rest, escape, "LABEL")?),
        "MAINTAINER" => Instruction::Maintainer(rest.to_owned()),
        "ONBUILD" => Instruction::OnBuild(on_build(line, escape)?),
        "RUN" => Instruction::Run(run(flags, rest, line)?),
        "SHELL" => match words::json_list(rest) {
            Some(words) if !words.is_empty() => Instruction::Shell(words),
            _ => return Err("SHELL requires the arguments to be in JSON form".into()),
        },
        "STOPSIGNAL" => Instruction::StopSignal(one_word("STOPSIGNAL", rest)?),
        "USER" => Instruction::User(one_word("USER", rest)?),
        "VOLUME" => {
            let plain = || rest.split_whitespace().map(str::to_owned).collect();
            let paths: Vec<String> = words::json_list(rest).unwrap_or_else(plain);
            if paths.iter().any(|path| path.trim().is_empty()) {
                return Err("VOLUME specified can not be an empty string".into());
            }
            Instruction::Volume(paths)
        }
        "WORKDIR" => Instruction::Workdir(rest.to_owned()),
        _ => return Err(format!("{keyword} cannot stand here")),
    })
}

fn unknown(keyword: &str) -> String {
    let upper = keyword.to_ascii_uppercase();
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    // Of two that are as near, the one of the same letters was meant: two of them have changed places.
    let near = KEYWORDS.iter().map(|known| (distance(&upper, known), sorted(&upper) != sorted(known), known)).min();
    match near {
        Some((1..=2, _, name)) => format!("unknown instruction: {keyword} (did you mean {name}?)"),
        _ => format!("unknown instruction: {keyword}"),
    }
}

/// How many letters are to be changed, added or taken away to make `two` of `one` (Levenshtein).
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, from) in one.chars().take(32).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in two.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[two.len()]
}

fn needs_argument(keyword: &str) -> String {
    match keyword {
        "ADD" | "COPY" => format!(
            "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
        ),
        "WORKDIR" | "USER" | "STOPSIGNAL" | "MAINTAINER" => format!("{keyword} requires exactly one argument"),
        _ => format!("{keyword} requires at least one argument"),
    }
}

fn one_word(keyword: &str, rest: &str) -> Result<String, String> {
    match rest.split_whitespace().count() {
        1 => Ok(rest.to_owned()),
        // `USER "a b"` is one, if a strange one; variables with blanks in braces are.
        _ if rest.starts_with(['"', '\'', '$']) => Ok(rest.to_owned()),
        _ => Err(format!("{keyword} requires exactly one argument")),
    }
}

/// A list in JSON, or a line for the shell.
fn command(text: &str) -> Command {
    match words::json_list(text) {
        Some(words) => Command::Exec(words),
        None => Command::Shell(text.to_owned()),
    }
}

fn arguments(rest: &str, escape: char) -> Result<Vec<(String, Option<String>)>, String> {
    let argument = |word: String| match word.split_once('=') {
        Some(("", _)) => Err("ARG names can not be blank".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
        None => Ok((word, None)),
    };
    words::split_raw(rest, escape)?.into_iter().map(argument).collect()
}

fn files(keyword: &str, flags: Vec<Flag>, rest: &str, line: &Line, escape: char) -> Result<Files, String> {
    let mut files = Files::default();
    for flag in &flags {
        let once = |place: &mut Option<String>| match place.replace(flag.value()?) {
            None => Ok(()),
            Some(_) => Err(format!("duplicate flag specified: {}", flag.name)),
        };
        match (keyword, flag.name.as_str()) {
            ("COPY", "from") => once(&mut files.from)?,
            (_, "chown") => once(&mut files.chown)?,
            (_, "chmod") => once(&mut files.chmod)?,
            (_, "link") => files.link = flag.boolean()?,
            (_, "exclude") => files.exclude.push(flag.value()?),
            ("COPY", "parents") => files.parents = flag.boolean()?,
            ("ADD", "checksum") => once(&mut files.checksum)?,
            ("ADD", "unpack") => files.unpack = Some(flag.boolean()?),
            ("ADD", "keep-git-dir") => {}
            (_, other) => return Err(format!("unknown flag: --{other}")),
        }
    }
    let mut words = match words::json_list(rest) {
        Some(words) => words,
        None => words::split_raw(rest, escape)?,
    };
    let target = words.pop().filter(|_| !words.is_empty()).ok_or_else(|| needs_argument(keyword))?;
    files.heredocs.clone_from(&line.heredocs);
    // The words that begin here-documents stand for those.
    let mut left = line.heredocs.len();
    words.retain(|word| {
        let is_heredoc = left > 0 && super::lines::heredoc(word).is_some();
        left -= usize::from(is_heredoc);
        !is_heredoc
    });
    (files.sources, files.target) = (words, target);
    Ok(files)
}

fn run(flags: Vec<Flag>, rest: &str, line: &Line) -> Result<Run, String> {
    let mut run = Run {
        command: command(rest),
        heredocs: line.heredocs.clone(),
        mounts: Vec::new(),
        network: None,
        security: None,
    };
    for flag in flags {
        match flag.name.as_str() {
            "mount" => run.mounts.push(flag.value()?),
            "network" if run.network.is_none() => run.network = Some(flag.value()?),
            "security" if run.security.is_none() => run.security = Some(flag.value()?),
            "network" | "security" => return Err(format!("duplicate flag specified: {}", flag.name)),
            other => return Err(format!("unknown flag: --{other}")),
        }
    }
    if !run.heredocs.is_empty() && matches!(run.command, Command::Exec(_)) {
        return Err("a list of words cannot have here-documents".into());
    }
    Ok(run)
}

fn healthcheck(flags: Vec<Flag>, rest: &str) -> Result<Healthcheck, String> {
    let (kind, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let after = after.trim();
    match kind.to_ascii_uppercase().as_str() {
        "NONE" if after.is_empty() => Ok(Healthcheck::None),
        "NONE" => Err("HEALTHCHECK NONE takes no arguments".into()),
        "CMD" if after.is_empty() => Err("missing command after HEALTHCHECK CMD".into()),
        "CMD" => Ok(Healthcheck::Command { flags, command: command(after) }),
        other => Err(format!("unknown type \"{other}\" in HEALTHCHECK (try CMD)")),
    }
}

/// The instruction for later, which must be one that may stand there.
fn on_build(line: &Line, escape: char) -> Result<String, String> {
    let keyword = line.rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match keyword.as_str() {
        "ONBUILD" => return Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".into()),
        "FROM" | "MAINTAINER" => return Err(format!("{keyword} isn't allowed as an ONBUILD trigger")),
        _ => {}
    }
    let mut text = line.rest.clone();
    for heredoc in &line.heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    }
    super::parse_instruction(&text, escape)?;
    Ok(text)
}

impl MountFlag {
    /// Reads `type=cache,target=/x,…`. The error is a sentence.
    pub fn parse(text: &str) -> Result<MountFlag, String> {
        let mut flag = MountFlag { kind: "bind".to_owned(), keys: Vec::new() };
        for field in fields(text)? {
            let (key, value) = field.split_once('=').unwrap_or((&field, ""));
            let key = key.to_ascii_lowercase();
            let key = match key.as_str() {
                "type" => {
                    flag.kind = value.to_ascii_lowercase();
                    continue;
                }
                "src" => "source",
                "dst" | "destination" => "target",
                "ro" => "readonly",
                "rw" | "readwrite" => "rw",
                other => other,
            };
            flag.keys.push((key.to_owned(), value.to_owned()));
        }
        if !matches!(flag.kind.as_str(), "bind" | "cache" | "tmpfs" | "secret" | "ssh") {
            return Err(format!("unsupported mount type \"{}\"", flag.kind));
        }
        Ok(flag)
    }

    /// The value of a key; the last one wins.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.keys.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether a key that is on or off is on; None where it is not there. The error is a sentence.
    pub fn is(&self, key: &str) -> Result<Option<bool>, String> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("" | "true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(format!("invalid value for {key}: {other}")),
        }
    }
}

/// Fields of one line of CSV (RFC 4180).
fn fields(text: &str) -> Result<Vec<String>, String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    if quoted {
        return Err("a quote in the mount is not closed".into());
    }
    all.push(field);
    Ok(all)
}

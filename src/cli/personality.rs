//! What rr was started as: itself, or by a symbolic link as `docker` or `podman`.
//!
//! All three are one program with one store. Where Docker and Podman differ in what scripts can see
//! (words of errors, exit statuses, columns), a link named after one of them takes its side; `rr`
//! itself speaks in rr's form and sides with Docker. docs/reference/differences.md lists what
//! differs all the same, and the tests read it.

use crate::error::{ExitCode, Failure, Known, TemplateStage};
use std::sync::OnceLock;

/// Whose ways the command line follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Personality {
    /// rr's own.
    #[default]
    Rr,
    /// Started as `docker`.
    Docker,
    /// Started as `podman`.
    Podman,
}

/// What is being run.
#[derive(Debug, Default)]
struct Invocation {
    personality: Personality,
    /// The command's name without the noun of its group: `rm` also for `container rm`.
    verb: String,
}

static INVOCATION: OnceLock<Invocation> = OnceLock::new();

/// Whose ways this process follows.
pub fn current() -> Personality {
    INVOCATION.get().map_or(Personality::Rr, |invocation| invocation.personality)
}

/// Whether this process was started as `podman`.
pub fn is_podman() -> bool {
    current() == Personality::Podman
}

fn verb() -> &'static str {
    INVOCATION.get().map_or("", |invocation| &invocation.verb)
}

/// Remembers what is being run, once: `path` is the command's words.
pub fn enter(personality: Personality, path: &[&str]) {
    let verb = path.last().map_or_else(String::new, |verb| (*verb).to_owned());
    // A second call could only be a test's.
    let _ = INVOCATION.set(Invocation { personality, verb });
}

impl Personality {
    /// By the name a program was started under: its `argv[0]`.
    pub fn of(program: Option<&std::ffi::OsStr>) -> Personality {
        match program.map(std::path::Path::new).and_then(|path| path.file_name()).and_then(|name| name.to_str()) {
            Some("docker") => Personality::Docker,
            Some("podman") => Personality::Podman,
            _ => Personality::Rr,
        }
    }

    /// The name to call the program by in help and usage.
    pub fn program(self) -> &'static str {
        match self {
            Personality::Rr => "rr",
            Personality::Docker => "docker",
            Personality::Podman => "podman",
        }
    }
}

/// The lines that tell of a failure, without its hints.
pub fn words(failure: &Failure) -> String {
    words_of(current(), verb(), failure)
}

fn words_of(personality: Personality, verb: &str, failure: &Failure) -> String {
    match personality {
        Personality::Rr => format!("rr: {failure}\n"),
        Personality::Docker => docker(verb, failure),
        Personality::Podman => podman(verb, failure),
    }
}

fn docker(verb: &str, failure: &Failure) -> String {
    let see = || format!("See 'docker {verb} --help'.\n");
    let from_daemon = |text: &str| match verb {
        "run" => format!("docker: Error response from daemon: {text}\n{}", see()),
        _ => format!("Error response from daemon: {text}\n"),
    };
    let inspects = verb == "inspect";
    if verb == "build" && failure.known.is_none() {
        return format!("ERROR: {failure}\n");
    }
    match failure.known.as_deref() {
        Some(Known::UnknownOption(option)) => format!("{}\n{}", unknown_flag(option), see()),
        Some(Known::Usage) => format!("{failure}\n{}", see()),
        Some(Known::NoSuchCommand(typed)) => {
            format!("docker: '{typed}' is not a docker command.\nSee 'docker --help'\n")
        }
        Some(Known::Template(_)) => format!("template parsing error: template: {}\n", failure.cause),
        Some(Known::NoSuchFilter(name)) => from_daemon(&format!("Invalid filter '{name}'")),
        Some(Known::NoSuchObject(name)) => format!("Error: No such object: {name}\n"),
        Some(Known::NoSuchContainer(name)) if inspects => format!("Error: No such container: {name}\n"),
        Some(Known::NoSuchImage(name)) if inspects => format!("Error: No such image: {name}\n"),
        Some(Known::NoSuchVolume(name)) => format!("Error: No such volume: {name}\n"),
        Some(Known::NoSuchNetwork(name)) if matches!(verb, "inspect" | "rm" | "remove") => {
            format!("Error: No such network: {name}\n")
        }
        Some(Known::NoSuchContainer(name)) => from_daemon(&format!("No such container: {name}")),
        Some(Known::NoSuchImage(name)) => from_daemon(&format!("No such image: {name}")),
        Some(Known::Ambiguous(prefix)) => from_daemon(&format!("Multiple IDs found with provided prefix: {prefix}")),
        Some(Known::NameTaken { name, owner }) => from_daemon(&format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{owner}\". You have to \
             remove (or rename) that container to be able to reuse that name."
        )),
        Some(Known::RemovesRunning { id, is_paused: false }) => from_daemon(&format!(
            "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
        )),
        Some(Known::RemovesRunning { id, is_paused: true }) => from_daemon(&format!(
            "You cannot remove a paused container {id}. Unpause and then stop the container before attempting removal \
             or force remove"
        )),
        Some(Known::StartsPaused) => from_daemon("cannot start a paused container, try unpause instead"),
        Some(Known::NotRunning { .. }) if verb == "attach" => {
            "You cannot attach to a stopped container, start it first\n".to_owned()
        }
        Some(Known::NotRunning { id }) => from_daemon(&format!("Container {id} is not running")),
        Some(Known::KillsStopped { name, id }) => {
            from_daemon(&format!("Cannot kill container: {name}: Container {id} is not running"))
        }
        Some(
            Known::VolumeInUse { .. } | Known::NoSuchNetwork(_) | Known::NetworkInUse { .. } | Known::NetworkExists(_),
        )
        | Some(Known::Unready)
        | None => from_daemon(&failure.to_string()),
    }
}

/// As the flag parser of both says it.
fn unknown_flag(option: &str) -> String {
    match option.strip_prefix("--") {
        Some(_) => format!("unknown flag: {option}"),
        None => {
            let letter = option.chars().nth(1).unwrap_or('-');
            format!("unknown shorthand flag: '{letter}' in {option}")
        }
    }
}

fn podman(verb: &str, failure: &Failure) -> String {
    let text = match failure.known.as_deref() {
        Some(Known::UnknownOption(option)) => format!("{}\nSee 'podman {verb} --help'", unknown_flag(option)),
        Some(Known::NoSuchCommand(typed)) => {
            format!("unrecognized command `podman {typed}`\nTry 'podman --help' for more information")
        }
        Some(Known::NoSuchObject(name)) => format!("inspecting object: no such object: \"{name}\""),
        Some(Known::NoSuchContainer(name)) if verb == "inspect" => {
            format!("inspecting object: no such container {name}")
        }
        Some(Known::NoSuchImage(name)) if verb == "inspect" => format!("inspecting object: {name}: image not known"),
        Some(Known::NoSuchVolume(name)) if verb == "inspect" => format!("inspecting object: no such volume {name}"),
        Some(Known::NoSuchContainer(name)) => {
            format!("no container with name or ID \"{name}\" found: no such container")
        }
        Some(Known::NoSuchImage(name)) => format!("{name}: image not known"),
        Some(Known::NoSuchVolume(name)) => format!("no volume with name \"{name}\" found: no such volume"),
        Some(Known::VolumeInUse { name, users }) => format!(
            "volume {name} is being used by the following container(s): {}: volume is being used",
            users.join(", ")
        ),
        Some(Known::NoSuchNetwork(name)) => format!("unable to find network with name or ID {name}: network not found"),
        Some(Known::NetworkInUse { name, .. }) => format!(
            "\"{name}\" has associated containers with it. Use -f to forcefully delete containers and pods: network is \
             being used"
        ),
        Some(Known::NetworkExists(name)) => format!("network name {name} already used: network already exists"),
        Some(Known::Ambiguous(prefix)) => {
            format!("more than one result for container name or ID {prefix}: container already exists")
        }
        Some(Known::NameTaken { name, owner }) => format!(
            "creating container storage: the container name \"{name}\" is already in use by {owner}. You have to \
             remove that container to be able to reuse that name: that name is already in use"
        ),
        Some(Known::RemovesRunning { id, .. }) => format!(
            "cannot remove container {id} as it is running - running or paused containers cannot be removed without \
             force: container state improper"
        ),
        Some(Known::NotRunning { .. } | Known::Unready) if verb == "exec" => {
            "can only create exec sessions on running containers: container state improper".to_owned()
        }
        Some(Known::NotRunning { .. }) if verb == "top" => "top can only be used on running containers".to_owned(),
        Some(Known::NotRunning { .. }) if verb == "attach" => "you can only attach to running containers".to_owned(),
        Some(Known::NotRunning { id }) if verb == "pause" => {
            format!("container {id} is not running, can't pause: container state improper")
        }
        Some(Known::NotRunning { id }) => format!("container {id} is not running: container state improper"),
        Some(Known::KillsStopped { id, .. }) => {
            format!("can only kill running containers. {id} is in state exited: container state improper")
        }
        Some(Known::Usage | Known::Unready | Known::StartsPaused | Known::Template(_) | Known::NoSuchFilter(_))
        | None => failure.to_string(),
    };
    format!("Error: {text}\n")
}

/// The exit status that a failure ends the command with.
pub fn status(failure: &Failure) -> i32 {
    match current() {
        Personality::Rr => failure.code.number(),
        Personality::Docker => docker_status(verb(), failure),
        Personality::Podman => podman_status(verb(), failure),
    }
}

/// rr's own, but for `exec`: what keeps Docker from starting the command is 1 like any command's.
fn docker_status(verb: &str, failure: &Failure) -> i32 {
    match failure.known.as_deref() {
        Some(Known::NoSuchContainer(_) | Known::NotRunning { .. } | Known::Unready | Known::Usage)
            if verb == "exec" =>
        {
            1
        }
        // EX_USAGE (sysexits.h), where the client and not its table of columns reads the template.
        Some(Known::Template(TemplateStage::Parsed)) if verb == "inspect" => 64,
        Some(Known::Template(_)) if verb == "events" => 64,
        _ => failure.code.number(),
    }
}

/// Podman ends with 125 where Docker ends with 1, but for these.
fn podman_status(verb: &str, failure: &Failure) -> i32 {
    match (failure.known.as_deref(), failure.code) {
        (Some(Known::NoSuchContainer(_)), ExitCode::General) if matches!(verb, "rm" | "remove") => 1,
        (Some(Known::NoSuchImage(_)), ExitCode::General) if matches!(verb, "rmi" | "rm" | "remove") => 1,
        (Some(Known::NoSuchVolume(_)), ExitCode::General) if matches!(verb, "rm" | "remove") => 1,
        (Some(Known::NoSuchNetwork(_)), ExitCode::General) if matches!(verb, "rm" | "remove") => 1,
        (Some(Known::RemovesRunning { .. } | Known::VolumeInUse { .. } | Known::NetworkInUse { .. }), _) => 2,
        (Some(Known::NotRunning { .. } | Known::Unready), _) if verb == "exec" => 255,
        (_, ExitCode::General) => ExitCode::Runner.number(),
        (_, code) => code.number(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn the_name_decides() {
        for (name, personality) in [
            ("/usr/bin/docker", Personality::Docker),
            ("podman", Personality::Podman),
            ("./rr", Personality::Rr),
            ("podman-remote", Personality::Rr),
        ] {
            assert_eq!(Personality::of(Some(OsStr::new(name))), personality, "{name}");
        }
        assert_eq!(Personality::of(None), Personality::Rr);
    }

    #[test]
    fn each_says_it_in_its_words() {
        let missing = Failure::new("No such container: x", "").known(Known::NoSuchContainer("x".into()));
        let words = |personality, verb: &str| words_of(personality, verb, &missing);
        assert_eq!(words(Personality::Rr, "stop"), "rr: No such container: x\n");
        assert_eq!(words(Personality::Docker, "stop"), "Error response from daemon: No such container: x\n");
        assert_eq!(words(Personality::Docker, "inspect"), "Error: No such container: x\n");
        assert_eq!(
            words(Personality::Podman, "stop"),
            "Error: no container with name or ID \"x\" found: no such container\n"
        );
        let other = Failure::new("cannot fly", "no wings");
        assert_eq!(words_of(Personality::Podman, "stop", &other), "Error: cannot fly: no wings\n");
        assert_eq!(
            words_of(Personality::Docker, "run", &other),
            "docker: Error response from daemon: cannot fly: no wings\nSee 'docker run --help'.\n"
        );
    }

    #[test]
    fn podman_has_its_own_statuses() {
        let missing = Failure::new("x", "").code(ExitCode::General).known(Known::NoSuchContainer("x".into()));
        assert_eq!(podman_status("rm", &missing), 1);
        assert_eq!(podman_status("stop", &missing), 125);
        let missing_program = Failure::new("x", "").code(ExitCode::NotFound);
        assert_eq!(podman_status("run", &missing_program), 127);
    }
}

//! The table of commands.

use super::{output, personality, tree, usage};
use crate::error::{ExitCode, Known, Result};
use std::ffi::OsString;

/// One command: how its arguments are declared and what it does. Implemented by the struct that
/// holds its parsed arguments.
pub trait Verb: clap::Parser {
    /// The exit status of its failures: Docker's 1 but where a container is run. A wrong option is
    /// always 125.
    const FAILURE: ExitCode = ExitCode::General;
    /// Does it; the result is the exit status.
    fn run(self) -> Result<i32>;
}

/// One line of the table.
pub struct Entry {
    /// The words that name the command, the usual ones first: `images`, `image ls`.
    pub paths: &'static [&'static str],
    /// Builds the command's clap parser.
    pub build: fn() -> clap::Command,
    parse_and_run: fn(&str, &[OsString]) -> Result<i32>,
}

/// Every command of rr.
pub const VERBS: &[Entry] = &[
    entry::<super::run::Run>(&["run", "container run"]),
    entry::<super::create::Create>(&["create", "container create"]),
    entry::<super::start::StartVerb>(&["start", "container start"]),
    entry::<super::stop::Stop>(&["stop", "container stop"]),
    entry::<super::start::Restart>(&["restart", "container restart"]),
    entry::<super::stop::Kill>(&["kill", "container kill"]),
    entry::<super::stop::Wait>(&["wait", "container wait"]),
    entry::<super::attach_verb::AttachVerb>(&["attach", "container attach"]),
    entry::<super::exec::Exec>(&["exec", "container exec"]),
    entry::<super::logs::Logs>(&["logs", "container logs"]),
    entry::<super::pause::Pause>(&["pause", "container pause"]),
    entry::<super::pause::Unpause>(&["unpause", "container unpause"]),
    entry::<super::top::Top>(&["top", "container top"]),
    entry::<super::explain::Explain>(&["explain", "container explain"]),
    entry::<super::stats::Stats>(&["stats", "container stats"]),
    entry::<super::rename::Rename>(&["rename", "container rename"]),
    entry::<super::diff::Diff>(&["diff", "container diff"]),
    entry::<super::commit::Commit>(&["commit", "container commit"]),
    entry::<super::export::Export>(&["export", "container export"]),
    entry::<super::update::Update>(&["update", "container update"]),
    entry::<super::ps::Ps>(&["ps", "container ls", "container list", "container ps"]),
    entry::<super::exists::ContainerExists>(&["container exists"]),
    entry::<super::port::Port>(&["port", "container port"]),
    entry::<super::rm::Rm>(&["rm", "container rm", "container remove"]),
    entry::<super::cp::Cp>(&["cp", "container cp"]),
    entry::<super::healthcheck::Run>(&["healthcheck run"]),
    entry::<super::build::Build>(&["build", "image build", "builder build", "buildx build"]),
    entry::<super::pull::Pull>(&["pull", "image pull"]),
    entry::<super::images::Images>(&["images", "image ls", "image list"]),
    entry::<super::push::Push>(&["push", "image push"]),
    entry::<super::login::Login>(&["login"]),
    entry::<super::login::Logout>(&["logout"]),
    entry::<super::history::History>(&["history", "image history"]),
    entry::<super::import::Import>(&["import", "image import"]),
    entry::<super::save::Save>(&["save", "image save"]),
    entry::<super::load::Load>(&["load", "image load"]),
    entry::<super::exists::ImageExists>(&["image exists"]),
    entry::<super::rmi::Rmi>(&["rmi", "image rm", "image remove"]),
    entry::<super::tag::Tag>(&["tag", "image tag"]),
    entry::<super::inspect::Inspect>(&["inspect"]),
    entry::<super::inspect::InspectContainer>(&["container inspect"]),
    entry::<super::inspect::InspectImage>(&["image inspect"]),
    entry::<super::events::Events>(&["events", "system events"]),
    entry::<super::doctor::Doctor>(&["doctor", "system doctor"]),
    entry::<super::info::Info>(&["info", "system info"]),
    entry::<super::prune::ContainerPrune>(&["container prune"]),
    entry::<super::prune::ImagePrune>(&["image prune"]),
    entry::<super::prune::BuilderPrune>(&["builder prune", "buildx prune"]),
    entry::<super::prune::SystemPrune>(&["system prune"]),
    entry::<super::system::Df>(&["system df"]),
    entry::<super::system::Reset>(&["system reset"]),
    entry::<super::version::Version>(&["version"]),
    entry::<super::unshare::Unshare>(&["unshare"]),
    entry::<super::demo::Demo>(&["demo"]),
    entry::<super::network::Create>(&["network create"]),
    entry::<super::network::List>(&["network ls", "network list"]),
    entry::<super::network::Inspect>(&["network inspect"]),
    entry::<super::network::Remove>(&["network rm", "network remove"]),
    entry::<super::network::Prune>(&["network prune"]),
    entry::<super::network::Connect>(&["network connect"]),
    entry::<super::network::Disconnect>(&["network disconnect"]),
    entry::<super::network::Exists>(&["network exists"]),
    entry::<super::volume::Create>(&["volume create"]),
    entry::<super::volume::List>(&["volume ls", "volume list"]),
    entry::<super::volume::Inspect>(&["volume inspect"]),
    entry::<super::volume::Remove>(&["volume rm", "volume remove"]),
    entry::<super::volume::Prune>(&["volume prune"]),
    entry::<super::volume::Exists>(&["volume exists"]),
    entry::<super::volume::Export>(&["volume export"]),
    entry::<super::volume::Import>(&["volume import"]),
    entry::<super::generate::Completion>(&["completion"]),
    entry::<super::generate::ManPages>(&["man"]),
];

/// First words of two-word commands, and what they are about.
pub const GROUPS: &[(&str, &str)] = &[
    ("builder", "Manage builds"),
    ("buildx", "Manage builds, by Docker's other name"),
    ("container", "Manage containers"),
    ("healthcheck", "Check the health of containers"),
    ("image", "Manage images"),
    ("network", "Manage networks"),
    ("system", "Look at rr and this machine"),
    ("volume", "Manage volumes"),
];

const fn entry<V: Verb>(paths: &'static [&'static str]) -> Entry {
    Entry { paths, build: V::command, parse_and_run: parse_and_run::<V> }
}

fn parse_and_run<V: Verb>(path: &str, arguments: &[OsString]) -> Result<i32> {
    // Docker ends with 1 where arguments are too few or too many, whatever the command.
    let miscount = match personality::current() {
        personality::Personality::Docker => ExitCode::General,
        _ => V::FAILURE,
    };
    match usage::parse::<V>(tree::parser(V::command()), path, arguments, miscount)? {
        Some(verb) => verb.run().map_err(|failure| match failure.code {
            // The layers below do not know which command they serve, and say 125.
            ExitCode::Runner if failure.known.as_deref() != Some(&Known::Usage) => failure.code(V::FAILURE),
            _ => failure,
        }),
        None => output::text(&tree::help_of(V::command(), path)).map(|()| 0),
    }
}

impl Entry {
    /// Runs the command that was typed as `rr` and `path`, with the words after those.
    pub fn run(&self, path: &[&str], arguments: &[OsString]) -> Result<i32> {
        (self.parse_and_run)(&format!("{} {}", personality::current().program(), path.join(" ")), arguments)
    }
}

/// The command that `words` begin with, and how many of them are its name.
pub fn find(words: &[&str]) -> Option<(&'static Entry, usize)> {
    let named = |path: &str| VERBS.iter().find(|entry| entry.paths.contains(&path));
    let first = words.first()?;
    if is_group(first) {
        return Some((named(&format!("{first} {}", words.get(1)?))?, 2));
    }
    Some((named(first)?, 1))
}

/// Is `word` the first of two-word commands only?
pub fn is_group(word: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == word)
}

/// Names to suggest for a misspelt first word.
pub fn names() -> impl Iterator<Item = String> {
    let verbs = VERBS.iter().flat_map(|entry| entry.paths).filter(|path| !path.contains(' '));
    verbs.copied().chain(GROUPS.iter().map(|(group, _)| *group)).chain(["help"]).map(str::to_owned)
}

/// Names to suggest for a misspelt second word.
pub fn names_in(group: &str) -> impl Iterator<Item = String> {
    let paths = VERBS.iter().flat_map(|entry| entry.paths);
    paths
        .filter(move |path| path.split_once(' ').is_some_and(|(first, _)| first == group))
        .map(|path| (*path).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_is_found_by_each_of_its_names() {
        let mut seen = BTreeSet::new();
        for entry in VERBS {
            for path in entry.paths {
                assert!(seen.insert(*path), "{path} is there twice");
                let words: Vec<&str> = path.split(' ').chain(["more"]).collect();
                let (found, depth) = find(&words).unwrap();
                assert_eq!((found.paths, depth), (entry.paths, words.len() - 1));
            }
        }
        assert!(find(&["nope"]).is_none() && find(&["image"]).is_none() && find(&["image", "nope"]).is_none());
    }

    #[test]
    fn every_verb_has_its_noun_form() {
        let of_no_noun = ["inspect", "version", "completion", "man", "login", "logout", "unshare", "demo", "events"];
        for entry in VERBS {
            let [first, others @ ..] = entry.paths else { panic!("a command without a name") };
            if first.contains(' ') || of_no_noun.contains(first) {
                continue;
            }
            assert!(others.iter().any(|path| path.contains(' ')), "{first} has no noun form");
        }
    }

    #[test]
    fn every_parser_is_sound() {
        for entry in VERBS {
            tree::parser((entry.build)()).debug_assert();
        }
    }
}

//! `--filter` on containers: of `ps`, and of the commands that take containers by it.

use super::sources_and_targets;
use crate::cli::filter::{Filters, Patterns, refuse};
use crate::cli::inspect::network_words;
use crate::container::plan::{RootSource, RunPlan};
use crate::container::record::{self, Container, Status};
use crate::error::Result;
use crate::image;
use crate::image::reference::{ImageName, Reference};
use crate::store::Store;
use jiff::Timestamp;

/// What can be filtered by. `is-task` is Swarm's: no container of rr is one.
const FILTERS: [&str; 20] = [
    "id",
    "name",
    "label",
    "label!",
    "status",
    "exited",
    "ancestor",
    "volume",
    "network",
    "before",
    "since",
    "until",
    "publish",
    "expose",
    "health",
    "is-task",
    "restart-policy",
    "should-start-on-boot",
    "command",
    "pod",
];

/// The filters of one command, looked into as far as can be before there is a container.
pub struct Selection {
    filters: Filters,
    ids: Patterns,
    names: Patterns,
    ancestors: Vec<Ancestor>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    tasks: Option<bool>,
    at_boot: Option<bool>,
}

/// An image that containers may stand on.
struct Ancestor {
    /// As typed.
    text: String,
    /// The local image of that name: its id and its layers.
    image: Option<(String, Vec<String>)>,
}

impl Selection {
    /// Understands the texts of `--filter`.
    ///
    /// # Errors
    /// There is no such filter, or it cannot have this value; a container of `before` or `since` does not exist.
    pub fn new(store: &Store, texts: &[String]) -> Result<Selection> {
        let filters = Filters::parse(texts, &FILTERS)?;
        check_values(&filters)?;
        let created = |name: &str| -> Result<Option<Timestamp>> {
            match filters.values(name).last() {
                Some(text) => Ok(Some(record::find(store, text)?.plan.created)),
                None => Ok(None),
            }
        };
        Ok(Selection {
            ids: filters.patterns("id")?,
            names: filters.patterns("name")?,
            ancestors: filters.values("ancestor").iter().map(|text| ancestor(store, text)).collect(),
            before: created("before")?,
            since: created("since")?,
            until: filters.moment("until", Timestamp::now())?,
            tasks: filters.boolean("is-task")?,
            at_boot: filters.boolean("should-start-on-boot")?,
            filters,
        })
    }

    /// Whether containers that do not run may be wanted without `-a`.
    pub fn asks_for_states(&self) -> bool {
        ["status", "exited"].iter().any(|name| self.filters.has(name))
    }

    /// Whether all filters are met.
    pub fn holds(&self, container: &Container) -> bool {
        let (plan, state, filters) = (&container.plan, &container.state, &self.filters);
        self.ids.any(&[&plan.id])
            && self.names.any(&[&plan.name, &format!("/{}", plan.name)])
            && filters.labels(&plan.labels)
            && self.before.is_none_or(|before| plan.created < before)
            && self.since.is_none_or(|since| plan.created > since)
            && self.until.is_none_or(|until| plan.created < until)
            && self.tasks != Some(true)
            && filters.any("status", |word| word_of_state(word) == state.status.word())
            && filters.any("exited", |code| {
                state.status == Status::Exited && code.parse().is_ok_and(|code: i32| state.exit_code == Some(code))
            })
            && (self.ancestors.is_empty() || self.ancestors.iter().any(|ancestor| ancestor.carries(plan)))
            && filters.any("volume", |text| {
                sources_and_targets(plan).any(|(source, target)| source == text || target == text)
                    || plan.mounts.iter().any(|mount| mount.target == text)
            })
            && filters.any("network", |asked| network_words(&plan.network).iter().any(|network| network == asked))
            && filters.any("expose", |text| {
                Ports::parse(text).is_ok_and(|wanted| plan.exposed_ports.iter().any(|port| wanted.hold(port)))
            })
            && filters.any("publish", |text| {
                Ports::parse(text).is_ok_and(|wanted| {
                    state.ports.iter().any(|port| wanted.hold(&format!("{}/{}", port.host, port.protocol)))
                })
            })
            && filters.any("health", |word| word == state.health.as_ref().map_or("none", |health| health.status.word()))
            && filters.any("restart-policy", |word| word == plan.restart.word())
            && self.at_boot.is_none_or(|wanted| container.starts_at_boot() == wanted)
            && filters.any("command", |word| plan.process.args.first().is_some_and(|first| first == word))
            && !filters.has("pod")
    }
}

/// States that Docker and Podman have: a filter by one that rr never reaches finds nothing, any other is wrong.
const STATES: [&str; 11] = [
    "created",
    "restarting",
    "running",
    "removing",
    "paused",
    "exited",
    "dead",
    "initialized",
    "stopped",
    "stopping",
    "configured",
];

/// Podman's further words for Docker's states.
fn word_of_state(word: &str) -> &str {
    match word {
        "stopped" => "exited",
        "configured" => "created",
        word => word,
    }
}

fn check_values(filters: &Filters) -> Result<()> {
    let check = |name: &str, valid: &dyn Fn(&str) -> bool, what: &str| match filters
        .values(name)
        .iter()
        .find(|value| !valid(value))
    {
        Some(value) => Err(refuse(name, value, format!("invalid filter '{name}={value}': {what}"))),
        None => Ok(()),
    };
    check("status", &|state| STATES.contains(&state), &format!("it is one of {}", STATES.join(", ")))?;
    check("exited", &|code| code.parse::<i32>().is_ok(), "it is no exit status")?;
    let healths = ["starting", "healthy", "unhealthy", "none"];
    check("health", &|health| healths.contains(&health), &format!("it is one of {}", healths.join(", ")))?;
    for name in ["publish", "expose"] {
        check(name, &|ports| Ports::parse(ports).is_ok(), "it is not of the form PORT[-PORT][/PROTOCOL]")?;
    }
    Ok(())
}

/// `80`, `80/udp`, `8000-8080/tcp`
struct Ports {
    first: u16,
    last: u16,
    protocol: String,
}

impl Ports {
    fn parse(text: &str) -> std::result::Result<Ports, std::num::ParseIntError> {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Ok(Ports { first: first.parse()?, last: last.parse()?, protocol: protocol.to_owned() })
    }

    /// Whether they meet the ports of `text`.
    fn hold(&self, text: &str) -> bool {
        Ports::parse(text)
            .is_ok_and(|other| self.protocol == other.protocol && self.first <= other.last && other.first <= self.last)
    }
}

fn ancestor(store: &Store, text: &str) -> Ancestor {
    // One that is not there, or not readable, may still be what containers were made from.
    let image = ImageName::parse(text).ok().and_then(|name| image::find(store, &name).ok().flatten());
    let layers = |image: &image::Image| image.visible_layers().iter().map(|layer| layer.diff_id.to_string()).collect();
    Ancestor { text: text.to_owned(), image: image.map(|image| (image.id.to_string(), layers(&image))) }
}

impl Ancestor {
    /// Whether the container was made from this image, by its id or by the name that was typed then, or from one
    /// whose layers begin with its.
    fn carries(&self, plan: &RunPlan) -> bool {
        let Some(used) = &plan.image else { return false };
        let reference = |text: &str| text.parse::<Reference>().ok();
        match (&self.image, &plan.root) {
            (Some((id, _)), _) if *id == used.id => true,
            (Some((_, below)), RootSource::Layers { diff_ids }) if !below.is_empty() && diff_ids.starts_with(below) => {
                true
            }
            (Some(_), _) => false,
            (None, _) => {
                let digits = self.text.strip_prefix("sha256:").unwrap_or(&self.text);
                let by_id = digits.len() >= 4 && used.id.trim_start_matches("sha256:").starts_with(digits);
                by_id || reference(&self.text).is_some_and(|wanted| reference(&used.name) == Some(wanted))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_be_are_refused() {
        let check = |text: &str| check_values(&Filters::parse(&[text.to_owned()], &FILTERS).unwrap());
        for good in [
            "status=running",
            "status=paused",
            "exited=-1",
            "health=none",
            "publish=80-90/udp",
            "expose=1",
            "status=stopped",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["status=nope", "exited=x", "health=fine", "publish=http", "expose=99999"] {
            let failure = check(bad).unwrap_err();
            assert!(failure.cause.starts_with(&format!("invalid filter '{bad}'")), "{failure}");
            assert_eq!(failure.code.number(), 1);
        }
    }

    #[test]
    fn ports_meet_where_ranges_do() {
        let meet = |wanted: &str, port: &str| Ports::parse(wanted).unwrap().hold(port);
        assert!(meet("80", "80/tcp") && meet("80-90/tcp", "85") && meet("80-90", "90-100/tcp"));
        assert!(!meet("80", "80/udp") && !meet("80", "81/tcp") && !meet("80", "http"));
    }
}

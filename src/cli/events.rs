//! `rr events`

use super::filter::Filters;
use super::format::template;
use super::logs::moment;
use super::verbs::Verb;
use super::{run_flags, store};
use crate::error::{Doing, Result};
use crate::store::{Event, From, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// Print what happens to containers, images and volumes
#[derive(Debug, clap::Parser)]
pub struct Events {
    /// Only what matches: container, event, image, label, network, scope, type, volume
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// json or a Go template, such as `{{.Action}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Also what happened from this time on: RFC 3339, seconds since the epoch, or so long ago (42m, 1h30m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Go on when what has happened is printed [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = crate::container::values::boolean)]
    stream: Option<bool>,
    /// Only up to this time, and end then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

const FILTERS: [&str; 8] = ["container", "event", "image", "label", "network", "scope", "type", "volume"];

impl Verb for Events {
    fn run(self) -> Result<i32> {
        let now = Timestamp::now();
        let time = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| run_flags::one(option, text, |text| moment(text, now))).transpose()
        };
        let (since, until) = (time("--since", &self.since)?, time("--until", &self.until)?);
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        let printer = Printer::new(self.format)?;
        let follows = self.stream.unwrap_or(true);
        let from = if since.is_some() || until.is_some() || !follows { From::Start } else { From::End };
        let mut reader = store()?.read_events(from)?;
        loop {
            for event in reader.read()? {
                let in_time =
                    since.is_none_or(|since| event.time >= since) && until.is_none_or(|until| event.time <= until);
                if in_time && is_wanted(&event, &filters) && !printer.print(&event)? {
                    return Ok(0);
                }
            }
            let left = match until {
                Some(until) => match Duration::try_from(until.duration_since(Timestamp::now())) {
                    Ok(left) if !left.is_zero() => Some(left),
                    _ => return Ok(0),
                },
                None => None,
            };
            if !follows {
                return Ok(0);
            }
            reader.wait(left)?;
        }
    }
}

/// Docker's rules: some actions have more after a colon, and a container is named by its name or the beginning of
/// its id.
fn is_wanted(event: &Event, filters: &Filters) -> bool {
    let attribute = |name: &str| event.attributes.get(name).map_or("", String::as_str);
    let is_thing =
        |kind: Kind, wanted: &str| event.kind == kind && (event.id.starts_with(wanted) || attribute("name") == wanted);
    filters.any("event", |wanted| event.action == wanted || event.action.starts_with(&format!("{wanted}:")))
        && filters.any("type", |wanted| event.kind.word() == wanted)
        && filters.any("container", |wanted| is_thing(Kind::Container, wanted.trim_start_matches('/')))
        && filters.any("image", |wanted| is_image(event, wanted))
        && filters.any("volume", |wanted| is_thing(Kind::Volume, wanted))
        && filters.any("network", |wanted| is_thing(Kind::Network, wanted))
        && filters.any("scope", |wanted| wanted == "local")
        && filters.labels(&event.attributes)
}

/// The image itself, or a container made from it; with or without its tag.
fn is_image(event: &Event, wanted: &str) -> bool {
    let named = match event.kind {
        Kind::Image => [event.id.as_str(), event.attributes.get("name").map_or("", String::as_str)],
        Kind::Container => [event.attributes.get("image").map_or("", String::as_str), ""],
        Kind::Volume | Kind::Network => return false,
    };
    named.into_iter().filter(|name| !name.is_empty()).any(|name| {
        let untagged =
            name.rsplit_once(':').map_or(name, |(before, tag)| if tag.contains('/') { name } else { before });
        name == wanted || untagged == wanted
    })
}

/// How events are shown.
enum Printer {
    /// Docker's line.
    Text,
    /// The Engine API's object.
    Json,
    /// What `--format` says.
    Template(template::Compiled),
}

impl Printer {
    fn new(format: Option<String>) -> Result<Printer> {
        match format.as_deref() {
            None | Some("") => Ok(Printer::Text),
            Some(format) if is_json(format) => Ok(Printer::Json),
            Some(format) => template::Compiled::new(&template::unescape(format), format).map(Printer::Template),
        }
    }

    /// Prints one line; false where nobody reads any more.
    fn print(&self, event: &Event) -> Result<bool> {
        let mut line = match self {
            Printer::Text => text(event),
            Printer::Json => object(event).to_string(),
            Printer::Template(template) => template.fill(&fields(event), &BTreeMap::new())?,
        };
        line.push('\n');
        let mut out = std::io::stdout().lock();
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.doing(|| "cannot print an event").map(|()| true),
        }
    }
}

/// `json`, or the template that means the same.
fn is_json(format: &str) -> bool {
    let inner = format.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    format.trim() == "json" || inner.is_some_and(|inner| inner.split_whitespace().eq(["json", "."]))
}

/// Docker's line: `TIME container start ID (image=alpine, name=web)`.
fn text(event: &Event) -> String {
    let attributes: Vec<String> = event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let attributes = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    format!("{:.9} {} {} {}{attributes}", event.time, event.kind.word(), event.action, event.id)
}

/// The Engine API's form; containers and images have three fields more, from before there were others.
fn object(event: &Event) -> Value {
    let mut object = json!({
        "Type": event.kind.word(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.as_second(),
        "timeNano": nanoseconds(event),
    });
    if let (Value::Object(fields), Kind::Container | Kind::Image) = (&mut object, event.kind) {
        fields.insert("status".into(), event.action.clone().into());
        fields.insert("id".into(), event.id.clone().into());
        if let Some(image) = event.attributes.get("image").filter(|_| event.kind == Kind::Container) {
            fields.insert("from".into(), image.clone().into());
        }
    }
    object
}

/// The names that templates use, those of Docker's Go type.
fn fields(event: &Event) -> Value {
    let is_old = matches!(event.kind, Kind::Container | Kind::Image);
    let old = |text: &str| if is_old { text.to_owned() } else { String::new() };
    json!({
        "Status": old(&event.action),
        "ID": old(&event.id),
        "From": event.attributes.get("image").filter(|_| event.kind == Kind::Container).cloned().unwrap_or_default(),
        "Type": event.kind.word(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "Scope": "local",
        "Time": event.time.as_second(),
        "TimeNano": nanoseconds(event),
    })
}

/// Nanoseconds since the epoch, which an `i64` holds until the year 2262.
fn nanoseconds(event: &Event) -> i64 {
    i64::try_from(event.time.as_nanosecond()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Event {
        let event = Event::now(Kind::Container, "start", "0123abcd").with("name", "web").with("image", "alpine:3");
        Event { time: "2026-01-31T12:00:00.5Z".parse().unwrap(), ..event.with("role", "x") }
    }

    #[test]
    fn events_are_shown_in_dockers_forms() {
        assert_eq!(
            text(&start()),
            "2026-01-31T12:00:00.500000000Z container start 0123abcd (image=alpine:3, name=web, role=x)"
        );
        let object = object(&start());
        assert_eq!(
            (&object["status"], &object["from"], &object["id"]),
            (&json!("start"), &json!("alpine:3"), &json!("0123abcd"))
        );
        assert_eq!(
            (&object["time"], &object["timeNano"]),
            (&json!(1_769_860_800), &json!(1_769_860_800_500_000_000_i64))
        );
        assert!(is_json("{{json .}}") && is_json("{{ json . }}") && is_json("json") && !is_json("{{json .Actor}}"));
    }

    #[test]
    fn filters_are_dockers() {
        let wanted = |event: &Event, texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            is_wanted(event, &Filters::parse(&texts, &FILTERS).unwrap())
        };
        let health = Event { action: "health_status: healthy".into(), ..start() };
        for texts in [
            &["event=start"][..],
            &["event=die", "event=start"],
            &["container=web", "type=container"],
            &["container=0123"],
            &["image=alpine"],
            &["image=alpine:3", "label=role=x"],
        ] {
            assert!(wanted(&start(), texts), "{texts:?}");
        }
        for texts in
            [&["event=sta"][..], &["type=image"], &["container=we"], &["image=alp"], &["label=role=y"], &["volume=web"]]
        {
            assert!(!wanted(&start(), texts), "{texts:?}");
        }
        assert!(wanted(&health, &["event=health_status"]) && wanted(&health, &["event=health_status: healthy"]));
    }
}

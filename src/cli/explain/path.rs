//! `rr explain --path`

use super::document::{Row, Table};
use super::text::{Look, aligned};
use crate::cli::format::human;
use crate::container::explain::layers::Kind;
use crate::container::explain::path::{Party, PathAnswer, Verdict};

/// For people.
pub fn text(answer: &PathAnswer, look: Look) -> String {
    let place = &answer.place;
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |title: &str, text: String| rows.push(vec![title.to_owned(), text].into());
    row("path inside", answer.inside.display().to_string());
    for link in &answer.links {
        row("by the link", format!("{} → {}", link.path.display(), link.target.display()));
    }
    let size = if answer.kind == "file" { format!(", {}", human::size(answer.size)) } else { String::new() };
    row("is a", format!("{}, mode {:04o}{size}", answer.kind, answer.mode));
    row("user", party(&answer.user));
    row("group", party(&answer.group));
    row("lies in", format!("the mount at {} ({}): {}", place.mount.display(), place.file_system, place.why));
    for (at, (kind, path)) in place.layers.iter().enumerate() {
        let what = match kind {
            Kind::Upper => "what the container has written",
            Kind::Image => "a layer of the image",
            Kind::MountPoints => "rr's empty files to mount on",
            Kind::Directory => "the directory that was given",
            Kind::Copy => "the copy of all layers",
        };
        let title = match (at, answer.kind) {
            (0, _) => "layer",
            (_, "directory") => "together with",
            _ => "hides that of",
        };
        row(title, format!("{what}, {}", path.display()));
    }
    row(
        "on the host",
        place
            .host
            .as_ref()
            .map_or_else(|| "nowhere: it is the kernel's, or in memory".into(), |path| path.display().to_string()),
    );
    if let Some(path) = &place.through_proc {
        row("or through", format!("{} (proc_pid_root(5))", path.display()));
    }
    let access = &answer.access;
    let who = match &access.name {
        Some(name) => format!("{name} (id {})", access.uid),
        None => format!("id {}", access.uid),
    };
    row("for", format!("{who} in the container, in groups {}", list(&access.groups)));
    let words = match answer.kind {
        "directory" => ["listing", "changing", "passing"],
        _ => ["reading", "writing", "executing"],
    };
    for (word, verdict) in words.iter().zip([&access.read, &access.write, &access.execute]) {
        row(word, allowed(verdict));
    }
    aligned(&Table { caption: String::new(), headers: vec!["", ""], rows }, look)
}

fn allowed(verdict: &Verdict) -> String {
    format!("{}: {}", if verdict.allowed { "yes" } else { "no" }, verdict.why)
}

fn list(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

/// `1000 app in the container, 100999 on the host`
fn party(party: &Party) -> String {
    let named = |id: u32, name: &Option<String>| match name {
        Some(name) => format!("{id} ({name})"),
        None => id.to_string(),
    };
    let inside = match party.inside {
        Some(id) => named(id, &party.inside_name),
        None => "65534 (nobody)".to_owned(),
    };
    match (party.host, party.inside) {
        (Some(host), Some(_)) => format!("{inside} in the container, {} on the host", named(host, &party.host_name)),
        (Some(host), None) => {
            format!(
                "{} on the host, which has no id in the container: shown there as {inside}",
                named(host, &party.host_name)
            )
        }
        (None, _) => format!("{inside} in the container: that id, or one of the host's that has none inside"),
    }
}

//! `rr explain --id`

use super::document::{Row, Table};
use super::no_such_id;
use super::text::{Look, aligned};
use crate::cli::report;
use crate::container::explain::You;
use crate::container::explain::identities::IdAnswer;
use crate::error::{ExitCode, Failure, Notice, Result};
use crate::host::userns::{UsernsRequest, plan_maps};

/// What a number is on both sides, as user and as group, in a container with these maps.
///
/// # Errors
/// The maps cannot be made; no map has the number, on either side.
pub fn ask(number: u32, userns: Option<&str>, uidmap: &[String], gidmap: &[String]) -> Result<[IdAnswer; 2]> {
    if number == u32::MAX {
        return Err(no_such_id(number));
    }
    let (maps, notices) = plan_maps(&UsernsRequest::parse(userns, uidmap, gidmap)?)?;
    for Notice(why) in notices {
        report::notice(&why);
    }
    let answers = IdAnswer::of(number, &maps.users, &maps.groups);
    if answers.iter().all(|answer| answer.outside.is_none() && answer.inside.is_none()) {
        let ranges = |answer: &IdAnswer| {
            answer
                .ids
                .iter()
                .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
                .collect::<Vec<_>>()
                .join(", ")
        };
        let cause = format!(
            "it is neither an id of such a container, which has the user ids {} and the group ids {}, nor one of the host that \
             is yours to map",
            ranges(&answers[0]),
            ranges(&answers[1])
        );
        return Err(Failure::new(format!("cannot tell about id {number}"), cause).code(ExitCode::General));
    }
    Ok(answers)
}

/// For people.
pub fn text(answers: &[IdAnswer; 2], look: Look) -> String {
    let you = You::here();
    let row = |answer: &IdAnswer| {
        let own = if answer.is_own {
            format!(" ({})", if answer.what == "user" { you.called() } else { "yours".into() })
        } else {
            String::new()
        };
        let host = |id: Option<u32>| match id {
            Some(id) if answer.what == "user" && id == you.uid => format!("{id} ({})", you.called()),
            Some(id) => id.to_string(),
            None => "nobody: no such id inside".to_owned(),
        };
        [
            vec![
                answer.what.to_owned(),
                format!("{} in a container", answer.id),
                format!("{} on the host", host(answer.outside)),
            ],
            vec![
                answer.what.to_owned(),
                format!("{}{own} on the host", answer.id),
                match answer.inside {
                    Some(id) => format!("{id} in a container"),
                    None => "65534 (nobody) in a container: it is not mapped".to_owned(),
                },
            ],
        ]
    };
    let table = Table {
        caption: String::new(),
        headers: vec!["", "this", "is"],
        rows: answers.iter().flat_map(row).map(Row::from).collect(),
    };
    aligned(&table, look)
}

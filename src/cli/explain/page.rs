//! The picture as one page that needs nothing else: no network, no script. Light and dark, on paper, by keyboard and for
//! screen readers: whatever a drawing shows stands in the table below it as well.

mod drawing;

use super::document::{BAR, Part, Row, Section, Table};
use crate::container::explain::Picture;
use std::fmt::Write;

const STYLE: &str = include_str!("page/style.css");

/// The whole page.
pub fn render(picture: &Picture, headline: &str, sections: &[Section]) -> String {
    let name = escaped(&picture.name);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{name}: how this container is made</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the picture</a>\n<header>\n<h1>{name}</h1>\n<p>{}</p>\n<p>Runs <code>{}</code></p>\n\
         </header>\n<nav aria-label=\"Parts\">\n<ul>\n",
        escaped(headline),
        escaped(&picture.command.join(" ")),
    );
    for section in sections {
        let _ = writeln!(page, "<li><a href=\"#{}\">{}</a></li>", anchor(section.part), escaped(section.part.title()));
    }
    page += "</ul>\n</nav>\n<main id=\"main\">\n";
    for section in sections {
        page += &whole_section(picture, section);
    }
    let _ = write!(
        page,
        "</main>\n<footer><p>Drawn by rr {} of container <code>{}</code>, from what the kernel said at that moment.</p></footer>\n\
         </body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        escaped(&picture.id),
    );
    page
}

fn whole_section(picture: &Picture, section: &Section) -> String {
    let anchor = anchor(section.part);
    let mut text = format!(
        "<section id=\"{anchor}\" aria-labelledby=\"{anchor}-title\">\n<h2 id=\"{anchor}-title\">{}</h2>\n<p>{}</p>\n",
        escaped(section.part.title()),
        escaped(&section.intro)
    );
    let drawings = match section.part {
        Part::Ids => vec![drawing::ids(&picture.users), drawing::ids(&picture.groups)],
        Part::Layers => vec![drawing::layers(&picture.stack)],
        Part::Processes => vec![drawing::processes(&picture.processes)],
        _ => Vec::new(),
    };
    for drawing in drawings.into_iter().flatten() {
        let label = escaped(section.part.title());
        let _ = writeln!(
            text,
            "<figure class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Drawing: {label}\">\n{drawing}</figure>"
        );
    }
    for table in &section.tables {
        text += &whole_table(table);
    }
    if !section.notes.is_empty() {
        text += "<ul>\n";
        for note in &section.notes {
            let _ = writeln!(text, "<li>{}</li>", escaped(note));
        }
        text += "</ul>\n";
    }
    text + "</section>\n"
}

fn whole_table(table: &Table) -> String {
    let caption = escaped(&table.caption);
    let mut text = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table: {caption}\">\n<table>\n<caption>{caption}</caption>\n\
         <thead><tr>"
    );
    for header in &table.headers {
        let header = if header.is_empty() { "station" } else { header };
        let _ = write!(text, "<th scope=\"col\">{}</th>", escaped(header));
    }
    text += "</tr></thead>\n<tbody>\n";
    for row in &table.rows {
        text += &whole_row(row, table.headers.len());
    }
    text + "</tbody>\n</table>\n</div>\n"
}

fn whole_row(row: &Row, columns: usize) -> String {
    let mut text = "<tr>".to_owned();
    for (at, cell) in row.cells.iter().enumerate() {
        let depth = cell.chars().take_while(|letter| *letter == ' ').count() / 2;
        let indent = if depth > 0 { format!(" style=\"padding-left:{}em\"", depth + 1) } else { String::new() };
        let cell = escaped(cell.trim_start_matches(BAR).trim());
        let _ = match at {
            0 => write!(text, "<th scope=\"row\">{cell}</th>"),
            _ => write!(text, "<td{indent}>{cell}</td>"),
        };
    }
    text += "</tr>\n";
    if let Some(below) = &row.below {
        let _ =
            writeln!(text, "<tr class=\"below\"><td colspan=\"{columns}\"><code>{}</code></td></tr>", escaped(below));
    }
    text
}

fn anchor(part: Part) -> String {
    format!("{part:?}").to_lowercase()
}

/// What a container names itself must not become markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // No control character is allowed, whatever stands for it (HTML, "Preprocessing the input stream").
            letter if letter.is_control() && letter != '\n' && letter != '\t' => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_markup() {
        assert_eq!(escaped("<b a='\"'>&\u{1b}[m\n"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}[m\n");
        let row = Row { cells: vec!["<i>".into(), "██ 7".into(), "  child".into()], below: Some("&".into()) };
        assert_eq!(
            whole_row(&row, 3),
            "<tr><th scope=\"row\">&lt;i&gt;</th><td>7</td><td style=\"padding-left:2em\">child</td></tr>\n\
             <tr class=\"below\"><td colspan=\"3\"><code>&amp;</code></td></tr>\n"
        );
    }
}

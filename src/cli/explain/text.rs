//! The picture for a terminal: nothing is cut off, whatever the width; what is too long goes on below itself.

use super::document::{Section, Table};
use std::fmt::Write;

/// How it is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// Whether escape sequences for colour are understood.
    pub color: Color,
}

/// See [`Look::color`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// ECMA-48 sequences.
    Always,
}

/// The narrowest that is tried; a terminal that is narrower breaks the lines itself.
const NARROWEST: usize = 40;

impl Look {
    fn wrap(self, code: &str, text: &str) -> String {
        match self.color {
            Color::Always => format!("\x1b[{code}m{text}\x1b[0m"),
            Color::Never => text.to_owned(),
        }
    }

    /// A title.
    pub fn title(self, text: &str) -> String {
        self.wrap("1;36", text)
    }

    /// What is less important.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A line, further ones after four blanks more.
    pub fn hanging(self, text: &str, indent: &str) -> String {
        let width = self.width.max(NARROWEST) - indent.len() - 4;
        let lines = wrapped(text, width).into_iter().enumerate();
        lines.map(|(at, line)| format!("{indent}{}{line}\n", if at > 0 { "    " } else { "" })).collect()
    }

    /// The same over several lines, each after `indent`.
    fn dim_lines(self, text: &str, indent: &str) -> String {
        let width = self.width.max(NARROWEST) - indent.len();
        wrapped(text, width).into_iter().map(|line| format!("{indent}{}\n", self.dim(&line))).collect()
    }

    /// A sentence, broken at blanks, each line after `indent`.
    pub fn paragraph(self, text: &str, indent: &str) -> String {
        let width = self.width.max(NARROWEST) - indent.chars().count();
        wrapped(text, width).into_iter().map(|line| format!("{indent}{line}\n")).collect()
    }
}

/// All sections below a headline.
pub fn render(name: &str, headline: &str, sections: &[Section], look: Look) -> String {
    let mut text = format!("{}\n", look.title(name));
    text += &look.paragraph(headline, "");
    for section in sections {
        let _ = write!(text, "\n{}\n", look.title(&section.part.title().to_uppercase()));
        text += &look.paragraph(&section.intro, "  ");
        for table in &section.tables {
            text.push('\n');
            text += &aligned(table, look);
        }
        if !section.notes.is_empty() {
            text.push('\n');
        }
        for note in &section.notes {
            let paragraph = look.paragraph(note, "    ");
            let _ = write!(text, "  - {}", paragraph.trim_start());
        }
    }
    text
}

/// Between two columns.
const GAP: usize = 2;

/// A table in columns, two blanks from the edge.
pub fn aligned(table: &Table, look: Look) -> String {
    let room = look.width.max(NARROWEST).saturating_sub(2);
    let widths = widths(table, room);
    let mut text = String::new();
    let headers: Vec<String> = table.headers.iter().map(|&header| header.to_owned()).collect();
    if headers.iter().any(|header| !header.is_empty()) {
        for line in row_lines(&headers, &widths) {
            let _ = writeln!(text, "  {}", look.dim(line.trim_end()));
        }
    }
    for row in &table.rows {
        for line in row_lines(&row.cells, &widths) {
            let _ = writeln!(text, "  {}", line.trim_end());
        }
        if let Some(below) = &row.below {
            text += &look.dim_lines(below, "      ");
        }
    }
    text
}

/// As wide as the widest cell; where that is too much, the widest columns give way to the others.
fn widths(table: &Table, room: usize) -> Vec<usize> {
    let columns = table.headers.len();
    let widest = |column: usize| {
        let header = letters(table.headers[column]);
        table.rows.iter().filter_map(|row| row.cells.get(column)).map(|cell| letters(cell)).fold(header, usize::max)
    };
    let mut widths: Vec<usize> = (0..columns).map(widest).collect();
    let gaps = GAP * columns.saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > room {
        let Some(widest) = widths.iter_mut().max() else { break };
        if *widest <= 8 {
            break;
        }
        *widest -= 1;
    }
    widths
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

/// A row takes as many lines as its longest cell.
fn row_lines(row: &[String], widths: &[usize]) -> Vec<String> {
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, &width)| wrapped(cell, width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|at| {
            let mut line = String::new();
            for (cell, &width) in cells.iter().zip(widths) {
                let part = cell.get(at).map_or("", String::as_str);
                line.push_str(part);
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(letters(part)) + GAP));
            }
            line
        })
        .collect()
}

/// Lines of at most `width` letters: broken at blanks, else after a slash or comma, else anywhere. What stood in front of a
/// cell's first word stands in front of all its lines.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let indent: String = text.chars().take_while(|letter| *letter == ' ').take(width / 2).collect();
    let mut lines = Vec::new();
    let mut line = indent.clone();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut rest: Vec<char> = word.chars().collect();
        if !is_empty && letters(&line) + 1 + rest.len() > width && letters(&indent) + rest.len() <= width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            is_empty = true;
        }
        loop {
            let blank = usize::from(!is_empty);
            let room = width.saturating_sub(letters(&line) + blank);
            if rest.len() <= room {
                if blank == 1 {
                    line.push(' ');
                }
                line.extend(&rest);
                is_empty = false;
                break;
            }
            let fits = &rest[..room.min(rest.len())];
            let at = fits.iter().rposition(|letter| matches!(letter, '/' | ',' | ':')).map(|at| at + 1);
            let at = at.unwrap_or(if is_empty { room.max(1) } else { 0 });
            if at > 0 {
                if blank == 1 {
                    line.push(' ');
                }
                line.extend(rest.drain(..at));
            }
            lines.push(std::mem::replace(&mut line, indent.clone()));
            is_empty = true;
        }
    }
    if !is_empty || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_words_break_behind_slashes() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("/home/ana/.local/share", 12), ["/home/ana/", ".local/share"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("  a bb ccc", 6), ["  a bb", "  ccc"]);
        assert_eq!(wrapped("", 6), [""]);
    }

    #[test]
    fn the_widest_column_gives_way() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec().into();
        let table = Table {
            caption: String::new(),
            headers: vec!["a", "b"],
            rows: vec![row(["x", "a rather long cell that has to be broken up"])],
        };
        let text = aligned(&table, Look { width: 40, color: Color::Never });
        assert_eq!(text, "  a  b\n  x  a rather long cell that has to be\n     broken up\n");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_too_wide(text in "[a-c/, ]{0,60}", width in 5..30_usize) {
            let lines = wrapped(&text, width);
            let kept = |text: &str| text.replace(' ', "");
            prop_assert_eq!(kept(&lines.concat()), kept(&text));
            prop_assert!(lines.iter().all(|line| letters(line) <= width), "{:?}", lines);
        }
    }
}

//! How the tour looks on a terminal: text in a measure that reads well, commands with what they print, two sides beside
//! each other. Everything here makes text of a width; nothing prints.

use super::chapters::Side;
use std::io::IsTerminal;

/// The measure of running text; a longer line is hard to read.
const MEASURE: usize = 100;
/// What stands between the two sides.
const GAP: &str = " │ ";

/// What is to be shown of one side.
pub struct Pane<'a> {
    /// Whose.
    pub side: Side,
    /// The command as it was run.
    pub command: &'a str,
    /// What it printed.
    pub output: &'a str,
}

/// Width and colours.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Whether escape sequences are understood and wanted.
    pub colour: bool,
}

impl Screen {
    /// Of standard output: a terminal's own width, or else that of COLUMNS, or 80.
    pub fn of_stdout() -> Screen {
        let terminal = std::io::stdout().is_terminal();
        let columns = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok().map(|size| usize::from(size.ws_col));
        let variable = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = columns.filter(|columns| *columns > 0).or_else(variable).unwrap_or(80);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Screen { width: width.clamp(40, 1000), colour: terminal && !plain }
    }

    /// A chapter's heading.
    pub fn heading(&self, number: usize, all: usize, title: &str) -> String {
        let line = format!("Chapter {number} of {all}   {title}");
        let rule = "═".repeat(self.width.min(MEASURE));
        format!("\n{}\n{}\n", self.painted("1", &cut(&line, self.width).join("\n")), self.painted("2", &rule))
    }

    /// Running text.
    pub fn paragraph(&self, text: &str) -> String {
        format!("\n{}\n", fill(text, self.width.min(MEASURE)).join("\n"))
    }

    /// What to notice.
    pub fn notice(&self, text: &str) -> String {
        let lines = fill(text, self.width.min(MEASURE) - 3);
        let marked = lines.iter().enumerate().map(|(at, line)| format!("{} {line}", if at == 0 { "=>" } else { "  " }));
        marked.map(|line| self.painted("32", &line) + "\n").collect()
    }

    /// One side over the whole width, or both beside each other.
    pub fn panes(&self, panes: &[Pane<'_>]) -> String {
        match panes {
            [left, right] => {
                let half = (self.width - GAP.chars().count()) / 2;
                let rest = self.width - GAP.chars().count() - half;
                let (left, right) = (self.pane(left, half), self.pane(right, rest));
                let line = |at: usize| {
                    let (words, code) = left.get(at).cloned().unwrap_or_default();
                    let padded = format!("{words}{}", " ".repeat(half.saturating_sub(words.chars().count())));
                    let other = right.get(at).map_or_else(String::new, |(words, code)| self.painted(code, words));
                    format!("{}{}{other}", self.painted(code, &padded), self.painted("2", GAP)).trim_end().to_owned()
                        + "\n"
                };
                (0..left.len().max(right.len())).map(line).collect()
            }
            panes => {
                let lines = panes.iter().flat_map(|pane| self.pane(pane, self.width));
                lines.map(|(words, code)| self.painted(code, &words) + "\n").collect()
            }
        }
    }

    /// The lines of a pane, each with its colour.
    fn pane(&self, pane: &Pane<'_>, width: usize) -> Vec<(String, &'static str)> {
        let (label, colour) = match pane.side {
            Side::Host => ("── this machine ", "36"),
            Side::Inside => ("── in the container ", "33"),
        };
        let rule = label.to_owned() + &"─".repeat(width.saturating_sub(label.chars().count()));
        let command = prompted(pane.side, pane.command);
        let coloured = |text: &str, code| lines(text, width).into_iter().map(move |line| (line, code));
        [(rule, colour)].into_iter().chain(coloured(&command, "1")).chain(coloured(pane.output, "")).collect()
    }

    /// Where there are colours: `code` is that of SGR (console_codes(4)); empty is none.
    pub fn painted(&self, code: &str, text: &str) -> String {
        if !self.colour || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        text.split('\n').map(|line| format!("\x1b[{code}m{line}\x1b[m")).collect::<Vec<_>>().join("\n")
    }
}

/// A command as a shell of that side shows it.
pub fn prompted(side: Side, command: &str) -> String {
    let prompt = match side {
        Side::Host => "$ ",
        Side::Inside => "/ # ",
    };
    let lines = command.lines().enumerate();
    lines.map(|(at, line)| format!("{}{line}\n", if at == 0 { prompt } else { "> " })).collect()
}

/// Lines of at most `width` columns; what could steer a terminal is shown, not sent.
fn lines(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| cut(&printable(line), width)).collect()
}

/// Without tabs (every eighth column) and other control characters.
pub fn printable(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '\t' => shown.push_str(&" ".repeat(8 - shown.chars().count() % 8)),
            letter if letter.is_control() => shown.extend(letter.escape_debug()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// Pieces of at most `width` characters, broken behind a space where that leaves no half-empty line; one, empty, for an
/// empty line.
fn cut(line: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = line.chars().collect();
    let mut rest = letters.as_slice();
    let mut pieces = Vec::new();
    while rest.len() > width {
        let space = rest[..width].iter().rposition(|letter| *letter == ' ').map(|at| at + 1);
        let (piece, others) = rest.split_at(space.filter(|at| *at > width / 2).unwrap_or(width));
        pieces.push(piece.iter().collect());
        rest = others;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest.iter().collect());
    }
    pieces
}

/// Words on lines of at most `width` columns.
fn fill(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(cut(word, width)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_sides_stand_beside_each_other() {
        let screen = Screen { width: 44, colour: false };
        let panes = [
            Pane { side: Side::Host, command: "id -u", output: "1000\n" },
            Pane { side: Side::Inside, command: "id -u &&\n  tty", output: "0\n\tno terminal there, it says\n" },
        ];
        let expected = [
            "── this machine ──── │ ── in the container ─",
            "$ id -u              │ / # id -u &&",
            "1000                 │ >   tty",
            "                     │ 0",
            "                     │         no terminal",
            "                     │ there, it says",
        ];
        assert_eq!(screen.panes(&panes).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn long_lines_break_behind_a_space() {
        assert_eq!(cut("rr run --rm alpine", 12), ["rr run --rm ", "alpine"]);
        assert_eq!(cut("a /one/long/path/name", 10), ["a /one/lon", "g/path/nam", "e"]);
        assert_eq!(cut("", 10), [""]);
    }

    #[test]
    fn colours_are_where_they_are_wanted() {
        let screen = |colour| Screen { width: 80, colour };
        assert!(!screen(false).heading(1, 8, "User").contains('\x1b'));
        assert_eq!(screen(true).painted("1", "a\nb"), "\x1b[1ma\x1b[m\n\x1b[1mb\x1b[m");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_screen(text in "[a-z│\t ]{0,300}", width in 40_usize..170) {
            let screen = Screen { width, colour: false };
            let pane = |side| Pane { side, command: &text, output: &text };
            let shown = [
                screen.heading(1, 8, &text), screen.paragraph(&text), screen.notice(&text),
                screen.panes(&[pane(Side::Host)]), screen.panes(&[pane(Side::Host), pane(Side::Inside)]),
            ];
            for line in shown.iter().flat_map(|shown| shown.lines()) {
                prop_assert!(line.chars().count() <= width, "{line:?}");
            }
        }

        #[test]
        fn no_word_is_lost(text in "[a-z ]{0,300}", width in 10_usize..100) {
            let filled: String = fill(&text, width).concat();
            prop_assert_eq!(filled.replace(' ', ""), text.replace(' ', ""));
        }
    }
}

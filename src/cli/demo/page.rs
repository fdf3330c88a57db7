//! A chapter as a page in Markdown, such as those of docs/tour.

use super::chapters::{CHAPTERS, Chapter};
use super::screen::{Pane, printable, prompted};

/// The beginning of a chapter's page.
pub fn opening(chapter: &Chapter) -> String {
    let text: String = chapter.text.iter().map(|paragraph| format!("{paragraph}\n\n")).collect();
    let name = chapter.name;
    format!(
        "# {}\n\n{text}`rr demo {name}` runs this page on your machine. What follows `$` is typed on the machine, what follows \
         `/ #` in the container (`rr exec tour sh -c '…'`).\n",
        chapter.title
    )
}

/// A sentence of its own.
pub fn paragraph(text: &str) -> String {
    format!("\n{text}\n")
}

/// What was run, and what it printed.
pub fn panes(panes: &[Pane<'_>]) -> String {
    let block = |pane: &Pane<'_>| {
        let output: String = pane.output.lines().map(|line| printable(line) + "\n").collect();
        format!("\n```console\n{}{output}```\n", prompted(pane.side, pane.command))
    };
    panes.iter().map(block).collect()
}

/// The end of a chapter's page.
pub fn closing(chapter: &Chapter) -> String {
    let next = CHAPTERS.iter().skip_while(|other| other.name != chapter.name).nth(1);
    let next = next.map_or_else(
        || "That was the last chapter; [the tour](README.md) lists them all.".to_owned(),
        |next| format!("Next: [{}]({}.md).", next.title, next.name),
    );
    format!("\nTo read on: {}.\n\n{next}\n", chapter.manual)
}

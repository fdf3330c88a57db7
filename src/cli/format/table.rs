//! Columns as Go's text/tabwriter aligns them with Docker's settings: cells end at tabs, are at
//! least ten wide and three apart; what follows a line's last tab is not padded.
//!
//! A column is a run of lines that all have a cell there, so lines of different shape (a template
//! with newlines in it) do not widen each other's columns more than Go's would.

/// Widths of a table, in letters.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// A cell's least width, its padding counted.
    min_width: usize,
    /// Spaces after the widest cell.
    padding: usize,
}

impl Layout {
    /// Docker's.
    pub const DOCKER: Layout = Layout { min_width: 10, padding: 3 };
    /// That of Docker's `top`.
    pub const DOCKER_TOP: Layout = Layout { min_width: 20, padding: 3 };
    /// Podman's.
    pub const PODMAN: Layout = Layout { min_width: 12, padding: 2 };
}

/// Replaces the tabs of `text` with spaces.
pub fn align(text: &str, layout: Layout) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
    measure(&lines, &mut widths, layout, 0, lines.len());
    let mut aligned = String::with_capacity(text.len() * 2);
    for (index, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if index > 0 {
            aligned.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            aligned.push_str(cell);
            if let Some(width) = widths.get(column) {
                aligned.extend(std::iter::repeat_n(' ', width - letters(cell)));
            }
        }
    }
    aligned
}

/// Finds the next column's width for each run of lines in `first..end` that has it, and, within
/// each run, the widths of the columns after it.
fn measure(lines: &[Vec<&str>], widths: &mut [Vec<usize>], layout: Layout, first: usize, end: usize) {
    let Some(column) = widths.get(first).map(Vec::len) else { return };
    // The last cell of a line is not ended by a tab and belongs to no column.
    let has_cell = |line: usize| column + 1 < lines[line].len();
    let mut start = first;
    while start < end {
        if !has_cell(start) {
            start += 1;
            continue;
        }
        let stop = (start..end).find(|line| !has_cell(*line)).unwrap_or(end);
        let widest = lines[start..stop].iter().map(|cells| letters(cells[column]) + layout.padding).max().unwrap_or(0);
        for line in &mut widths[start..stop] {
            line.push(widest.max(layout.min_width));
        }
        measure(lines, widths, layout, start, stop);
        start = stop;
    }
}

fn letters(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn align(text: &str) -> String {
        super::align(text, Layout::DOCKER)
    }

    #[test]
    fn columns_are_ten_wide_or_three_apart() {
        assert_eq!(align("a\tb\nlonger than ten\tc\n"), "a                 b\nlonger than ten   c\n");
        assert_eq!(align("a\tb\n"), "a         b\n");
        assert_eq!(align("ä\tb\n1234567\tc\n"), "ä         b\n1234567   c\n");
        assert_eq!(align(""), "");
    }

    #[test]
    fn lines_of_another_shape_end_a_column() {
        assert_eq!(align("long long long\tb\nno tab\nx\ty\n"), "long long long   b\nno tab\nx         y\n");
        assert_eq!(align("a\tbbbbbbbbbbbb\tc\nd\te\n"), "a         bbbbbbbbbbbb   c\nd         e\n");
        assert_eq!(align("a\t\tc\n"), "a                   c\n");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[a-c\\t\\n]{0,40}") {
            let kept = |text: &str| text.replace(['\t', ' '], "");
            prop_assert_eq!(kept(&align(&text)), kept(&text));
            prop_assert!(!align(&text).contains('\t'));
        }
    }
}

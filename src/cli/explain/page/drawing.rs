//! The page's three drawings, as SVG with the page's own colours.

use super::escaped;
use crate::cli::explain::document::{layer_content, layer_kind, role};
use crate::container::explain::identities::IdSide;
use crate::container::explain::layers::{Kind, Stack};
use crate::container::explain::processes::{Process, depths};
use std::fmt::Write;

/// All drawings are that wide; the page scales them.
const WIDTH: usize = 960;

fn begin(id: &str, title: &str, description: &str, height: usize) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-description\">{}</desc>\n",
        escaped(title),
        escaped(description)
    )
}

fn text(x: usize, y: usize, class: &str, content: &str) -> String {
    format!("<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{}</text>\n", escaped(content))
}

fn rectangle(x: usize, y: usize, width: usize, height: usize, class: &str) -> String {
    format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" class=\"{class}\"/>\n")
}

/// `1 – 65536`
fn span(first: u32, length: u32) -> String {
    if length == 1 { first.to_string() } else { format!("{first} – {}", first + (length - 1)) }
}

/// The container's ids above the host's, tied together. A range is as wide as its length has digits in binary: true
/// lengths would leave one id next to 65,536 invisible.
pub fn ids(side: &IdSide) -> Option<String> {
    const TOP: usize = 26;
    const HIGH: usize = 34;
    const BETWEEN: usize = 70;
    let ranges = side.ranges.get()?;
    // In a drawing there is room for some; the table below has all.
    let shown: Vec<_> = ranges.iter().take(6).collect();
    let room = WIDTH - 12 * shown.len().saturating_sub(1);
    let weight = |length: u32| length.ilog2() as usize + 12;
    let total: usize = shown.iter().map(|range| weight(range.length)).sum();
    let mut order: Vec<usize> = (0..shown.len()).collect();
    order.sort_by_key(|&at| shown[at].host);
    let places = |order: &[usize]| {
        let mut places = vec![(0, 0); shown.len()];
        let mut x = 0;
        for &at in order {
            let width = room * weight(shown[at].length) / total.max(1);
            places[at] = (x, width);
            x += width + 12;
        }
        places
    };
    let (inside, host) = (places(&(0..shown.len()).collect::<Vec<_>>()), places(&order));
    let below = TOP + HIGH + BETWEEN;
    let description = ranges
        .iter()
        .map(|range| {
            format!(
                "{} in the container is {} on the host",
                span(range.inside, range.length),
                span(range.host, range.length)
            )
        })
        .collect::<Vec<_>>()
        .join("; ");
    let title = format!("Map of {} ids", side.what);
    let mut svg = begin(&format!("{}-ids", side.what), &title, &description, below + HIGH + 26);
    svg += &text(0, 16, "soft", &format!("{} ids in the container", side.what));
    for (at, range) in shown.iter().enumerate() {
        let ((x, width), (host_x, host_width)) = (inside[at], host[at]);
        let _ = writeln!(
            svg,
            "<polygon class=\"tie\" points=\"{x},{y} {},{y} {},{below} {host_x},{below}\"/>",
            x + width,
            host_x + host_width,
            y = TOP + HIGH
        );
        svg += &rectangle(x, TOP, width, HIGH, "inside");
        svg += &text(x + 8, TOP + 22, "code", &span(range.inside, range.length));
        svg += &rectangle(host_x, below, host_width, HIGH, "host");
        svg += &text(host_x + 8, below + 22, "code", &span(range.host, range.length));
    }
    svg += &text(0, below + HIGH + 20, "soft", &format!("{} ids on the host", side.what));
    Some(svg + "</svg>\n")
}

/// The layers on top of each other, the one that is written topmost.
pub fn layers(stack: &Stack) -> Option<String> {
    const HIGH: usize = 44;
    if stack.layers.is_empty() {
        return None;
    }
    let height = 40 + stack.layers.len() * (HIGH + 6);
    let description = stack.layers.iter().map(|layer| format!("{}: {}", layer_kind(layer), layer_content(layer)));
    let description = description.collect::<Vec<_>>().join("; then ");
    let mut svg = begin("layers", "Layers of the root file system, topmost first", &description, height);
    svg += &text(0, 16, "soft", "what the container sees: in each place the file of the topmost layer that has one");
    for (at, layer) in stack.layers.iter().enumerate() {
        let y = 28 + at * (HIGH + 6);
        // Each lies a little further out, as a pile does.
        let inset = 6 * (stack.layers.len() - at).min(10);
        let class = if matches!(layer.kind, Kind::Upper | Kind::Copy) { "top" } else { "inside" };
        svg += &rectangle(inset, y, WIDTH - 2 * inset, HIGH, class);
        svg += &text(inset + 10, y + 18, "", &format!("{} ({})", layer_kind(layer), layer_content(layer)));
        let below = layer.created_by.clone().filter(|step| !step.is_empty());
        let below = below.unwrap_or_else(|| layer.path.display().to_string());
        svg += &text(inset + 10, y + 36, "soft", &shortened(&below, 120));
    }
    Some(svg + "</svg>\n")
}

/// Parents above children; on the left what the host sees, on the right the container.
pub fn processes(all: &[Process]) -> Option<String> {
    const HIGH: usize = 34;
    const STEP: usize = 44;
    if all.is_empty() {
        return None;
    }
    // In a drawing there is room for some; the table below has all.
    let shown = &all[..all.len().min(24)];
    let depths = depths(shown);
    let description = shown.iter().map(|process| match &process.inside {
        Some(inside) => {
            format!("process {} of the host is {} in the container: {}", process.host_pid, inside.pid, process.command)
        }
        None => format!("process {} of the host: {}", process.host_pid, role(process)),
    });
    let description = description.collect::<Vec<_>>().join("; ");
    let mut svg = begin("processes", "Tree of the processes", &description, 30 + shown.len() * STEP);
    svg += &text(0, 16, "soft", "on the host");
    svg += &text(WIDTH - 300, 16, "soft", "in the container");
    let place = |at: usize| (10 + 28 * depths[at].min(12), 28 + at * STEP);
    for (at, process) in shown.iter().enumerate() {
        let (x, y) = place(at);
        if let Some(parent) =
            shown.iter().position(|parent| parent.host_pid == process.host_parent).filter(|&parent| parent < at)
        {
            let (parent_x, parent_y) = place(parent);
            let _ = writeln!(
                svg,
                "<path class=\"edge\" d=\"M{} {} V{} H{x}\"/>",
                parent_x + 10,
                parent_y + HIGH,
                y + HIGH / 2
            );
        }
        svg += &rectangle(x, y, 330, HIGH, "host");
        let user = process.host_user.clone().unwrap_or_else(|| process.host_uid.to_string());
        svg += &text(x + 8, y + 22, "code", &shortened(&format!("{}  {user}", process.host_pid), 40));
        match &process.inside {
            Some(inside) => {
                svg += &format!("<path class=\"edge\" d=\"M{} {y} H{}\"/>\n", x + 330, WIDTH - 300, y = y + HIGH / 2);
                svg += &rectangle(WIDTH - 300, y, 300, HIGH, "inside");
                let label = format!("{}  {}  {}", inside.pid, inside.user, process.command);
                svg += &text(WIDTH - 292, y + 22, "code", &shortened(&label, 34));
            }
            None => svg += &text(x + 342, y + 22, "soft", role(process)),
        }
    }
    Some(svg + "</svg>\n")
}

/// A drawing has no second line; the table has all of it.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::explain::Seen;
    use crate::container::explain::identities::{IdRange, Source};

    #[test]
    fn ranges_are_tied_to_each_other() {
        let range = |inside, host, length| IdRange { inside, host, length, source: Source::Own };
        let side = IdSide { what: "user", ranges: Seen::Is(vec![range(0, 1000, 1), range(1, 500, 65_536)]) };
        let svg = ids(&side).unwrap();
        assert_eq!(svg.matches("<polygon").count(), 2);
        assert_eq!(svg.matches("<rect").count(), 4);
        assert!(svg.contains("1 – 65536 in the container is 500 – 66035 on the host"), "{svg}");
        assert!(ids(&IdSide { what: "user", ranges: Seen::Unreadable("so".into()) }).is_none());
    }
}

//! A document as Markdown (CommonMark, and GFM's tables), for issues, wikis and chats.

use crate::document::{Block, Document, Item};
use crate::escape;

/// Writes the document.
#[must_use]
pub fn write(document: &Document) -> String {
    let mut out = format!("# {}\n", line(&document.title));
    for block in &document.blocks {
        out.push('\n');
        match block {
            Block::Heading(mood, text, cause) => {
                let id = cause.map(|c| format!(" — `{}`", c.id())).unwrap_or_default();
                let sign = mood.sign().replace('!', "\\!");
                let blank = if sign.is_empty() { "" } else { " " };
                out.push_str(&format!("## {sign}{blank}{}{id}\n", line(text)));
            }
            Block::Text(text) => out.push_str(&format!("{}\n", line(text))),
            Block::Terms(terms) => {
                let parts: Vec<_> = terms.iter().map(|(label, items)| term(label, items)).collect();
                out.push_str(&parts.join("\n"));
            }
            Block::Table(caption, head, rows) => {
                if !caption.is_empty() {
                    out.push_str(&format!("**{}**\n\n", line(caption)));
                }
                out.push_str(&row(head.iter().map(|h| line(h))));
                out.push_str(&row(head.iter().map(|_| "---".to_owned())));
                for cells in rows {
                    out.push_str(&row(cells.iter().map(cell)));
                }
            }
        }
    }
    out.push_str(&format!("\n---\n\n{}\n", line(&document.foot)));
    out
}

/// Running text on one line that begins no list, quotation or heading.
fn line(text: &str) -> String {
    let escaped = escape::markdown(text);
    let begins_list = |c: char| matches!(c, '-' | '+' | '=');
    match escaped.chars().next() {
        Some(first) if begins_list(first) => format!("\\{escaped}"),
        // `1.` and `1)` begin a list; the bracket is escaped already.
        Some(first) if first.is_ascii_digit() => {
            let digits = escaped.find(|c: char| !c.is_ascii_digit()).unwrap_or(escaped.len());
            let (number, rest) = escaped.split_at_checked(digits).unwrap_or((&escaped, ""));
            let begins_list = rest.starts_with(". ") || rest == ".";
            if begins_list { format!("{number}\\{rest}") } else { escaped }
        }
        Some(_) | None => escaped,
    }
}

fn term(label: &str, items: &[Item]) -> String {
    let label = line(label);
    if let [Item::Text(text)] = items {
        return format!("**{label}:** {}\n", line(text));
    }
    let mut out = format!("**{label}:**\n\n");
    for (i, item) in items.iter().enumerate() {
        match item {
            Item::Text(text) => out.push_str(&format!("* {}\n", line(text))),
            Item::Said(text) => out.push_str(&format!("* {}\n", code(text))),
            // A command belongs to the sentence before it, where there is one.
            Item::Command(command) => out.push_str(&fenced(command, if i == 0 { "" } else { "  " })),
            Item::Pair(way, saw) => out.push_str(&format!("* {}: {}\n", code(way), code(saw))),
        }
    }
    out.replace("\n\n\n", "\n\n").trim_end().to_owned() + "\n"
}

/// A command in a block of its own.
fn fenced(command: &str, indent: &str) -> String {
    let fence = "`".repeat(longest(command).max(2) + 1);
    let lines: Vec<_> = command.lines().map(|l| format!("{indent}{l}")).collect();
    format!("\n{indent}{fence}sh\n{}\n{indent}{fence}\n\n", lines.join("\n"))
}

/// Text in which nothing is a mark, a link or a mention: code, in more backticks than it has in a row.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.trim().is_empty() {
        return "–".to_owned();
    }
    let fence = "`".repeat(longest(&text) + 1);
    let is_edgy = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let blank = if is_edgy { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// The longest run of backticks.
fn longest(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn cell(item: &Item) -> String {
    match item {
        Item::Text(text) => line(text),
        // In a table the bar ends a cell even inside code.
        Item::Said(text) | Item::Command(text) => code(text).replace('|', "\\|"),
        Item::Pair(way, saw) => format!("{}: {}", code(way), code(saw)).replace('|', "\\|"),
    }
}

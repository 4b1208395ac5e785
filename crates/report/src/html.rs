//! A document as one HTML file: no script, nothing from elsewhere, light and dark, readable on a phone and on paper.

use crate::document::{Block, Document, Item, Mood};
use crate::escape::html as escape;
use crate::lang::Lang;

/// The whole style. Colours have a contrast of at least 4.5 : 1 on their ground (WCAG 2.2, 1.4.3).
const STYLE: &str = include_str!("style.css");

/// Writes the document.
#[must_use]
pub fn write(document: &Document) -> String {
    let lang = match document.lang {
        Lang::En => "en",
        Lang::Zh => "zh-CN",
    };
    let title = escape(&document.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    let (mut open, mut heading) = (false, title);
    for block in &document.blocks {
        if let Block::Heading(mood, text, cause) = block {
            out.push_str(if open { "</section>\n" } else { "" });
            open = true;
            let id = cause.map(|c| format!(" <code>{}</code>", escape(c.id()))).unwrap_or_default();
            let (class, sign) = (class(*mood), mood.sign());
            let sign = if sign.is_empty() {
                String::new()
            } else {
                format!("<span class=\"sign\" aria-hidden=\"true\">{sign}</span> ")
            };
            heading = escape(text);
            out.push_str(&format!("<section class=\"{class}\">\n<h2>{sign}{heading}{id}</h2>\n"));
        } else {
            out.push_str(&body(block, &heading));
        }
    }
    out.push_str(if open { "</section>\n" } else { "" });
    out.push_str(&format!("</main>\n<footer><p>{}</p></footer>\n</body>\n</html>\n", escape(&document.foot)));
    out
}

const fn class(mood: Mood) -> &'static str {
    match mood {
        Mood::Well => "well",
        Mood::Odd => "odd",
        Mood::Bad => "bad",
        Mood::Open => "open",
        Mood::Plain => "plain",
    }
}

fn body(block: &Block, heading: &str) -> String {
    match block {
        Block::Heading(..) => String::new(),
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Terms(terms) => {
            let rows = terms.iter().map(|(label, items)| {
                let items: String = items.iter().map(item).collect();
                format!("<dt>{}</dt>\n<dd>{items}</dd>\n", escape(label))
            });
            format!("<dl>\n{}</dl>\n", rows.collect::<String>())
        }
        Block::Table(caption, head, rows) => {
            let head: String =
                head.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
            let rows = rows.iter().map(|cells| {
                let cells: String = cells.iter().map(|c| format!("<td>{}</td>", cell(c))).collect();
                format!("<tr>{cells}</tr>\n")
            });
            let caption = escape(caption);
            let (label, shown) = if caption.is_empty() {
                (heading, String::new())
            } else {
                (caption.as_str(), format!("<caption>{caption}</caption>\n"))
            };
            // The keyboard must reach what scrolls.
            format!(
                "<div class=\"wide\" role=\"region\" aria-label=\"{label}\" tabindex=\"0\">\n<table>\n\
                 {shown}<thead><tr>{head}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n",
                rows.collect::<String>()
            )
        }
    }
}

fn item(item: &Item) -> String {
    match item {
        Item::Text(text) => format!("<p>{}</p>", escape(text)),
        Item::Said(text) => format!("<p><code>{}</code></p>", escape(text)),
        Item::Command(command) => format!("<pre><code>{}</code></pre>", escape(command)),
        Item::Pair(way, saw) => {
            format!("<p class=\"pair\"><span>{}</span> <span>{}</span></p>", escape(way), escape(saw))
        }
    }
}

fn cell(item: &Item) -> String {
    match item {
        Item::Text(text) | Item::Said(text) => escape(text),
        Item::Command(text) => format!("<code>{}</code>", escape(text)),
        Item::Pair(way, saw) => format!("{} {}", escape(way), escape(saw)),
    }
}

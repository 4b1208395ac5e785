//! Foreign text for each medium: nothing that others wrote controls the terminal, the page or the table it is shown in.

/// For HTML, in text and in quoted attributes.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// For Markdown, in running text: its own marks are escaped, and HTML too; addresses become no links and names no mentions.
#[must_use]
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '|' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            // In code nobody is called.
            '@' => out.push_str("`@`"),
            _ => out.push(c),
        }
    }
    out.replace("://", "\\://")
}

/// For a cell of CSV: quoted, and no formula for a spreadsheet.
#[must_use]
pub fn csv(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use clearline_model::{Cause, Confidence, Fact, FactId, Finding, Foreign, Mono, Proof, Role, Seen, Sent};
    use clearline_model::{Dur, Path, ProbeId, Source, Stage, Status, Trust, Verdict};

    use super::*;
    use crate::document::{self, Block, Document, Item, Mood};
    use crate::terminal::{self, Style};
    use crate::{Lang, Prose, json};

    /// What every medium takes for a mark: a formula, a tag, an attribute's end, an escape sequence, a bidi mark, code, a
    /// link, a mention, a heading, a cell's end, an entity.
    const HOSTILE: &str = "=cmd|'/c' <script>alert(\"1\")</script>\u{1b}[31m\u{202e}`x` ```y``` [a](javascript:1) @all\n# b | c &lt; https://x.example";

    fn hostile() -> Foreign {
        Foreign::new(HOSTILE)
    }

    fn is_harmless_plain(text: &str) -> bool {
        text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}')
    }

    /// Everything between the tags that the page itself has: what is left must not begin one.
    fn is_harmless_page(page: &str) -> bool {
        const OWN: [&str; 30] = [
            "doctype", "html", "head", "meta", "title", "style", "body", "main", "section", "span", "code",
            "pre", "table", "caption", "thead", "tbody", "footer", "h1", "h2", "dl", "dt", "dd", "div", "tr",
            "th", "td", "p", "q", "a", "b",
        ];
        let tags = page.split('<').skip(1).map(|rest| {
            let rest = rest.trim_start_matches(['/', '!']);
            rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
        });
        let (mut own, mut scripts) = (true, 0);
        for tag in tags {
            own &= OWN.contains(&tag.as_str());
            scripts += usize::from(tag == "script");
        }
        own && scripts == 0 && is_harmless_plain(page)
    }

    /// A line of Markdown without its code: a span ends with as many backticks as it began with.
    #[expect(clippy::string_slice, reason = "backticks are one byte, and cuts lie beside them")]
    fn outside(line: &str) -> String {
        let (mut out, mut rest) = (String::new(), line);
        while let Some(at) = rest.find('`') {
            let (before, from) = rest.split_at(at);
            let fence = "`".repeat(from.len() - from.trim_start_matches('`').len());
            if before.ends_with('\\') {
                out.push_str(before);
                rest = &from[1..];
                continue;
            }
            out.push_str(before);
            let inside = &from[fence.len()..];
            let ends = inside
                .match_indices(&fence)
                .map(|(i, _)| i)
                .find(|i| !inside[i + fence.len()..].starts_with('`') && !inside[..*i].ends_with('`'));
            rest = ends.map_or("", |end| &inside[end + fence.len()..]);
        }
        out + rest
    }

    fn is_harmless_markdown(mark: &str) -> bool {
        let mut fenced = false;
        mark.lines().all(|line| {
            let is_fence =
                line.trim_start().starts_with("```") && !line.trim().trim_matches('`').contains('`');
            fenced ^= is_fence;
            let text = if fenced || is_fence { String::new() } else { outside(line) };
            let is_link = text.contains("](") && !text.contains("\\](") || text.contains("https://x.example");
            // The own prose of clearline holds no markup either.
            !text.contains('<') && !is_link && !text.contains(" @all") && !text.starts_with('=')
        }) && is_harmless_plain(mark)
    }

    #[test]
    fn one_hostile_string_through_the_escapes() {
        let plain = hostile().escaped();
        assert!(is_harmless_plain(&plain), "{plain}");
        let page = html(&plain);
        assert!(!page.contains(['<', '>', '"', '\'']), "{page}");
        let mark = markdown(&plain);
        assert!(!mark.contains("](") && !mark.contains('<') && !mark.contains(" `x`"), "{mark}");
        assert!(csv(&plain).starts_with("\"'="));
    }

    #[test]
    fn one_hostile_string_in_every_place_of_a_document() {
        let plain = hostile().escaped();
        let items = || {
            vec![
                Item::Text(plain.clone()),
                Item::Said(plain.clone()),
                Item::Command(plain.clone()),
                Item::Pair(plain.clone(), plain.clone()),
            ]
        };
        let document = Document::new(&Prose::load(Lang::En), &plain)
            .with(Block::Heading(Mood::Bad, plain.clone(), Some(Cause::TcpReset)))
            .with(Block::Text(plain.clone()))
            .with(Block::Terms(vec![(plain.clone(), items())]))
            .with(Block::Table(plain.clone(), vec![plain.clone(); 4], vec![items()]));
        let page = crate::html::write(&document);
        assert!(is_harmless_page(&page), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)"), "{page}");
        let mark = crate::markdown::write(&document);
        assert!(is_harmless_markdown(&mark), "{mark}");
        assert_eq!(mark.lines().filter(|l| l.starts_with("# ")).count(), 1, "one title: {mark}");
        let cells =
            mark.lines().filter(|l| l.starts_with("| ")).map(|l| l.replace("\\|", "").matches('|').count());
        assert!(cells.eq([5, 5, 5]), "{mark}");
    }

    #[test]
    fn one_hostile_string_through_every_report_of_a_verdict() {
        let path = Path {
            host: HOSTILE.to_owned(),
            trust: Some(Trust::File(HOSTILE.to_owned())),
            ..Path::default()
        };
        let fact = |id, saw| Fact {
            id: FactId(id),
            from: Source::Probe(ProbeId(0)),
            path: path.clone(),
            stage: Stage::Head,
            saw: Ok(saw),
            sent: Sent::No,
            at: Mono(0),
            took: Dur(1),
        };
        let facts = [
            fact(0, Seen::State("credential".to_owned(), hostile())),
            fact(1, Seen::Head { status: 200, headers: vec![("server".to_owned(), hostile())] }),
        ];
        let found = Finding {
            cause: Cause::TlsUntrustedRoot,
            role: Role::Root,
            confidence: Confidence::Certain,
            proof: vec![Proof::One(FactId(0)), Proof::One(FactId(1))],
        };
        let verdict = Verdict { status: Status::Failing, findings: vec![found], open: vec![Cause::TcpReset] };
        for lang in Lang::ALL {
            let prose = Prose::load(lang);
            let text = terminal::verdict(&prose, Style::default(), &verdict, &facts, (Dur(1), true));
            assert!(is_harmless_plain(&text), "{text}");
            let value = json::verdict(&prose, &verdict, &facts, Dur(1)).to_string();
            assert!(is_harmless_plain(&value), "{value}");
            let document = document::verdict(&prose, &verdict, &facts, Dur(1));
            assert!(is_harmless_page(&crate::html::write(&document)));
            let mark = crate::markdown::write(&document);
            assert!(is_harmless_markdown(&mark), "{mark}");
        }
    }
}

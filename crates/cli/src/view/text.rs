//! Text on a page of fixed width: measured, cut, and folded.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text with control characters as `\n` or `\u{1b}`, so that it stays a line and commands no
/// terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if char.is_control() {
            plain.extend(char.escape_default());
        } else {
            plain.push(char);
        }
    }
    Cow::Owned(plain)
}

/// The text, filled with spaces up to `columns`.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// As much of the text as fits, with `…` for the rest.
pub(crate) fn truncated(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 1;
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used > columns {
            break;
        }
        cut.push(char);
    }
    cut.push('…');
    cut
}

/// The text in lines of at most `columns`, each starting with `indent` spaces. Words stay whole
/// where they fit; lines that the text has already stay. It must not be painted yet, for control
/// characters are made visible.
pub(crate) fn folded(text: &str, indent: usize, columns: Option<usize>) -> String {
    let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(10));
    let margin = " ".repeat(indent);
    let mut page = String::new();
    for paragraph in text.lines() {
        let more = paragraph.len() - paragraph.trim_start().len();
        let (mut line, mut used) = (" ".repeat(more), more);
        for word in paragraph.split_whitespace() {
            for piece in pieces(&plain(word), room.saturating_sub(more).max(1)) {
                let needs = width(piece);
                if used > more && used + 1 + needs > room {
                    page.push_str(&format!("{margin}{line}\n"));
                    (line, used) = (" ".repeat(more), more);
                }
                if used > more {
                    line.push(' ');
                    used += 1;
                }
                line.push_str(piece);
                used += needs;
            }
        }
        page.push_str(&format!("{margin}{}\n", line.trim_end()));
    }
    page
}

/// A word in pieces that fit into `room`.
fn pieces(word: &str, room: usize) -> Vec<&str> {
    if width(word) <= room {
        return vec![word];
    }
    let (mut found, mut start, mut used) = (Vec::new(), 0, 0);
    for (at, char) in word.char_indices() {
        let needs = char.width().unwrap_or(0);
        if used + needs > room && at > start {
            found.push(&word[start..at]);
            (start, used) = (at, 0);
        }
        used += needs;
    }
    found.push(&word[start..]);
    found
}

/// A key that sorts `node-2` before `node-10`.
pub(crate) fn natural(text: &str) -> Vec<(&str, u64)> {
    let mut key = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(digits);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        key.push((word, number.parse().unwrap_or(0)));
        rest = after;
    }
    key
}

/// A duration for people: `0.4 s`, `12 s`, `3 min 5 s`.
pub(crate) fn seconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_words_and_never_exceeds_the_width() {
        let text = "one two three\n  - a-very-long-word-that-fits-nowhere four";
        let page = folded(text, 2, Some(16));
        assert!(page.lines().all(|line| width(line) <= 16), "{page}");
        let joined = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(joined(&page), joined(text));
        assert_eq!(folded(text, 0, None), format!("{text}\n"));
        assert_eq!(truncated("äöü日本", 4), "äöü…");
        let mut names = ["n-10/a", "n-2/b", "n-2/a", "n"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["n", "n-2/a", "n-2/b", "n-10/a"]);
    }

    #[test]
    fn control_characters_are_seen_and_do_nothing() {
        assert_eq!(plain("a\nb\u{1b}[2J\u{9b}"), r"a\nb\u{1b}[2J\u{9b}");
        assert_eq!(folded("a \u{1b}[2J\r\nb\rc", 1, None), " a \\u{1b}[2J\n b c\n");
        assert!(matches!(plain("äöü日本"), Cow::Borrowed(_)));
    }
}

//! A builder for XML answers.
//!
//! Answers are written straight into text, in order; there is no tree, because nothing reads them
//! back.

use std::fmt::Display;

use quick_xml::escape::escape;

/// Whether XML 1.0 can hold a character, escaped or not (<https://www.w3.org/TR/xml/#charsets>).
pub(crate) fn can_hold(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Escapes a text: what markup is made of, and the carriage return, which a reader would otherwise
/// take for a line's end (<https://www.w3.org/TR/xml/#sec-line-ends>). What XML cannot hold, such
/// as an old row may have, becomes the sign for it.
fn text(value: &str) -> String {
    let held: String = value.chars().map(|c| if can_hold(c) { c } else { '\u{fffd}' }).collect();
    escape(held.as_str()).replace('\r', "&#13;")
}

/// The inside of an XML element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends an element with text in it.
    pub(crate) fn text(mut self, name: &str, value: impl Display) -> Self {
        let value = value.to_string();
        self.open(name);
        self.0.push_str(&text(&value));
        self.close(name);
        self
    }

    /// Appends an element if there is a value for it.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Appends an element with elements in it.
    pub(crate) fn node(mut self, name: &str, inside: Self) -> Self {
        self.open(name);
        self.0.push_str(&inside.0);
        self.close(name);
        self
    }

    /// Appends an element with elements in it, if there is one.
    pub(crate) fn maybe_node(self, name: &str, inside: Option<Self>) -> Self {
        match inside {
            Some(inside) => self.node(name, inside),
            None => self,
        }
    }

    /// Appends `<name><item>..</item>..</name>`, as EC2 writes lists of structures.
    pub(crate) fn items(self, name: &str, items: impl IntoIterator<Item = Self>) -> Self {
        self.list(name, "item", items)
    }

    /// Appends `<name><item>text</item>..</name>`, as EC2 writes lists of values.
    pub(crate) fn item_texts(
        self,
        name: &str,
        items: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        let inside = items.into_iter().fold(Self::new(), |inside, item| inside.text("item", item));
        self.node(name, inside)
    }

    /// Appends `<name><member>..</member>..</name>`, as the AWS query protocol writes lists.
    pub(crate) fn members(self, name: &str, items: impl IntoIterator<Item = Self>) -> Self {
        self.list(name, "member", items)
    }

    /// Appends `<name><member>text</member>..</name>`.
    pub(crate) fn member_texts(
        self,
        name: &str,
        items: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        let inside =
            items.into_iter().fold(Self::new(), |inside, item| inside.text("member", item));
        self.node(name, inside)
    }

    /// Appends what another builder holds, without an element around it.
    pub(crate) fn extend(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// The text so far.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn list(self, name: &str, item: &str, items: impl IntoIterator<Item = Self>) -> Self {
        let inside = items.into_iter().fold(Self::new(), |inside, one| inside.node(item, one));
        self.node(name, inside)
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }
}

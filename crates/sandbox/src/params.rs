//! Reads the flat parameters of a query request as nested lists and structures.
//!
//! Every read marks what it read; what is left over when the operation ends is refused, so that no
//! parameter is ignored silently.

use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet, rc::Rc, str::FromStr};

use crate::{error::ApiError, xml};

/// The parameters of a request, or of one structure nested in it.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    source: Rc<Source>,
    /// Either empty or ending in a dot.
    prefix: String,
}

#[derive(Debug)]
struct Source {
    values: BTreeMap<String, String>,
    used: RefCell<BTreeSet<String>>,
    /// Whether lists are written `Name.member.1` (AWS query) or `Name.1` (EC2 query).
    member: bool,
}

impl Params {
    /// Parses a form body. `member` says whether list indices follow a `.member.`.
    pub(crate) fn parse(form: &[u8], member: bool) -> Result<Self, ApiError> {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(form) {
            if let Some(odd) = name.chars().chain(value.chars()).find(|c| !xml::can_hold(*c)) {
                return Err(ApiError::invalid_value(format!(
                    "The parameter {} has the character {}, which no answer in XML can hold.",
                    name.escape_debug(),
                    odd.escape_unicode(),
                )));
            }
            if values.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(ApiError::new(
                    "MalformedQueryString",
                    format!("The parameter {name} is given twice"),
                ));
            }
        }
        let source = Source { values, used: RefCell::default(), member };
        Ok(Self { source: Rc::new(source), prefix: String::new() })
    }

    /// Reads a parameter that may be absent.
    pub(crate) fn optional(&self, name: &str) -> Option<String> {
        let full = self.full(name);
        let value = self.source.values.get(&full).cloned();
        if value.is_some() {
            self.source.used.borrow_mut().insert(full);
        }
        value
    }

    /// Reads a parameter that must be there and not empty.
    pub(crate) fn required(&self, name: &str) -> Result<String, ApiError> {
        self.optional(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| ApiError::missing(&self.full(name)))
    }

    /// Reads a boolean.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.optional(name).as_deref() {
            None => Ok(None),
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
            Some(other) => {
                Err(ApiError::invalid(&self.full(name), other, "Expecting true or false."))
            }
        }
    }

    /// Reads a number, or anything else that parses from text.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.optional(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::invalid(&self.full(name), &text, "It is not a valid number.")
                })
            })
            .transpose()
    }

    /// Reads a value that must be one of a few; the error lists them.
    pub(crate) fn choice(&self, name: &str, known: &[&str]) -> Result<Option<String>, ApiError> {
        match self.optional(name) {
            Some(value) if !known.contains(&value.as_str()) => Err(ApiError::invalid(
                &self.full(name),
                &value,
                &format!("Valid values are: {}.", known.join(", ")),
            )),
            value => Ok(value),
        }
    }

    /// Reads a list of plain values, in the order of their indices.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.list_marker(name);
        self.indices(name)
            .into_iter()
            .filter_map(|index| self.optional(&self.indexed(name, index)))
            .collect()
    }

    /// Reads a list of structures, in the order of their indices.
    pub(crate) fn structs(&self, name: &str) -> Vec<Self> {
        self.list_marker(name);
        self.indices(name)
            .into_iter()
            .map(|index| Self {
                source: Rc::clone(&self.source),
                prefix: format!("{}{}.", self.prefix, self.indexed(name, index)),
            })
            .collect()
    }

    /// Reads a nested structure; `None` if no parameter is inside it.
    pub(crate) fn nested(&self, name: &str) -> Option<Self> {
        let prefix = format!("{}.", self.full(name));
        let any = self.source.values.range(prefix.clone()..).next()?.0.starts_with(&prefix);
        any.then(|| Self { source: Rc::clone(&self.source), prefix })
    }

    /// Tells whether a parameter of this name, or one below it, was given; marks nothing.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.source.values.contains_key(&self.full(name)) || self.nested(name).is_some()
    }

    /// Names a parameter of this structure as the request does, for error messages.
    pub(crate) fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// All parameters in canonical order, for digests and the call log.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.source.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The parameters that nothing has read.
    pub(crate) fn unread(&self) -> Vec<String> {
        let used = self.source.used.borrow();
        self.source.values.keys().filter(|name| !used.contains(*name)).cloned().collect()
    }

    /// The AWS query protocol writes an empty list as the bare name without a value.
    fn list_marker(&self, name: &str) {
        let full = self.full(name);
        if self.source.member && self.source.values.get(&full).is_some_and(String::is_empty) {
            self.source.used.borrow_mut().insert(full);
        }
    }

    fn indexed(&self, name: &str, index: u32) -> String {
        let infix = if self.source.member { ".member" } else { "" };
        format!("{name}{infix}.{index}")
    }

    fn indices(&self, name: &str) -> BTreeSet<u32> {
        let infix = if self.source.member { "member." } else { "" };
        let prefix = format!("{}.{infix}", self.full(name));
        self.source
            .values
            .range(prefix.clone()..)
            .map_while(|(key, _)| key.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('.').next()?.parse().ok())
            .collect()
    }
}

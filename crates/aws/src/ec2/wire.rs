//! Between the texts and numbers of the SDK and the types of this crate.
//!
//! The SDK has a type of its own for every closed set, and a text for every id; both are made of
//! `&str` and read as one. An empty text stands for nothing in EC2's answers.

use std::fmt::Display;

/// An id or a value of a closed set, as the SDK takes it.
pub(crate) fn sent<T: Display, S: for<'a> From<&'a str>>(value: &Option<T>) -> Option<S> {
    value.as_ref().map(|value| S::from(&value.to_string()))
}

/// Ids or values of a closed set, as the SDK takes them; nothing when there are none.
pub(crate) fn sent_all<T: Display, S: for<'a> From<&'a str>>(values: &[T]) -> Option<Vec<S>> {
    (!values.is_empty()).then(|| values.iter().map(|value| S::from(&value.to_string())).collect())
}

/// What the SDK reports, as an id or a value of a closed set.
pub(crate) fn seen<S: AsRef<str>, T: for<'a> From<&'a str>>(value: &Option<S>) -> Option<T> {
    value.as_ref().map(AsRef::as_ref).filter(|text| !text.is_empty()).map(T::from)
}

/// What the SDK reports, as ids or values of a closed set.
pub(crate) fn seen_all<S: AsRef<str>, T: for<'a> From<&'a str>>(values: &[S]) -> Vec<T> {
    values.iter().map(|value| T::from(value.as_ref())).collect()
}

/// A number, as the SDK takes it.
pub(crate) fn sent_number(value: Option<u32>) -> Option<i32> {
    value.map(|number| i32::try_from(number).unwrap_or(i32::MAX))
}

/// A number that the SDK reports.
pub(crate) fn seen_number(value: Option<i32>) -> Option<u32> {
    value.and_then(|number| u32::try_from(number).ok())
}

//! What belongs to what: how a type says that its objects are children of other objects, so that
//! those which nobody declares can be told.

use crate::{
    provider::Seen,
    resource::{Observed, Resource},
    value::Value,
};

/// A type whose objects the objects of another type belong to, such as the security group of a rule.
///
/// A child type lists its parents in [`Lifecycle::PARENTS`](crate::Lifecycle::PARENTS), and looks for
/// the children of given parents in [`Lifecycle::list_children`](crate::Lifecycle::list_children).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parent {
    /// The parent's type.
    pub kind: &'static str,
    /// The input of the child that holds the parent's id.
    pub field: &'static str,
    /// Whether a child goes when its parent is deleted. One that does not is in the way of that: a
    /// plan says so, and of an exclusive parent deletes it first.
    pub goes_along: bool,
    /// Whether a child is never deleted for this parent's sake, be it exclusive: it has a life of its
    /// own, and only uses the parent.
    pub told_only: bool,
}

impl Parent {
    /// A parent that can not be deleted while it has such children.
    #[must_use]
    pub const fn new(kind: &'static str, field: &'static str) -> Self {
        Self { kind, field, goes_along: false, told_only: false }
    }

    /// Sets [`Parent::told_only`].
    #[must_use]
    pub const fn told_only(mut self) -> Self {
        self.told_only = true;
        self
    }

    /// Sets [`Parent::goes_along`].
    #[must_use]
    pub const fn goes_along(mut self) -> Self {
        self.goes_along = true;
        self
    }
}

/// A parent as it is, for a child type that looks for its children.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Managed<'a> {
    /// Its type.
    pub kind: &'a str,
    /// Its id in the cloud.
    pub id: &'a str,
    /// Its inputs, as they were last sent: what they declare inline is no child that nobody declares.
    pub inputs: &'a Value,
    /// Its outputs.
    pub outputs: &'a Value,
}

/// A child that a parent has, declared or not.
#[derive(Clone)]
pub struct Child<R: Resource> {
    /// What it is.
    pub observed: Observed<R>,
    /// The id in its ownership tag, if it has one: the resource that it is, of whatever stack.
    pub owner: Option<String>,
    /// Whether it goes when its parent is deleted, where that is otherwise than [`Parent::goes_along`]
    /// says.
    pub goes_along: Option<bool>,
}

impl<R: Resource> Child<R> {
    /// A child without an ownership tag.
    pub fn new(observed: Observed<R>) -> Self {
        Self { observed, owner: None, goes_along: None }
    }

    /// Sets [`Child::goes_along`].
    #[must_use]
    pub fn going_along(mut self, goes: bool) -> Self {
        self.goes_along = Some(goes);
        self
    }

    /// Sets [`Child::owner`].
    #[must_use]
    pub fn owned_by(mut self, owner: Option<impl Into<String>>) -> Self {
        self.owner = owner.map(Into::into);
        self
    }
}

/// Untyped [`Child`].
#[derive(Clone, Debug, PartialEq)]
pub struct SeenChild {
    /// What it is.
    pub seen: Seen,
    /// The id in its ownership tag.
    pub owner: Option<String>,
    /// See [`Child::goes_along`].
    pub goes_along: Option<bool>,
}

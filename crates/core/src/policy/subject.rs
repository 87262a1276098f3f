//! What a policy sees: a resource as it will be, and the stack that it is in.

use std::{cell::RefCell, fmt, marker::PhantomData, ops::Deref};

use petgraph::{Direction, graph::NodeIndex};
use serde::de::DeserializeOwned;

use super::graph::{Graph, Others};
use crate::{
    declare::{Node, NodeKind, Program},
    expr::NodeId,
    identity::Address,
    plan::{Action, PlanData, Step},
    resource::Resource,
    schema::{ResourceType, Schema},
    value::{Path, Segment, Value},
};

/// What a field has: a value, none, or one that only apply can tell. The last two are not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Found<T> {
    /// This.
    Known(T),
    /// Nothing: the program does not set it.
    Absent,
    /// Something that only apply can tell.
    Unknown,
}

impl<T> Found<T> {
    /// The value, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Found::Known(value) => Some(value),
            Found::Absent | Found::Unknown => None,
        }
    }

    /// Whether it is known, and like this.
    pub fn is_known_and(self, like: impl FnOnce(T) -> bool) -> bool {
        self.known().is_some_and(like)
    }

    /// The value, or `default` where nothing is set.
    pub fn or(self, default: T) -> Self {
        match self {
            Found::Absent => Found::Known(default),
            found => found,
        }
    }
}

/// What a rule asked for and did not get.
pub(super) struct Note {
    /// The resource that was asked.
    pub(super) of: NodeId,
    pub(super) field: String,
    /// What is wrong with the question; nothing, if the value is not known yet.
    pub(super) fault: Option<String>,
}

pub(super) type Notes = RefCell<Vec<Note>>;

/// A resource as it will be once the plan is applied, for a policy to judge.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub(super) program: &'a Program,
    pub(super) id: NodeId,
    pub(super) node: &'a Node,
    pub(super) of: &'static ResourceType,
    pub(super) inputs: &'a Value,
    pub(super) step: Option<&'a Step>,
    pub(super) others: &'a dyn Others,
    pub(super) notes: &'a Notes,
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("address", &self.node.address)
            .field("kind", &self.of.kind)
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}

impl<'a> Subject<'a> {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> &'a Address {
        &self.node.address
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.of.kind
    }

    /// The source lines of its declaration.
    #[must_use]
    pub fn declared_at(&self) -> String {
        self.node.declared_at.to_string()
    }

    /// What the plan does to it; nothing, if it stays as it is, or where that is not decided yet.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        self.step.map(|step| step.action)
    }

    /// Whether its type has a field of this name.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.of.inputs.field(field).is_some()
    }

    /// The field at `path`, such as `root.encrypted` or `rules[0].port`.
    ///
    /// A field that the type has not got, and a value that is not a `T`, are mistakes of the policy,
    /// and refuse the plan. Ask [`Self::has`] first where types differ.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Found<T> {
        match self.value(path) {
            Found::Known(value) => match value.to_data() {
                Ok(value) => Found::Known(value),
                Err(error) => {
                    self.note(path, Some(format!("it is not what the policy expects: {error}")));
                    Found::Absent
                }
            },
            Found::Absent => Found::Absent,
            Found::Unknown => Found::Unknown,
        }
    }

    /// The field at `path` as data. A list or a map is known if all that is in it is.
    pub fn value(&self, path: &str) -> Found<&'a Value> {
        let parsed = match Path::parse(path) {
            Ok(parsed) if has(self.of.inputs, parsed.segments()) => parsed,
            _ => {
                let fault =
                    format!("the policy asks for a field that {} has not got", self.of.kind);
                self.note(path, Some(fault));
                return Found::Absent;
            }
        };
        // Of what is in an unknown value nothing is known.
        let mut at = self.inputs;
        for segment in parsed.segments() {
            at = match (segment, at.open()) {
                (_, Value::Unknown) => {
                    self.note(path, None);
                    return Found::Unknown;
                }
                (Segment::Key(key), Value::Map(map)) => match map.get(key) {
                    Some(value) => value,
                    None => return Found::Absent,
                },
                (Segment::Index(i), Value::List(items)) => match items.get(*i) {
                    Some(value) => value,
                    None => return Found::Absent,
                },
                _ => return Found::Absent,
            };
        }
        if !at.is_known() {
            self.note(path, None);
            return Found::Unknown;
        }
        if at.open().is_null() { Found::Absent } else { Found::Known(at) }
    }

    /// Everything that is declared of it, with unknowns in place. A policy that looks here has asked
    /// for every one of them.
    #[must_use]
    pub fn inputs(&self) -> &'a Value {
        for (name, value) in self.inputs.as_map().into_iter().flat_map(crate::value::Map::iter) {
            if !value.is_known() {
                self.note(name, None);
            }
        }
        if matches!(self.inputs, Value::Unknown) {
            self.note("", None);
        }
        self.inputs
    }

    /// The declared resource that the field at `path` is an output of.
    #[must_use]
    pub fn target(&self, path: &str) -> Option<Subject<'a>> {
        let path = Path::parse(path).ok()?;
        let (id, _) = self.node.inputs.target(path.segments())?;
        self.other(id)
    }

    /// The declared resources that it refers to or waits for.
    pub fn needs(&self) -> impl Iterator<Item = Subject<'a>> + use<'a> {
        let (this, index) = (*self, NodeIndex::new(self.id.0 as usize));
        let mut needs: Vec<NodeIndex> =
            self.program.graph.neighbors_directed(index, Direction::Incoming).collect();
        needs.sort_unstable();
        let id = |index: NodeIndex| NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX));
        needs.into_iter().filter_map(move |index| this.other(id(index)))
    }

    fn other(&self, id: NodeId) -> Option<Subject<'a>> {
        let node = self.program.node(id);
        let NodeKind::Resource(of) = node.kind else { return None };
        let (inputs, step) = self.others.other(id)?;
        Some(Subject { id, node, of, inputs, step, ..*self })
    }

    fn note(&self, field: &str, fault: Option<String>) {
        self.notes.borrow_mut().push(Note { of: self.id, field: field.to_owned(), fault });
    }
}

/// Whether a path leads to a field, as far as the schema says what there is.
pub(super) fn has(schema: &Schema, path: &[Segment]) -> bool {
    let [Segment::Key(name), rest @ ..] = path else { return false };
    let Some(field) = schema.field(name) else { return false };
    let mut rest = rest;
    while let [Segment::Index(_), more @ ..] = rest {
        rest = more;
    }
    if let (true, [Segment::Key(_), more @ ..]) = (field.keyed, rest) {
        rest = more;
    }
    match field.nested {
        Some(nested) if !rest.is_empty() => has(nested, rest),
        _ => true,
    }
}

/// A [`Subject`] of one type.
pub struct Typed<'a, R> {
    subject: Subject<'a>,
    of: PhantomData<fn() -> R>,
}

impl<'a, R: Resource> Typed<'a, R> {
    pub(super) fn new(subject: Subject<'a>) -> Self {
        Self { subject, of: PhantomData }
    }

    /// All of its inputs, if all are known. Where some are not, the policy has asked for them.
    pub fn all(&self) -> Found<R> {
        let inputs = self.subject.inputs();
        if !inputs.is_known() {
            return Found::Unknown;
        }
        match inputs.to_data() {
            Ok(inputs) => Found::Known(inputs),
            Err(error) => {
                self.note("", Some(format!("it is not what its type says: {error}")));
                Found::Absent
            }
        }
    }
}

impl<'a, R> Deref for Typed<'a, R> {
    type Target = Subject<'a>;

    fn deref(&self) -> &Subject<'a> {
        &self.subject
    }
}

impl<R> fmt::Debug for Typed<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject.fmt(f)
    }
}

/// A stack as it will be once the plan is applied.
#[derive(Clone, Copy)]
pub struct PlannedStack<'a> {
    pub(super) graph: &'a Graph<'a>,
    pub(super) notes: &'a Notes,
}

impl fmt::Debug for PlannedStack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlannedStack").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl<'a> PlannedStack<'a> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.graph.program.stack
    }

    /// The resources that there will be, in the order of declaration; what a narrowed plan leaves out
    /// is among them as it is recorded.
    pub fn resources(&self) -> impl Iterator<Item = Subject<'a>> + use<'a> {
        let Self { graph, notes } = *self;
        graph.entries().filter_map(move |(node, _)| graph.subject(node, notes))
    }

    /// Those of one type.
    pub fn of<R: Resource>(&self) -> impl Iterator<Item = Typed<'a, R>> + use<'a, R> {
        let subjects = self.resources().filter(|subject| subject.kind() == R::TYPE.kind);
        subjects.map(Typed::new)
    }

    /// Whether the plan is about this resource, and does not leave it out.
    #[must_use]
    pub fn is_planned(&self, subject: &Subject<'_>) -> bool {
        self.graph.entry(subject.id).is_some_and(|entry| entry.chosen)
    }

    /// The plan: its steps, what each of them waits for, and everything else in it.
    #[must_use]
    pub fn plan(&self) -> &'a PlanData {
        self.graph.plan
    }
}

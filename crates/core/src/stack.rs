//! A declared stack.

use std::{fmt, sync::Arc};

use petgraph::visit::EdgeRef;
use serde::Serialize;

use crate::{
    declare::{Builder, DeclareError, NodeKind, Program, Scope},
    identity::Address,
    panics::caught_now,
    schema::Group,
};

/// A finished declaration, with whatever the program chose to return from it.
pub struct Stack<T = ()> {
    pub(crate) program: Arc<Program>,
    /// What the declaring closure returned; read its outputs after apply with
    /// [`Live::get`](crate::Live::get).
    pub outputs: T,
}

/// A declared graph, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphView {
    /// The stack.
    pub stack: String,
    /// The resources and lookups, each after what it needs.
    pub nodes: Vec<GraphNode>,
    /// Pairs of places in `nodes`: the second needs the first.
    pub edges: Vec<(usize, usize)>,
}

/// One declared resource or lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphNode {
    /// Its address.
    pub address: Address,
    /// Its type; `decide` for a subtree that is declared when its value is known.
    pub kind: &'static str,
    /// The heading it stands under; only a resource has one.
    pub group: Option<Group>,
    /// The source line of its declaration.
    pub declared_at: String,
}

impl<T> fmt::Debug for Stack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("name", &self.program.stack)
            .field("nodes", &self.program.graph.node_count())
            .finish_non_exhaustive()
    }
}

/// Whether a stack can have this name: 1 to 64 letters, digits, `-`, `_` or `.`.
pub(crate) fn is_stack_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

impl<T> Stack<T> {
    /// Runs `declare` once, and captures what it adds.
    ///
    /// # Errors
    /// Every mistake in the declaration, all at once; or its panic.
    pub fn new(
        name: &str,
        declare: impl FnOnce(&mut Scope<'_>) -> T,
    ) -> Result<Self, DeclareError> {
        Self::try_new(name, |scope| Ok::<_, std::convert::Infallible>(declare(scope)))
    }

    /// Like [`Stack::new`], for a declaration that may fail by itself.
    ///
    /// # Errors
    /// The closure's own error, or those of [`Stack::new`].
    pub fn try_new<E: fmt::Display>(
        name: &str,
        declare: impl FnOnce(&mut Scope<'_>) -> Result<T, E>,
    ) -> Result<Self, DeclareError> {
        let stack = name.to_owned();
        let mut builder = Builder::new(name);
        let valid = is_stack_name(name);
        let declared = caught_now(|| declare(&mut Scope::root(&mut builder)));
        let outputs = match declared {
            Ok(Ok(outputs)) => outputs,
            Ok(Err(error)) => {
                return Err(DeclareError::Failed { stack, message: error.to_string() });
            }
            Err(message) => return Err(DeclareError::Panicked { stack, message }),
        };
        let Builder { program, mut problems, .. } = builder;
        problems.extend(program.check_moves());
        if !valid {
            problems.insert(0, crate::declare::Problem {
                address: "".into(),
                field: None,
                message: format!("{name:?} is no stack name: expected 1 to 64 letters, digits, `-`, `_` or `.`"),
                declared_at: "Stack::new".to_owned(),
            });
        }
        if problems.is_empty() {
            Ok(Self { program: Arc::new(program), outputs })
        } else {
            Err(DeclareError::Invalid { stack, problems })
        }
    }

    /// The stack's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.program.stack
    }

    /// The declared graph as data, for whoever draws it.
    #[must_use]
    pub fn graph(&self) -> GraphView {
        let graph = &self.program.graph;
        let nodes = graph.node_weights().map(|node| GraphNode {
            address: node.address.clone(),
            kind: node.kind.name(),
            group: match node.kind {
                NodeKind::Resource(of) => Some(of.group),
                NodeKind::Lookup { .. } | NodeKind::Decide => None,
            },
            declared_at: node.declared_at.to_string(),
        });
        let edges = graph.edge_references();
        GraphView {
            stack: self.name().to_owned(),
            nodes: nodes.collect(),
            edges: edges.map(|edge| (edge.source().index(), edge.target().index())).collect(),
        }
    }

    /// How many resources and lookups are declared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.program.graph.node_count()
    }

    /// Whether nothing is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Stack<()> {
    /// The stack that wants nothing: planning it plans the removal of whatever `name` has.
    ///
    /// # Errors
    /// When `name` is no stack name.
    pub fn empty(name: &str) -> Result<Self, DeclareError> {
        Self::new(name, |_| ())
    }
}

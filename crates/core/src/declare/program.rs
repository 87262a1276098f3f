//! The collected declaration: a graph whose nodes are resources and lookups.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use petgraph::graph::{DiGraph, NodeIndex};

use super::{Decider, MoveRules, Options, Problem, ResourceRef, Site};
use crate::{
    expr::{Expr, NodeId, ProgramToken},
    identity::Address,
    schema::{ResourceType, Schema},
};

/// What a node is.
#[derive(Clone, Copy)]
pub(crate) enum NodeKind {
    Resource(&'static ResourceType),
    Lookup {
        kind: &'static str,
        inputs: &'static Schema,
    },
    /// A subtree that is declared from its inputs, which are one value; what it tells is what its
    /// closure returned.
    Decide,
}

impl NodeKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            NodeKind::Resource(of) => of.kind,
            NodeKind::Lookup { kind, .. } => kind,
            NodeKind::Decide => "decide",
        }
    }

    pub(crate) fn inputs(self) -> &'static Schema {
        match self {
            NodeKind::Resource(of) => of.inputs,
            NodeKind::Lookup { inputs, .. } => inputs,
            NodeKind::Decide => &Schema { fields: &[] },
        }
    }
}

/// One declared resource, lookup or subtree that is to be decided.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) kind: NodeKind,
    pub(crate) inputs: Arc<Expr>,
    pub(crate) options: Options,
    /// Of a lookup, the resources whose change makes its recorded answer an old one.
    pub(crate) renewed_by: Vec<NodeId>,
    pub(crate) declared_at: Site,
}

/// A value that must be computable once what it needs is known.
#[derive(Clone)]
pub(crate) struct Requirement {
    pub(crate) address: Address,
    pub(crate) field: Option<String>,
    pub(crate) value: Arc<Expr>,
    pub(crate) declared_at: Site,
}

/// A finished declaration, without the types of its outputs.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) stack: Arc<str>,
    pub(crate) token: ProgramToken,
    /// Edges point from a node to what needs it.
    pub(crate) graph: DiGraph<Node, ()>,
    /// All nodes, each after what it needs.
    pub(crate) order: Vec<NodeIndex>,
    pub(crate) deciders: BTreeMap<NodeIndex, Decider>,
    /// The subtree that a node was declared in, for those that were decided.
    pub(crate) decided_in: HashMap<NodeIndex, NodeIndex>,
    pub(crate) by_address: HashMap<Address, NodeIndex>,
    pub(crate) exports: Vec<(String, Arc<Expr>)>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) requirements: Vec<Requirement>,
    /// The addresses that were others before.
    pub(crate) moves: MoveRules,
    /// The addresses that were in other stacks before, by stack.
    pub(crate) arrivals: BTreeMap<String, MoveRules>,
}

impl Program {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.graph[NodeIndex::new(id.0 as usize)]
    }
}

/// A declaration under way.
pub(crate) struct Builder {
    pub(crate) program: Program,
    pub(crate) problems: Vec<Problem>,
    /// How many decisions what is declared now lies in.
    pub(crate) depth: u32,
}

impl Builder {
    pub(crate) fn new(stack: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            program: Program {
                stack: stack.into(),
                token: ProgramToken(NEXT.fetch_add(1, Ordering::Relaxed)),
                graph: DiGraph::new(),
                order: Vec::new(),
                deciders: BTreeMap::new(),
                decided_in: HashMap::new(),
                by_address: HashMap::new(),
                exports: Vec::new(),
                warnings: Vec::new(),
                requirements: Vec::new(),
                moves: MoveRules::default(),
                arrivals: BTreeMap::new(),
            },
            problems: Vec::new(),
            depth: 0,
        }
    }

    pub(crate) fn problem(
        &mut self,
        address: &Address,
        field: Option<&str>,
        site: Site,
        message: String,
    ) {
        self.problems.push(Problem {
            address: address.clone(),
            field: field.map(str::to_owned),
            message,
            declared_at: site.to_string(),
        });
    }

    /// Adds a node and the edges that its expressions and options ask for.
    pub(crate) fn add(&mut self, node: Node) -> ResourceRef {
        let token = self.program.token;
        let (address, site) = (node.address.clone(), node.declared_at);
        if let Some(&first) = self.program.by_address.get(&address) {
            let first = self.program.graph[first].declared_at;
            self.problem(
                &address,
                None,
                site,
                format!("the name is taken: it was declared at {first} before"),
            );
        }
        let mut foreign = false;
        let mut needs: Vec<NodeId> = Vec::new();
        let mut need = |from: ProgramToken, id: NodeId| {
            if from == token {
                needs.push(id);
            } else {
                foreign = true;
            }
        };
        node.inputs.dependencies(&mut need);
        let options = &node.options;
        let pointed =
            options.after.iter().chain(&options.replace_with).chain(&options.deleted_with);
        for reference in pointed {
            need(reference.token, reference.node);
        }
        if foreign {
            self.problem(
                &address,
                None,
                site,
                "it uses a handle or output of another stack; only this declaration's own work"
                    .into(),
            );
        }
        needs.sort_unstable();
        needs.dedup();
        let index = self.program.graph.add_node(node);
        for id in needs {
            self.program.graph.add_edge(NodeIndex::new(id.0 as usize), index, ());
        }
        self.program.order.push(index);
        self.program.by_address.insert(address, index);
        // Four billion resources in one stack is past every other limit.
        ResourceRef { token, node: NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX)) }
    }
}

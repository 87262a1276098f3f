//! Declaring: the whole desired graph, collected before anything is planned.
//!
//! Pure and synchronous. A handle exists only after its resource is declared, so declaration order
//! is a topological order and a cycle can not be written. A declaration that fails or panics
//! yields no stack, and so no plan and no change.

mod decide;
mod error;
mod moves;
mod options;
mod program;
mod scope;
mod site;

pub(crate) use decide::{Decider, Decisions};
pub(crate) use error::list as error_list;
pub use error::{DeclareError, Problem};
pub(crate) use moves::{MoveRules, Moved};
pub use options::{Options, Timeouts};
pub(crate) use program::{Builder, Node, NodeKind, Program};
pub use scope::{Component, Declaration, Scope, WithOptions};
pub use site::Site;

use crate::expr::{NodeId, ProgramToken};

/// A declared resource, for options that point at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceRef {
    pub(crate) token: ProgramToken,
    pub(crate) node: NodeId,
}

/// Anything that leads back to declared resources: a handle, an output, a list of either.
pub trait Reference {
    /// The resources.
    fn references(&self) -> Vec<ResourceRef>;
}

impl Reference for ResourceRef {
    fn references(&self) -> Vec<ResourceRef> {
        vec![*self]
    }
}
impl<R: Reference + ?Sized> Reference for &R {
    fn references(&self) -> Vec<ResourceRef> {
        (**self).references()
    }
}
impl<R: Reference> Reference for [R] {
    fn references(&self) -> Vec<ResourceRef> {
        self.iter().flat_map(Reference::references).collect()
    }
}
impl<R: Reference> Reference for Vec<R> {
    fn references(&self) -> Vec<ResourceRef> {
        self.as_slice().references()
    }
}

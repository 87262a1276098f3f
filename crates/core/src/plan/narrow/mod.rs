//! Plans that are about a part of the stack: which part, what they can not do without, and what
//! becomes of the rest, which is nothing at all.
//!
//! A narrowed plan is made of addresses: whatever is declared or recorded at one is in it or left
//! out as a whole. What is left out keeps its rows, open calls and answers as they are, is never an
//! orphan, and serves those who use it with what is recorded of it. No provider is asked for it.
//! Where that would leave something broken the plan is refused, naming all that it lacks.

mod check;
mod select;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    declare::{NodeKind, Program},
    identity::Address,
    state::Snapshot,
};

pub(super) use check::{Chosen, complete};

/// What a plan is asked to be about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Narrow {
    /// These, and what is inside of them; everything if there are none.
    pub(crate) targets: Vec<Address>,
    /// Not these, nor what is inside of them.
    pub(crate) excludes: Vec<Address>,
    /// Whether what a target needs is in it too.
    pub(crate) dependencies: bool,
    /// Whether what needs a target is in it too.
    pub(crate) dependents: bool,
}

/// The addresses that a plan is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Those of a narrowed plan; a whole one has all there are.
    part: Option<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    asked: Narrow,
    addresses: HashSet<Address>,
    /// The addresses that are left out and serve the others with what is recorded of them.
    serving: HashSet<Address>,
    /// Of `addresses`, those that were left out and can not be: they are in it to find all of them.
    lacking: HashSet<Address>,
}

impl Selection {
    /// Whether nothing is left out.
    pub(crate) fn is_whole(&self) -> bool {
        self.part.is_none()
    }

    /// Whether the plan is about this address.
    pub(crate) fn contains(&self, address: &Address) -> bool {
        self.part.as_ref().is_none_or(|part| part.addresses.contains(address))
    }

    /// Whether the user has said that this address is left out.
    fn excludes(&self, address: &Address) -> bool {
        self.part.as_ref().is_some_and(|part| is_named(address, &part.asked.excludes))
    }

    /// Takes an address in.
    fn add(&mut self, address: &Address) {
        if let Some(part) = &mut self.part {
            part.addresses.insert(address.clone());
        }
    }

    /// Whether the plan lacks this address, and is only thought about with it.
    fn lacks(&self, address: &Address) -> bool {
        self.part.as_ref().is_some_and(|part| part.lacking.contains(address))
    }

    /// The rows and open calls that the plan is about.
    pub(crate) fn view<'s>(&self, snapshot: &'s Snapshot) -> Cow<'s, Snapshot> {
        self.filtered(snapshot, |part, address| part.addresses.contains(address))
    }

    /// These, and the rows of what serves them.
    pub(crate) fn read<'s>(&self, snapshot: &'s Snapshot) -> Cow<'s, Snapshot> {
        self.filtered(snapshot, |part, address| {
            part.addresses.contains(address) || part.serving.contains(address)
        })
    }

    fn filtered<'s>(
        &self,
        snapshot: &'s Snapshot,
        wanted: impl Fn(&Part, &Address) -> bool,
    ) -> Cow<'s, Snapshot> {
        let Some(part) = &self.part else { return Cow::Borrowed(snapshot) };
        let records = snapshot.records.iter().filter(|(_, row)| wanted(part, &row.address));
        let intents = snapshot.intents.iter().filter(|(id, intent)| {
            let record = intent.record.as_deref().or_else(|| snapshot.records.get(id));
            record.is_some_and(|record| wanted(part, &record.address))
        });
        Cow::Owned(Snapshot {
            records: records.map(|(id, row)| (*id, row.clone())).collect(),
            intents: intents.map(|(id, intent)| (*id, intent.clone())).collect(),
            lineage: snapshot.lineage.clone(),
            version: snapshot.version,
            pins: snapshot.pins.clone(),
            targets: snapshot.targets.clone(),
            departed: snapshot.departed.clone(),
            exports: snapshot.exports.clone(),
        })
    }

    /// What the plan says of it.
    pub(super) fn narrowed(
        &self,
        program: &Program,
        snapshot: &Snapshot,
        kept_outputs: Vec<String>,
    ) -> Option<Narrowed> {
        let part = self.part.as_ref()?;
        let declared = program.graph.node_weights();
        let declared = declared.filter(|node| matches!(node.kind, NodeKind::Resource(_)));
        let intended = snapshot.intents.values().filter_map(|intent| intent.record.as_deref());
        let recorded = snapshot.records.values().chain(intended).map(|record| &record.address);
        let all: BTreeSet<&Address> = declared.map(|node| &node.address).chain(recorded).collect();
        let (chosen, left_out): (Vec<&Address>, Vec<&Address>) =
            all.into_iter().partition(|address| part.addresses.contains(*address));
        let asked = &part.asked;
        let pulled_in = chosen.into_iter().filter(|address| !is_named(address, &asked.targets));
        let pulled_in = match asked.targets.is_empty() {
            true => Vec::new(),
            false => pulled_in.cloned().collect(),
        };
        Some(Narrowed {
            targets: asked.targets.clone(),
            excludes: asked.excludes.clone(),
            pulled_in,
            left_out: left_out.into_iter().cloned().collect(),
            kept_outputs,
        })
    }
}

/// Whether an address is one of these, or inside of one.
fn is_named(address: &Address, names: &[Address]) -> bool {
    names.iter().any(|name| address == name || address.is_inside(name.as_str()))
}

/// What a plan is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// The addresses that were asked for, of resources or components; without any, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Address>,
    /// The addresses that were asked to be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<Address>,
    /// What the plan is about without having been named: what lives on a host that goes, and what
    /// was asked for as the dependencies or dependents of the targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pulled_in: Vec<Address>,
    /// The resources that stay as they are, declared or recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Address>,
    /// The outputs of the stack that keep their recorded value: what they come from is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_outputs: Vec<String>,
}

impl fmt::Display for Narrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("narrowed")?;
        let list = |names: &[Address]| {
            names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        if !self.targets.is_empty() {
            write!(f, " to {}", list(&self.targets))?;
        }
        if !self.pulled_in.is_empty() {
            write!(f, " and with it {}", list(&self.pulled_in))?;
        }
        if !self.excludes.is_empty() {
            write!(f, " without {}", list(&self.excludes))?;
        }
        match self.left_out.len() {
            1 => f.write_str(": 1 resource is left out"),
            n => write!(f, ": {n} resources are left out"),
        }
    }
}

/// A resource that a narrowed plan leaves out and can not do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its address.
    pub address: Address,
    /// Why it is needed.
    pub why: Lack,
}

/// Why a narrowed plan can not do without a resource that it leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// It does not exist yet, and this uses it.
    NotThere {
        /// Who uses it.
        user: Address,
    },
    /// It exists and is not known to be ready, and this uses it.
    NotReady {
        /// Who uses it.
        user: Address,
    },
    /// It is a lookup that was never answered, and this uses it.
    NotAsked {
        /// Who uses it.
        user: Address,
    },
    /// It uses an object that goes.
    Uses {
        /// The address of that object.
        goes: Address,
    },
    /// It lives on an object that goes.
    LivesOn {
        /// The address of that object.
        goes: Address,
    },
    /// It has a unique value that this takes.
    Has {
        /// The fields that are unique, together.
        fields: Vec<String>,
        /// Who takes it.
        taker: Address,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.why)
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::NotThere { user } => write!(f, "{user} needs it, and it is not there yet"),
            Lack::NotReady { user } => {
                write!(f, "{user} needs it, and no run has seen it ready yet")
            }
            Lack::NotAsked { user } => write!(f, "{user} needs it, and it was never answered"),
            Lack::Uses { goes } => write!(f, "it uses the object of {goes} that goes"),
            Lack::LivesOn { goes } => write!(f, "it lives on the object of {goes} that goes"),
            Lack::Has { fields, taker } => {
                write!(f, "it has the `{}` that {taker} takes", fields.join("` and `"))
            }
        }
    }
}

/// An address that was asked for and that nothing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAddress {
    /// The address.
    pub address: Address,
    /// The one that was probably meant.
    pub nearest: Option<Address>,
}

impl fmt::Display for UnknownAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        match &self.nearest {
            Some(nearest) => write!(f, ": did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

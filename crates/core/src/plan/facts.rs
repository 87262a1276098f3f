//! What the planner is given, gathered beforehand.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{
    declare::Options,
    gather::Readiness,
    identity::{Address, ResourceId, Seed},
    policy::Policies,
    provider::Seen,
    schema::ResourceType,
    state::{Change, Pin, Record, Snapshot},
    value::Value,
};

use super::{Imports, Moves, Recovered, narrow::Selection, unmanaged::Children};

/// What was seen of one recorded object.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// It is there, like this.
    There(Seen),
    /// It is not there any more.
    Gone,
}

/// How much of the cloud a plan looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshMode {
    /// Everything recorded, by listing each type.
    #[default]
    List,
    /// Only what the program changes.
    Minimal,
    /// Nothing; the records are believed.
    None,
}

/// What the plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// What the program declares.
    Program,
    /// Nothing at all.
    Nothing,
    /// What is there, in the records; nothing that is there changes.
    Records,
}

/// An update of an earlier run whose end nobody saw.
#[derive(Clone, Debug)]
pub(crate) struct Uncertain {
    /// What it was going to send.
    pub(crate) inputs: Value,
    /// What its object needs, if it reached it.
    pub(crate) depends_on: Vec<ResourceId>,
    /// The host that its object lives on, if it reached it.
    pub(crate) deleted_with: Option<ResourceId>,
}

/// The name of the provider of a kind, by the options of its declaration and by its row.
pub(crate) type ProviderOf<'a> = dyn Fn(&str, &Options, Option<&Record>) -> Option<String> + 'a;

/// Everything that the pure planner knows beside the program.
pub(crate) struct Facts<'a> {
    pub(crate) want: Want,
    /// What the plan is about; whatever is left out stays as it is.
    pub(crate) selection: Selection,
    /// The state, with `repairs` applied already.
    pub(crate) snapshot: Snapshot,
    pub(crate) repairs: Vec<Change>,
    pub(crate) recovered: Vec<Recovered>,
    pub(crate) moves: Moves,
    pub(crate) imports: Imports,
    pub(crate) observed: HashMap<ResourceId, Observation>,
    /// Of objects that no run has seen ready: what their types say, where records are refreshed.
    pub(crate) readiness: HashMap<ResourceId, Readiness>,
    /// Updates whose end is not known, by object.
    pub(crate) uncertain: HashMap<ResourceId, Uncertain>,
    /// Ids of creates that certainly did not happen, with what they would have sent: to be used
    /// again, so that a client token keeps protecting.
    pub(crate) retried: HashMap<Address, (ResourceId, Value)>,
    /// Objects whose delete began in an earlier run and was not seen to end.
    pub(crate) deleting: HashSet<ResourceId>,
    /// What belongs to the managed objects, and that no row has.
    pub(crate) children: Children,
    /// Answers of lookups, by address; those of this run are new pins.
    pub(crate) answers: HashMap<Address, Pin>,
    /// Whether recorded answers do not count.
    pub(crate) ask_again: bool,
    /// Whether what others own is looked at, though an answer is recorded.
    pub(crate) ask_existing: bool,
    /// The addresses that must be replaced because the user asked.
    pub(crate) replace: HashSet<Address>,
    pub(crate) seed: Seed,
    /// The policies, which may put right what is declared.
    pub(crate) policies: &'a Policies,
    /// The type of a kind, for rows that the program does not declare.
    pub(crate) types: &'a dyn Fn(&str, &str) -> Option<&'static ResourceType>,
    /// The name of the provider that answers lookups of a kind, by the options of its declaration.
    pub(crate) asked_of: &'a dyn Fn(&str, &Options) -> Option<String>,
    /// The name of the provider that a resource of a kind goes through.
    pub(crate) provider_of: &'a ProviderOf<'a>,
    /// Whether two providers, by name, point to the same place.
    pub(crate) same_place: &'a dyn Fn(&str, &str) -> bool,
    /// Validates a declared resource.
    pub(crate) validate: &'a dyn Fn(&mut crate::check::Check<'_>, &str, &str),
}

impl Facts<'_> {
    /// The objects that a recorded one may refer to, once each: an update whose end nobody saw may
    /// have reached it or not.
    pub(crate) fn needs(&self, record: &Record) -> Vec<ResourceId> {
        let sent = self.uncertain.get(&record.id).into_iter().flat_map(|sent| &sent.depends_on);
        let mut needs: Vec<ResourceId> = record
            .depends_on
            .iter()
            .chain(&record.options.deleted_with)
            .chain(sent)
            .copied()
            .collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }
}

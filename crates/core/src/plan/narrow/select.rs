//! From the addresses that were asked for to those that the plan is about. Reads the program and
//! what is recorded, and asks nobody.

use std::collections::{BTreeSet, HashMap, HashSet};

use petgraph::{Direction, graph::NodeIndex};

use super::{super::Want, Narrow, Part, Selection, UnknownAddress, is_named};
use crate::{
    declare::{NodeKind, Program},
    identity::{Address, ResourceId},
    plan::PlanError,
    state::{Record, Snapshot},
};

impl Narrow {
    pub(crate) fn is_whole(&self) -> bool {
        self.targets.is_empty() && self.excludes.is_empty()
    }

    /// The addresses that the plan is about. Those in `replace` are, whatever the targets.
    pub(crate) fn select<'r>(
        &self,
        program: &Program,
        snapshot: &Snapshot,
        want: Want,
        replace: impl Iterator<Item = &'r Address>,
    ) -> Result<Selection, PlanError> {
        let mut replace: Vec<&Address> = replace.filter(|_| want == Want::Program).collect();
        replace.sort_unstable();
        if self.is_whole() && replace.is_empty() {
            return Ok(Selection::default());
        }
        let atlas = Atlas::of(program, snapshot, want);
        self.check_names(program, &atlas, &replace)?;
        if self.is_whole() {
            return Ok(Selection::default());
        }
        let mut addresses = atlas.all();
        if !self.targets.is_empty() {
            let undecided: Vec<&Address> = program.undecided().map(|(_, at)| at).collect();
            let holds = |at: &Address| self.targets.iter().any(|name| name.is_inside(at.as_str()));
            // To get at what lies in it, it has to be decided.
            let named = |address: &Address| {
                is_named(address, &self.targets) || (undecided.contains(&address) && holds(address))
            };
            addresses.retain(|address| named(address) || replace.contains(address));
        }
        if self.dependents {
            atlas.spread(&mut addresses, |at| {
                let declared: &[&Address] = if want == Want::Program { &at.users } else { &[] };
                declared.iter().chain(&at.recorded_users)
            });
        }
        if self.dependencies {
            match want {
                Want::Program => atlas.spread(&mut addresses, |at| at.needs.iter()),
                Want::Records => atlas.spread(&mut addresses, |at| at.recorded_needs.iter()),
                // Of what goes, that which it needs stays.
                Want::Nothing => {}
            }
        }
        let left_out = self.left_out(&atlas, want);
        addresses.retain(|address| !left_out.contains(address));
        self.check_left(program, &addresses, &replace)?;
        match want {
            // What lives on a host goes with the host.
            Want::Nothing => atlas.spread(&mut addresses, |at| at.recorded_guests.iter()),
            Want::Program => atlas.ask(program, &mut addresses),
            Want::Records => {}
        }
        let serving = match want {
            Want::Program => atlas.serving(program, &addresses),
            Want::Nothing | Want::Records => HashSet::new(),
        };
        let own = |addresses: HashSet<&Address>| addresses.into_iter().cloned().collect();
        let (addresses, serving) = (own(addresses), own(serving));
        let lacking = HashSet::new();
        Ok(Selection { part: Some(Part { asked: self.clone(), addresses, serving, lacking }) })
    }

    /// Refuses names that nothing has, all of them at once.
    fn check_names(
        &self,
        program: &Program,
        atlas: &Atlas<'_>,
        replace: &[&Address],
    ) -> Result<(), PlanError> {
        let somewhere = |name: &Address| {
            atlas.places.keys().any(|at| *at == name || at.is_inside(name.as_str()))
                // It may come to be when that is decided.
                || program.is_undecided(name)
        };
        let declared = |name: &Address| {
            let node = program.by_address.get(name).map(|node| program.graph[*node].kind);
            matches!(node, Some(NodeKind::Resource(_))) || program.is_undecided(name)
        };
        let narrowed = self.targets.iter().chain(&self.excludes).filter(|name| !somewhere(name));
        let mut unknown: Vec<UnknownAddress> =
            narrowed.map(|name| atlas.unknown(name, |_| true)).collect();
        let replaced = replace.iter().filter(|name| !declared(name));
        unknown.extend(replaced.map(|name| atlas.unknown(name, declared)));
        if unknown.is_empty() { Ok(()) } else { Err(PlanError::UnknownAddresses { unknown }) }
    }

    /// What stays because it is excluded, or because of what is excluded.
    fn left_out<'a>(&self, atlas: &Atlas<'a>, want: Want) -> HashSet<&'a Address> {
        let mut left_out = atlas.all();
        left_out.retain(|address| is_named(address, &self.excludes));
        match want {
            // What needs something that is left out would be planned without what that changes.
            Want::Program => {
                atlas.spread(&mut left_out, |at| at.users.iter());
                // What goes is not needed by anybody who stays as it is.
                atlas.spread(&mut left_out, |at| at.recorded_orphans.iter());
            }
            Want::Nothing => atlas
                .spread(&mut left_out, |at| at.recorded_needs.iter().chain(&at.recorded_guests)),
            Want::Records => {}
        }
        left_out
    }

    /// Refuses what was asked for by name and can not be, because of what is excluded.
    fn check_left(
        &self,
        program: &Program,
        addresses: &HashSet<&Address>,
        replace: &[&Address],
    ) -> Result<(), PlanError> {
        let undecided: Vec<&Address> = program.undecided().map(|(_, at)| at).collect();
        let left = |name: &Address| {
            addresses.iter().any(|at| {
                let holds = undecided.contains(at) && name.is_inside(at.as_str());
                *at == name || at.is_inside(name.as_str()) || holds
            })
        };
        let mut nothing: Vec<Address> = self
            .targets
            .iter()
            .chain(replace.iter().copied())
            .filter(|n| !left(n))
            .cloned()
            .collect();
        nothing.sort_unstable();
        nothing.dedup();
        if nothing.is_empty() {
            return Ok(());
        }
        Err(PlanError::Excluded { addresses: nothing, excludes: self.excludes.clone() })
    }
}

/// Who needs whom, by address.
#[derive(Default)]
struct Place<'a> {
    /// As the program declares it.
    needs: Vec<&'a Address>,
    users: Vec<&'a Address>,
    /// As it is recorded.
    recorded_needs: Vec<&'a Address>,
    recorded_users: Vec<&'a Address>,
    /// Of those that it needs, the ones that the program does not declare.
    recorded_orphans: Vec<&'a Address>,
    recorded_guests: Vec<&'a Address>,
}

struct Atlas<'a> {
    places: HashMap<&'a Address, Place<'a>>,
}

impl<'a> Atlas<'a> {
    fn of(program: &'a Program, snapshot: &'a Snapshot, want: Want) -> Self {
        let mut places: HashMap<&Address, Place<'_>> = HashMap::new();
        for index in program.graph.node_indices() {
            let address = &program.graph[index].address;
            let needs = program.graph.neighbors_directed(index, Direction::Incoming);
            let needs: Vec<&Address> = needs.map(|from| &program.graph[from].address).collect();
            for needed in &needs {
                places.entry(needed).or_default().users.push(address);
            }
            places.entry(address).or_default().needs.extend(needs);
        }
        // A call that is open may have made what its row does not say yet.
        let intended = snapshot.intents.values().filter_map(|intent| intent.record.as_deref());
        let known: Vec<&Record> = snapshot.records.values().chain(intended).collect();
        let address_of: HashMap<ResourceId, &Address> =
            known.iter().map(|record| (record.id, &record.address)).collect();
        for record in known {
            let address = &record.address;
            places.entry(address).or_default();
            let host = record.options.deleted_with;
            for needed in record.depends_on.iter().chain(&host) {
                let Some(at) = address_of.get(needed).filter(|at| **at != address) else {
                    continue;
                };
                let guest = host == Some(*needed);
                let orphan = want == Want::Program && !program.by_address.contains_key(*at);
                let place = places.entry(at).or_default();
                place.recorded_users.push(address);
                if guest {
                    place.recorded_guests.push(address);
                }
                let place = places.entry(address).or_default();
                place.recorded_needs.push(at);
                if orphan {
                    place.recorded_orphans.push(at);
                }
            }
        }
        for address in snapshot.pins.keys() {
            places.entry(address).or_default();
        }
        Self { places }
    }

    fn all(&self) -> HashSet<&'a Address> {
        self.places.keys().copied().collect()
    }

    /// Adds to `addresses` what `next` leads to from them, and from what is added.
    fn spread<'s, I>(
        &'s self,
        addresses: &mut HashSet<&'a Address>,
        next: impl Fn(&'s Place<'a>) -> I,
    ) where
        I: Iterator<Item = &'s &'a Address>,
        'a: 's,
    {
        let mut stack: Vec<&Address> = addresses.iter().copied().collect();
        while let Some(address) = stack.pop() {
            for found in self.places.get(address).into_iter().flat_map(&next) {
                if addresses.insert(found) {
                    stack.push(found);
                }
            }
        }
    }

    /// Adds the lookups that the resources among `addresses` need, through whatever lookups.
    fn ask(&self, program: &'a Program, addresses: &mut HashSet<&'a Address>) {
        let lookup = |address: &Address| {
            let node = program.by_address.get(address).map(|node| program.graph[*node].kind);
            matches!(node, Some(NodeKind::Lookup { .. } | NodeKind::Decide))
        };
        let mut stack: Vec<&Address> = addresses.iter().copied().collect();
        while let Some(address) = stack.pop() {
            let needs = self.places.get(address).into_iter().flat_map(|place| &place.needs);
            for needed in needs.filter(|needed| lookup(needed)) {
                if addresses.insert(needed) {
                    stack.push(needed);
                }
            }
        }
    }

    /// The addresses beside `addresses` that these use, and those that live on them may.
    fn serving(
        &self,
        program: &'a Program,
        addresses: &HashSet<&'a Address>,
    ) -> HashSet<&'a Address> {
        let mut users = addresses.clone();
        let declared = |address: &&Address| program.by_address.contains_key(*address);
        for node in program.order.iter().map(|at| &program.graph[*at]) {
            let host = node.options.deleted_with.map(|host| &program.node(host.node).address);
            // A host is declared before what lives on it.
            if host.is_some_and(|host| users.contains(host)) {
                users.insert(&node.address);
            }
        }
        self.spread(&mut users, |at| at.recorded_guests.iter());
        let mut serving = HashSet::new();
        for user in users.iter().filter(|user| declared(user)) {
            let index = program.by_address[*user];
            let mut stack: Vec<NodeIndex> = vec![index];
            while let Some(at) = stack.pop() {
                for from in program.graph.neighbors_directed(at, Direction::Incoming) {
                    match program.graph[from].kind {
                        NodeKind::Lookup { .. } | NodeKind::Decide => stack.push(from),
                        NodeKind::Resource(_) => {
                            serving.insert(&program.graph[from].address);
                        }
                    }
                }
            }
        }
        serving.retain(|address| !addresses.contains(address));
        serving
    }

    /// A name that nothing has, with the nearest of those that may be meant.
    fn unknown(&self, name: &Address, may: impl Fn(&Address) -> bool) -> UnknownAddress {
        let mut there: BTreeSet<&str> = BTreeSet::new();
        for address in self.places.keys() {
            let path = address.as_str();
            let components = path.match_indices('/').map(|(at, _)| &path[..at]);
            there.extend(components.chain([path]));
        }
        let likeness = |other: &str| strsim::jaro_winkler(name.as_str(), other);
        let near = there.into_iter().filter(|other| may(&Address::new(*other)));
        let near = near.map(|other| (likeness(other), other)).filter(|(like, _)| *like > 0.85);
        let nearest = near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, other)| Address::new(other));
        UnknownAddress { address: name.clone(), nearest }
    }
}

//! The steps of what goes: whom each waits for, and how long a row outlives its object.

use std::{collections::HashMap, time::Duration};

use super::{
    super::{Action, Facts, Reason, Step, StepId, removals::Removal},
    Arrangement,
    soft::{Soft, Weight},
};
use crate::{hook::HookPoint, identity::ResourceId, state::Record};

/// Who is recorded to depend on each row.
pub(super) struct Users(HashMap<ResourceId, Vec<ResourceId>>);

impl Users {
    pub(super) fn of_all(facts: &Facts<'_>) -> Self {
        let mut users: HashMap<ResourceId, Vec<ResourceId>> = HashMap::new();
        for record in facts.snapshot.records.values() {
            for needed in facts.needs(record) {
                users.entry(needed).or_default().push(record.id);
            }
        }
        Self(users)
    }

    fn of(&self, row: ResourceId) -> &[ResourceId] {
        self.0.get(&row).map_or(&[], Vec::as_slice)
    }
}

/// What is at a row that stays, or behind it: among those who use it, directly or through others
/// that stay. Many steps stand here as one join, so that all who ask share them.
#[derive(Clone, Default)]
pub(super) struct Behind {
    /// The objects that go.
    deletes: Vec<StepId>,
    /// The changes of what stays.
    moves: Vec<StepId>,
}

impl Removal {
    fn rows(&self) -> impl Iterator<Item = ResourceId> {
        std::iter::once(self.row).chain(self.takes_along.iter().copied())
    }
}

impl Arrangement<'_> {
    pub(super) fn removals(&mut self, users: &Users, removals: &[Removal]) {
        let draft = self.draft;
        for (node, decision) in draft.decisions.iter().enumerate() {
            if let Some(row) = decision.as_ref().and_then(|d| d.row) {
                self.node_of_row.insert(row, node);
            }
        }
        for removal in removals {
            let record = &draft.facts.snapshot.records[&removal.row];
            let (mut step, weight) =
                self.removal_step(record, removal.action, removal.reasons.clone());
            step.takes_along.clone_from(&removal.takes_along);
            let id = self.push(step, weight);
            self.of_row.extend(removal.rows().map(|row| (row, id)));
        }
        for removal in removals {
            let step = self.of_row[&removal.row];
            self.order_removal(users, removal, step);
            if removal.delete_first {
                self.leave_row(users, removal, step);
            }
        }
    }

    fn order_removal(&mut self, users: &Users, removal: &Removal, step: StepId) {
        let created = removal.replaced_by.and_then(|node| self.of_node[node]);
        match created {
            Some(created) if removal.delete_first => self.wait(created, step),
            Some(created) => self.wait(step, created),
            None => {}
        }
        for row in removal.rows() {
            for &user in users.of(row) {
                if self.of_row.get(&user) != Some(&step) {
                    self.order_user(users, removal, step, user);
                }
            }
        }
        for along in &removal.takes_along {
            if let Some(renewed) = self.change_of(*along)
                && !self.comes_after(removal, renewed)
            {
                self.prefer(renewed, step, Weight::Renewed);
            }
        }
        if removal.replaced_by.is_none() && removal.action == Action::Delete {
            let facts = self.draft.facts;
            for used in facts.needs(&facts.snapshot.records[&removal.row]) {
                if let Some(change) = self.change_of(used)
                    && self.steps[change.index()].action == Action::Update
                {
                    self.prefer(step, change, Weight::LetsGo);
                }
            }
        }
    }

    /// Orders what goes behind one that uses it, or may still use it.
    fn order_user(&mut self, users: &Users, removal: &Removal, step: StepId, user: ResourceId) {
        let gone = self.of_row.get(&user).copied();
        if let Some(gone) = gone {
            // Neither a row without an object nor one that goes along with another holds anything up
            // in the cloud: only the row that it refers to has to outlive it.
            let row_only = self.delete_of(user).is_none();
            if removal.action == Action::Forget || !row_only {
                self.wait(step, gone);
            } else if !removal.delete_first {
                self.prefer(gone, step, Weight::Row);
            }
            if self.own_removal(user).is_some() {
                return;
            }
        }
        let behind = self.behind(users, user);
        for before in behind.deletes {
            self.prefer(before, step, Weight::Through);
        }
        if !removal.delete_first {
            for moves in behind.moves {
                self.prefer(moves, step, Weight::Moves);
            }
        } else if gone.is_none()
            && let Some(moves) = self.change_of(user)
            && !self.comes_after(removal, moves)
        {
            self.prefer(moves, step, Weight::MovesFirst);
        }
    }

    fn prefer(&mut self, before: StepId, after: StepId, weight: Weight) {
        if before != after {
            self.soft.push(Soft { before, after, weight });
        }
    }

    /// The step of the node whose object the row is.
    fn change_of(&self, row: ResourceId) -> Option<StepId> {
        self.of_node[*self.node_of_row.get(&row)?]
    }

    /// The step that removes this row and not another that it goes along with.
    fn own_removal(&self, row: ResourceId) -> Option<StepId> {
        let gone = self.of_row.get(&row).copied();
        gone.filter(|gone| self.steps[gone.index()].id == row)
    }

    /// Whether a change waits for a new object itself, and not only through others, whose old one
    /// goes first: then it can not come before that goes.
    fn comes_after(&self, removal: &Removal, change: StepId) -> bool {
        let created = removal.replaced_by.and_then(|node| self.of_node[node]);
        // In order, for nothing that comes later is added to what is made or changed.
        let waits = |created| self.steps[change.index()].after.binary_search(&created).is_ok();
        removal.delete_first && created.is_some_and(waits)
    }

    /// What is at and behind a row, found once for all who ask.
    fn behind(&mut self, users: &Users, row: ResourceId) -> Behind {
        let mut stack = vec![(row, false)];
        while let Some((row, users_done)) = stack.pop() {
            if !users_done {
                // A ring in damaged state ends here too.
                if self.behind.contains_key(&row) {
                    continue;
                }
                self.behind.insert(row, Behind::default());
                stack.push((row, true));
                let on = users.of(row).iter().filter(|user| self.delete_of(**user).is_none());
                stack.extend(on.map(|user| (*user, false)));
                continue;
            }
            let mut behind = Behind::default();
            if !self.of_row.contains_key(&row) {
                behind.moves.extend(self.change_of(row));
            }
            for user in users.of(row) {
                match (self.delete_of(*user), self.behind.get(user)) {
                    (Some(gone), _) => behind.deletes.push(gone),
                    (None, Some(further)) => {
                        behind.deletes.extend_from_slice(&further.deletes);
                        behind.moves.extend_from_slice(&further.moves);
                    }
                    (None, None) => {}
                }
            }
            if self.own_removal(row).is_some() {
                behind.moves.clear();
            }
            behind.deletes = self.narrow(row, behind.deletes);
            behind.moves = self.narrow(row, behind.moves);
            self.behind.insert(row, behind);
        }
        self.behind.get(&row).cloned().unwrap_or_default()
    }

    fn delete_of(&self, row: ResourceId) -> Option<StepId> {
        self.own_removal(row).filter(|gone| self.steps[gone.index()].action == Action::Delete)
    }

    /// The same steps, as one join if they are many.
    fn narrow(&mut self, row: ResourceId, mut before: Vec<StepId>) -> Vec<StepId> {
        before.sort_unstable();
        before.dedup();
        if before.len() <= 4 {
            return before;
        }
        let mut join = self.blank(row, Action::Join);
        join.address = self.draft.facts.snapshot.records[&row].address.clone();
        join.after = before;
        vec![self.push(join, 0)]
    }

    /// Rows of objects that go while others still refer to them stay until nobody does any more.
    pub(super) fn leave_row(&mut self, users: &Users, removal: &Removal, step: StepId) {
        let draft = self.draft;
        self.steps[step.index()].leaves_row = true;
        let records = &draft.facts.snapshot.records;
        for row in removal.rows() {
            let reason = match removal.replaced_by {
                _ if row != removal.row => Reason::GoesWith(records[&removal.row].address.clone()),
                Some(_) => Reason::Replaced,
                None => Reason::Gone,
            };
            let (forget, weight) = self.removal_step(&records[&row], Action::Forget, vec![reason]);
            let forget = self.push(forget, weight);
            self.wait(forget, step);
            // The new object takes over the address first.
            if let Some(created) = self.change_of(row) {
                self.wait(forget, created);
            }
            for user in users.of(row) {
                let gone = self.of_row.get(user).copied();
                if let Some(done) = gone.or_else(|| self.change_of(*user)) {
                    self.wait(forget, done);
                }
            }
        }
    }

    fn removal_step(&self, record: &Record, action: Action, reasons: Vec<Reason>) -> (Step, u64) {
        let of = (self.draft.facts.types)(&record.provider, &record.kind);
        let mut step = self.blank(record.id, action);
        step.address = record.address.clone();
        step.kind.clone_from(&record.kind);
        step.provider.clone_from(&record.provider);
        step.group = of.map(|of| of.group).unwrap_or_default();
        step.reasons = reasons;
        step.declared_at.clone_from(&record.declared_at);
        (step.options.delete_timeout, step.options.hooks) = self.of_delete(record);
        let weight = if action == Action::Delete { of.map_or(1, |of| of.seconds) } else { 0 };
        (step, u64::from(weight))
    }

    /// The program's word counts where it still declares the resource, the record's where it does not.
    fn of_delete(&self, record: &Record) -> (Option<Duration>, Vec<(HookPoint, String)>) {
        let program = self.draft.program;
        let declared = program.by_address.get(&record.address).map(|node| &program.graph[*node]);
        match declared.filter(|node| node.kind.name() == record.kind) {
            Some(node) => (node.options.timeouts.delete, node.options.hooks.clone()),
            None => (record.options.delete_timeout, record.options.hooks.clone()),
        }
    }
}

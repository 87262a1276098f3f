//! Assertions on a plan, for the tests of whoever writes stacks.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    plan::{Action, Plan, Reason, Step, Summary},
    value::{Path, Value},
};

/// Asserts what a plan says: see [`Expect`].
#[must_use = "it asserts nothing by itself"]
pub fn expect(plan: &Plan) -> Expect<'_> {
    Expect { plan }
}

/// What is expected of a plan. Each method asserts one thing and panics with the whole plan where it
/// is not so; all of them can be chained.
///
/// ```
/// use formwork_core::{Stack, testing::{Thing, expect, plan_of}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stack = Stack::new("shop", |scope| {
///     let key = scope.add("key", Thing::builder().password("hunter2").build());
///     let lock = scope.add("lock", Thing::builder().fixed_ref(&key.id).build());
///     scope.export("lock", &lock.id);
/// })
/// .unwrap();
/// let plan = plan_of(&stack).await.unwrap();
/// expect(&plan)
///     .creates("key")
///     .creates("lock")
///     .count(2)
///     .secret("key", "password")
///     .unknown("lock", "fixed_ref")
///     .before("create key", "create lock")
///     .output_unknown("lock")
///     .nothing_goes();
/// # });
/// ```
#[derive(Clone, Copy)]
pub struct Expect<'p> {
    plan: &'p Plan,
}

impl Expect<'_> {
    /// Makes an object at this address, where there is none.
    #[track_caller]
    pub fn creates(self, address: &str) -> Self {
        let made = self.step(Action::Create, address);
        self.assert(!made.is_replacement(), &format!("{address} is replaced, and not made anew"));
        self
    }

    /// Changes the object at this address in place.
    #[track_caller]
    pub fn updates(self, address: &str) -> Self {
        self.step(Action::Update, address);
        self
    }

    /// Replaces the object at this address by a new one, in whichever order.
    #[track_caller]
    pub fn replaces(self, address: &str) -> Self {
        let replaces = self.is_replaced(address);
        self.assert(replaces, &format!("{address} is not replaced"));
        self
    }

    /// Removes the object at this address, and makes no other one there.
    #[track_caller]
    pub fn deletes(self, address: &str) -> Self {
        self.step(Action::Delete, address);
        self.assert(!self.is_replaced(address), &format!("{address} is replaced"));
        self
    }

    /// Forgets the object at this address, and leaves it in the cloud.
    #[track_caller]
    pub fn forgets(self, address: &str) -> Self {
        self.step(Action::Forget, address);
        self
    }

    /// Does nothing to what is at this address, or inside it.
    #[track_caller]
    pub fn leaves(self, address: &str) -> Self {
        let inside =
            |step: &&Step| step.address.as_str() == address || step.address.is_inside(address);
        let found = self.plan.steps().find(inside);
        let what = found.map(|step| format!("{} {}", verb(step.action), step.address));
        self.assert(what.is_none(), &format!("{address} is not left alone: {what:?}"));
        self
    }

    /// Neither removes nor replaces anything.
    #[track_caller]
    pub fn nothing_goes(self) -> Self {
        let goes = |step: &&Step| step.action == Action::Delete || !step.takes_along.is_empty();
        let found = self.plan.steps().find(goes).map(|step| step.address.to_string());
        self.assert(found.is_none(), &format!("{} goes", found.clone().unwrap_or_default()));
        self
    }

    /// Keeps the object at this address: it is neither removed nor replaced.
    #[track_caller]
    pub fn keeps(self, address: &str) -> Self {
        let goes = |step: &&Step| step.action == Action::Delete && step.address.as_str() == address;
        let found = self.plan.steps().find(goes).is_some() || self.is_replaced(address);
        self.assert(!found, &format!("{address} goes"));
        self
    }

    /// Has so many resources to change: made, changed, replaced, removed, moved, forgotten.
    #[track_caller]
    pub fn count(self, n: usize) -> Self {
        let Summary { create, update, replace, delete, forget, moved, settle, .. } =
            self.plan.summary();
        let found = create + update + replace + delete + forget + moved + settle;
        self.assert(found == n, &format!("{found} resources change, and not {n}"));
        self
    }

    /// Changes nothing at all.
    #[track_caller]
    pub fn empty(self) -> Self {
        self.assert(self.plan.is_empty(), "it is not empty");
        self
    }

    /// Sends this value for a field: `input("network/vpc", "tags[\"team\"]", "ml")`.
    #[track_caller]
    pub fn input(self, address: &str, path: &str, value: impl Serialize) -> Self {
        let found = self.field(address, path);
        let value = Value::from_data(&value).unwrap_or_default();
        let same = found.open() == value.open();
        self.assert(same, &format!("{address}.{path} is {found}, and not {value}"));
        self
    }

    /// Sends a value for a field that is known only after apply.
    #[track_caller]
    pub fn unknown(self, address: &str, path: &str) -> Self {
        let found = self.field(address, path);
        self.assert(!found.is_known(), &format!("{address}.{path} is known: {found}"));
        self
    }

    /// Sends a value for a field that nobody may see.
    #[track_caller]
    pub fn secret(self, address: &str, path: &str) -> Self {
        let secret = self.field(address, path).has_secret();
        self.assert(secret, &format!("{address}.{path} is no secret"));
        self
    }

    /// Does one step before another, however many are between: `before("create vpc", "create
    /// subnet")`.
    #[track_caller]
    pub fn before(self, first: &str, then: &str) -> Self {
        let steps = &self.plan.data().steps;
        let of = |name: &str| {
            let named = |step: &Step| format!("{} {}", verb(step.action), step.address) == name;
            let found: BTreeSet<usize> = (0..steps.len()).filter(|i| named(&steps[*i])).collect();
            self.assert(!found.is_empty(), &format!("there is no step `{name}`"));
            found
        };
        let (first_steps, mut open) = (of(first), of(then).into_iter().collect::<Vec<_>>());
        let mut seen = BTreeSet::new();
        while let Some(at) = open.pop() {
            for earlier in steps[at].after.iter().map(|id| id.0 as usize) {
                if seen.insert(earlier) {
                    open.push(earlier);
                }
            }
        }
        let comes = first_steps.iter().all(|step| seen.contains(step));
        self.assert(comes, &format!("`{first}` does not have to come before `{then}`"));
        self
    }

    /// Says why something is done: `reason("web", "replaced with network")` as the plan shows it.
    #[track_caller]
    pub fn reason(self, address: &str, reason: &str) -> Self {
        let reasons: Vec<String> = self
            .plan
            .steps()
            .filter(|step| step.address.as_str() == address)
            .flat_map(|step| step.reasons.iter().map(ToString::to_string))
            .collect();
        let has = reasons.iter().any(|found| found == reason);
        self.assert(has, &format!("{address} has the reasons {reasons:?}, and not {reason:?}"));
        self
    }

    /// Gives what was at one address another one, and changes nothing in the cloud for it.
    #[track_caller]
    pub fn moves(self, from: &str, to: &str) -> Self {
        let moves = &self.plan.data().moves;
        let moved = moves.iter().any(|of| of.from.as_str() == from && of.to.as_str() == to);
        self.assert(moved, &format!("{from} does not move to {to}"));
        self
    }

    /// Leaves the stack with this output.
    #[track_caller]
    pub fn output(self, name: &str, value: impl Serialize) -> Self {
        let found = self.exported(name);
        let value = Value::from_data(&value).unwrap_or_default();
        let same = found.open() == value.open();
        self.assert(same, &format!("the output {name} is {found}, and not {value}"));
        self
    }

    /// Leaves the stack with an output that is known only after apply.
    #[track_caller]
    pub fn output_unknown(self, name: &str) -> Self {
        let found = self.exported(name);
        self.assert(!found.is_known(), &format!("the output {name} is known: {found}"));
        self
    }

    /// Warns of something, in words that have this in them.
    #[track_caller]
    pub fn warns(self, of: &str) -> Self {
        let warnings = &self.plan.data().warnings;
        let warned = warnings.iter().any(|warning| warning.to_string().contains(of));
        self.assert(warned, &format!("nobody is warned of {of:?}"));
        self
    }

    #[track_caller]
    fn step(&self, action: Action, address: &str) -> &Step {
        let found = self.plan.steps().find(|s| s.action == action && s.address.as_str() == address);
        match found {
            Some(step) => step,
            None => self.fail(&format!("it does not {} {address}", verb(action))),
        }
    }

    fn is_replaced(&self, address: &str) -> bool {
        let here = |step: &&Step| step.address.as_str() == address;
        let mut steps = self.plan.data().steps.iter().filter(here);
        steps.any(|step| step.is_replacement() || step.reasons.contains(&Reason::Replaced))
    }

    #[track_caller]
    fn field(&self, address: &str, path: &str) -> Value {
        let sends = |step: &&Step| {
            let here = step.address.as_str() == address;
            here && matches!(step.action, Action::Create | Action::Update)
        };
        let Some(step) = self.plan.steps().find(sends) else {
            self.fail(&format!("it sends nothing for {address}"))
        };
        match Path::parse(path) {
            Ok(path) => path.of(&step.inputs).cloned().unwrap_or_default(),
            Err(error) => self.fail(&format!("{path:?} is no path: {error}")),
        }
    }

    #[track_caller]
    fn exported(&self, name: &str) -> Value {
        match self.plan.data().exports.get(name) {
            Some(value) => value.clone(),
            None => self.fail(&format!("there is no output {name}")),
        }
    }

    #[track_caller]
    fn assert(&self, holds: bool, otherwise: &str) {
        if !holds {
            self.fail(otherwise);
        }
    }

    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        panic!("the plan is not as expected: {why}\n{}", self.plan)
    }
}

fn verb(action: Action) -> String {
    format!("{action:?}").to_lowercase()
}

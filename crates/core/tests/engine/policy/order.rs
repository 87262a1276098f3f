//! Laws of random policies: their order says nothing, and what they put right stays right.

use formwork_core::{Found, Level, Plan, PlanError, Policy, Scope, testing::Thing};
use proptest::prelude::*;

use super::engine;
use crate::world::World;

/// What a random policy demands of one field, and whether it sees to it.
#[derive(Clone, Debug)]
struct Demand {
    field: usize,
    is: u8,
    mandatory: bool,
    remediates: bool,
    /// Whether it is content with any value but this one.
    not: bool,
}

const FIELDS: [&str; 4] = ["label", "fixed", "zone", "hidden"];

fn demand() -> impl Strategy<Value = Demand> {
    (0..FIELDS.len(), 0u8..3, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(field, is, mandatory, remediates, not)| Demand { field, is, mandatory, remediates, not },
    )
}

impl Demand {
    fn policy(&self, name: usize) -> Policy {
        let Self { field, is, mandatory, remediates, not } = self.clone();
        let (field, wanted) = (FIELDS[field], format!("v{is}"));
        let content = {
            let wanted = wanted.clone();
            move |found: Found<String>| match found {
                Found::Known(value) => (value == wanted) != not,
                Found::Absent => false,
                Found::Unknown => true,
            }
        };
        let level = if mandatory { Level::Mandatory } else { Level::Advisory };
        let judged = content.clone();
        let policy = Policy::advisory(format!("p{name}")).level(level).check::<Thing>(
            move |thing, report| {
                if !judged(thing.get(field)) {
                    report.violation(field, format!("not what p{name} wants"));
                }
            },
        );
        if !remediates {
            return policy;
        }
        let good = if not { format!("not {wanted}") } else { wanted };
        policy.remediate::<Thing>(move |thing, fix| {
            if !content(thing.get(field)) {
                fix.set(field, &good);
            }
        })
    }
}

fn program(values: Vec<[Option<u8>; 4]>) -> impl Fn(&mut Scope<'_>) {
    move |scope| {
        let mut before = None;
        for (i, [label, fixed, zone, hidden]) in values.iter().enumerate() {
            let text = |value: &Option<u8>| value.map(|value| format!("v{value}"));
            let thing = Thing::builder()
                .maybe_label(text(label))
                .maybe_fixed(text(fixed))
                .maybe_zone(text(zone))
                .maybe_hidden(text(hidden))
                .maybe_name(before.take());
            before = Some(scope.add(format!("t{i}"), thing.build()).id);
        }
    }
}

/// What a plan says, or why there is none.
fn told(planned: &Result<Plan, PlanError>) -> String {
    match planned {
        Ok(plan) => plan.to_string(),
        Err(PlanError::Policy { verdict, .. }) => serde_json::to_string(verdict).unwrap(),
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_policies_makes_no_difference_and_what_is_put_right_stays_so(
        demands in prop::collection::vec(demand(), 0..5),
        values in prop::collection::vec(prop::array::uniform4(prop::option::of(0u8..3)), 1..4),
        turn in 0usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let mut policies: Vec<Policy> =
                demands.iter().enumerate().map(|(name, demand)| demand.policy(name)).collect();
            let one = engine(&world, policies.clone());
            policies.reverse();
            if !policies.is_empty() {
                let turn = turn % policies.len();
                policies.rotate_left(turn);
            }
            let other = engine(&world, policies);
            // One stack for both: its source lines stand in what is told.
            let stack = World::stack(program(values.clone()));
            let seed = formwork_core::Seed::fixed(7);
            let planned = one.plan(&stack).seed(seed).await;
            assert_eq!(told(&planned), told(&other.plan(&stack).seed(seed).await));
            let Ok(plan) = planned else { return };
            let put_right: Vec<String> =
                plan.data().policy.remediations.iter().map(ToString::to_string).collect();
            one.apply(plan).await.unwrap();
            world.check();
            let again = one.plan(&stack).seed(seed).await.unwrap();
            assert!(again.is_empty() && again.data().steps.is_empty(), "not settled:\n{again}");
            let still: Vec<String> =
                again.data().policy.remediations.iter().map(ToString::to_string).collect();
            assert_eq!(put_right, still);
        });
    }
}

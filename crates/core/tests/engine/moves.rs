//! Addresses that change: nothing happens in the cloud, and all that refers to them follows.

use std::collections::{BTreeMap, BTreeSet};

use formwork_core::{
    Component, Engine, Inputs, Lookup, Outputs, ProviderError, Scope, Stack,
    testing::{Cloud, Fault, Op, Single, Thing, ThingHandle, provider},
    value::Value,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{basics::thing, random::cases, replacement::fixed, world::World};

/// The objects by the addresses of their rows.
fn places(world: &World) -> BTreeMap<String, String> {
    let id = |outputs: &Value| outputs.get("id").map(ToString::to_string).unwrap_or_default();
    let rows = world.state().records;
    rows.values().map(|row| (row.address.to_string(), id(&row.outputs))).collect()
}

fn here(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(at, id)| ((*at).to_owned(), format!("{id:?}"))).collect()
}

async fn refused(world: &World, declare: impl FnOnce(&mut Scope<'_>)) -> String {
    match Stack::new("t", declare) {
        Err(error) => error.to_string(),
        Ok(stack) => world.engine().plan(&stack).await.err().unwrap().to_string(),
    }
}

#[tokio::test]
async fn a_rename_changes_nothing_but_the_address() {
    let world = World::new();
    world.settle(|scope| drop(scope.add("a", thing(&[])))).await;
    let before = world.state();
    let renamed = |scope: &mut Scope<'_>| drop(scope.add("b", thing(&[]).moved_from("a")));
    let plan = world.plan(renamed).await;
    assert!(!plan.is_empty() && plan.steps().count() == 0);
    assert_eq!(plan.to_string(), "moved a -> b\n1 to move, 1 unchanged\n");
    assert_eq!(world.state(), before, "a plan writes nothing");
    assert_eq!(world.settle(renamed).await, Vec::<String>::new());
    assert_eq!(places(&world), here(&[("b", "a#1")]));
    // What it says is history from now on, for as long as it stands there.
    world.settle(|scope| drop(scope.add("b", thing(&[]).moved_from("a").moved_from("z")))).await;
    assert_eq!(world.destroy().await.unwrap(), ["delete b"]);
}

#[tokio::test]
async fn whatever_refers_to_it_follows() {
    let world = World::new();
    let program = |host: &'static str, from: Option<&'static str>, x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let thing_of = fixed(x, None).protect();
            let it = match from {
                Some(from) => scope.add(host, thing_of.moved_from(from)),
                None => scope.add(host, thing_of),
            };
            scope.add("user", thing(&[&it]));
            scope.add("after", thing(&[]).after(&it));
            scope.add("guest", thing(&[&it]).deleted_with(&it));
            scope.add("with", thing(&[]).replace_with(&it));
            scope.export("id", &it.id);
        }
    };
    world.settle(program("host", None, "1")).await;
    let before = world.cloud.objects();
    assert_eq!(world.settle(program("machine", Some("host"), "1")).await, Vec::<String>::new());
    assert_eq!(world.cloud.objects(), before);
    assert_eq!(world.state().exports.get("id"), Some(&Value::from("host#1")));
    // It is protected where it is now, and so is what is bound to it there.
    let error = refused(&world, program("machine", Some("host"), "2")).await;
    assert!(error.contains("\n  - machine: "), "{error}");
    let log = world.settle(|scope| drop(scope.add("machine", fixed("1", None)))).await;
    assert_eq!(log.len(), 4, "{log:?}");
}

/// A component with children at two depths.
struct Network {
    subnets: &'static [&'static str],
    label: &'static str,
}

impl Component for Network {
    type Handle = Vec<ThingHandle>;

    fn declare(self, scope: &mut Scope<'_>) -> Self::Handle {
        let vpc = scope.add("vpc", Thing::builder().label(self.label).build());
        let mut made = vec![vpc];
        for name in self.subnets {
            made.push(scope.add(name, Subnet(made[0].clone())));
        }
        made
    }
}

struct Subnet(ThingHandle);

impl Component for Subnet {
    type Handle = ThingHandle;

    fn declare(self, scope: &mut Scope<'_>) -> ThingHandle {
        let subnet = scope.add("subnet", thing(&[&self.0]));
        scope.add("route", thing(&[&subnet]));
        subnet
    }
}

#[tokio::test]
async fn a_component_takes_all_its_children_along_and_what_it_lacks_is_an_orphan_there() {
    let world = World::new();
    world
        .settle(|scope| drop(scope.add("net", Network { subnets: &["a", "b"], label: "x" })))
        .await;
    let renamed = |scope: &mut Scope<'_>| {
        let network = Network { subnets: &["a"], label: "y" };
        drop(scope.add("network", network.with_options().moved_from("net")));
    };
    let plan = world.plan(renamed).await;
    assert_eq!(
        plan.to_string(),
        "moved net/a/route -> network/a/route\n\
         moved net/a/subnet -> network/a/subnet\n\
         moved net/b/route -> network/b/route\n\
         moved net/b/subnet -> network/b/subnet\n\
         moved net/vpc -> network/vpc\n\
         other\n  \
         ~ network/vpc                              model:test/thing\n      \
         label: \"x\" -> \"y\"\n  \
         - network/b/route                          model:test/thing  (no longer declared)\n  \
         - network/b/subnet                         model:test/thing  (no longer declared)\n\
         1 to update, 2 to delete, 5 to move, 2 unchanged\n"
    );
    let mut log = world.settle(renamed).await;
    log.sort();
    assert_eq!(log, ["delete network/b/route", "delete network/b/subnet", "update network/vpc"]);
}

#[tokio::test]
async fn a_component_and_a_child_of_it_are_renamed_in_whatever_order() {
    struct One(&'static str, Vec<&'static str>);
    impl Component for One {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            let moved = self.1.into_iter().fold(thing(&[]), formwork_core::Declaration::moved_from);
            scope.add(self.0, moved);
        }
    }
    let first = |scope: &mut Scope<'_>| scope.add("old", One("x", vec![]));
    // The state as it was in the beginning, and with either half of the way done.
    let half: [&dyn Fn(&mut Scope<'_>); 3] = [
        &first,
        &|scope| scope.add("new", One("x", vec![]).with_options().moved_from("old")),
        &|scope| scope.add("old", One("y", vec!["old/x"])),
    ];
    for said in [vec!["new/x"], vec!["old/x"], vec!["new/x", "old/x"]] {
        for (i, half) in half.iter().enumerate() {
            let world = World::new();
            world.settle(first).await;
            world.settle(half).await;
            let both = |scope: &mut Scope<'_>| {
                scope.add("new", One("y", said.clone()).with_options().moved_from("old"));
            };
            // A child that only knows its oldest address is not found at one in between.
            if said == ["old/x"] && i == 1 {
                continue;
            }
            assert_eq!(world.settle(both).await, Vec::<String>::new(), "{said:?} {i}");
            assert_eq!(places(&world), here(&[("new/y", "old.x#1")]));
        }
    }
}

#[tokio::test]
async fn one_moves_on_while_another_takes_its_place() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", thing(&[]));
            scope.add("b", thing(&[]));
        })
        .await;
    let chain = |scope: &mut Scope<'_>| {
        scope.add("b", thing(&[]).moved_from("a"));
        scope.add("c", thing(&[]).moved_from("b"));
    };
    assert_eq!(world.settle(chain).await, Vec::<String>::new());
    assert_eq!(places(&world), here(&[("b", "a#1"), ("c", "b#1")]));
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_by_name_all_at_once() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", thing(&[]));
            scope.add("b", thing(&[]));
            scope.add("single", Single::builder().build());
        })
        .await;
    let before = world.state();
    let lines = |error: String| -> Vec<String> {
        let cut = |line: &str| line.split(" [declared").next().unwrap_or_default().to_owned();
        let lines = error.lines().skip(1).map(cut).collect();
        assert!(error.lines().skip(1).all(|line| line.contains("moves.rs:")), "{error}");
        lines
    };
    let swapped = refused(&world, |scope| {
        scope.add("a", thing(&[]).moved_from("b"));
        scope.add("b", thing(&[]).moved_from("a"));
    });
    assert_eq!(
        lines(swapped.await),
        ["  - a.moved_from: addresses can not be exchanged in one run: `b` to `a`, `a` to `b`; \
             move one of them out of the way first"]
    );
    let nonsense = refused(&world, |scope| {
        scope.add("x", thing(&[]).moved_from("x"));
        scope.add("y", thing(&[]).moved_from("/y"));
        scope.add("z", thing(&[]).moved_from("z/in"));
        scope.add("one", thing(&[]).moved_from("a"));
        scope.add("two", thing(&[]).moved_from("a"));
    });
    let nonsense = lines(nonsense.await);
    assert_eq!(nonsense[0], "  - x.moved_from: it is the address that it has now");
    assert_eq!(
        nonsense[1],
        "  - y.moved_from: \"/y\" is no address: expected the path from the root of the stack, such \
         as `network/subnet-0`"
    );
    assert!(nonsense[2].starts_with("  - z.moved_from: `z/in` and `z` are one inside the other"));
    assert!(nonsense[3].starts_with("  - two.moved_from: `a` can not have become two: `one`"));
    assert_eq!(nonsense.len(), 4);
    let still = refused(&world, |scope| {
        scope.add("a", thing(&[]));
        scope.add("c", thing(&[]).moved_from("a"));
    });
    assert!(lines(still.await)[0].starts_with("  - c.moved_from: `a` is still declared, at "));
    let both = refused(&world, |scope| {
        scope.add("c", thing(&[]).moved_from("a").moved_from("b"));
    });
    assert_eq!(
        lines(both.await),
        ["  - c.moved_from: there is an object at each of `a` and `b`: they can not become one; \
             say of one of them only that it moved here"]
    );
    let kind = refused(&world, |scope| {
        scope.add("c", thing(&[]).moved_from("single"));
    });
    assert_eq!(
        lines(kind.await),
        ["  - c.moved_from: `single` is a model:test/single, and this is a model:test/thing: \
             expected the same type"]
    );
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn a_rule_that_leads_back_into_what_moved_is_refused() {
    struct Holds(&'static str, Option<&'static str>);
    impl Component for Holds {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            let it = self.1.into_iter().fold(thing(&[]), formwork_core::Declaration::moved_from);
            scope.add(self.0, it);
        }
    }
    let stack = Stack::new("t", |scope| {
        scope.add("b", Holds("x", None).with_options().moved_from("a"));
        scope.add("a", Holds("c", Some("b/c")));
    });
    let error = stack.err().unwrap().to_string();
    assert!(error.contains("can not be exchanged in one run"), "{error}");
}

#[tokio::test]
async fn the_row_of_a_deleted_object_is_in_nobodys_way() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", fixed("1", None).delete_first());
            scope.add("old", fixed("1", None));
        })
        .await;
    world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
    world
        .up(|scope| {
            scope.add("a", fixed("2", None).delete_first());
            scope.add("old", fixed("1", None));
        })
        .await
        .unwrap_err();
    let moved = |scope: &mut Scope<'_>| {
        scope.add("a", fixed("1", None).moved_from("old"));
    };
    assert_eq!(world.settle(moved).await, Vec::<String>::new());
    assert_eq!(places(&world), here(&[("a", "old#1")]));
}

#[tokio::test]
async fn very_many_addresses_shift_by_one() {
    let world = World::new();
    let shifted = |by: usize| {
        move |scope: &mut Scope<'_>| {
            for i in 0..3000 {
                let it = thing(&[]);
                let it = if by == 0 { it } else { it.moved_from(format!("n{i}")) };
                scope.add(format!("n{}", i + by), it);
            }
        }
    };
    world.up(shifted(0)).await.unwrap();
    assert_eq!(world.up(shifted(1)).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_object_that_is_there_already_keeps_its_address_and_the_other_one_is_told() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", thing(&[]));
            scope.add("b", thing(&[]));
        })
        .await;
    let plan = world.plan(|scope| drop(scope.add("b", thing(&[]).moved_from("a")))).await;
    let text = plan.to_string();
    assert!(
        text.starts_with(
            "warning: b.moved_from: an object is here already, so the one at `a` does not move here"
        ),
        "{text}"
    );
    assert_eq!(world.apply(plan).await.unwrap(), ["delete a"]);
    assert_eq!(places(&world), here(&[("b", "b#1")]));
}

#[tokio::test]
async fn what_an_earlier_replacement_left_and_what_is_not_there_yet_go_along() {
    let program = |address: &'static str, from: Option<&'static str>, x: &'static str, first| {
        move |scope: &mut Scope<'_>| {
            let it = fixed(x, None);
            let it = if first { it.delete_first() } else { it };
            scope.add(address, from.into_iter().fold(it, formwork_core::Declaration::moved_from));
        }
    };
    // Made first, and the old one could not be deleted.
    let world = World::new();
    world.settle(program("a", None, "1", false)).await;
    world.cloud.fail(Op::Delete, "a", 1, Fault::Refuse);
    world.up(program("a", None, "2", false)).await.unwrap_err();
    assert_eq!(world.settle(program("b", Some("a"), "2", false)).await, ["delete b"]);
    assert_eq!(places(&world), here(&[("b", "a#2")]));
    // Deleted first, and the new one could not be made.
    let world = World::new();
    world.settle(program("a", None, "1", true)).await;
    world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
    world.up(program("a", None, "2", true)).await.unwrap_err();
    assert_eq!(world.settle(program("b", Some("a"), "2", true)).await, ["create b"]);
    assert_eq!(places(&world), here(&[("b", "b#1")]));
    // A create whose end nobody saw: it happened, or it did not.
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let world = World::new();
        world.cloud.fail(Op::Create, "a", 1, fault);
        world.up(program("a", None, "1", false)).await.unwrap_err();
        world.settle(program("b", Some("a"), "1", false)).await;
        assert_eq!(world.cloud.ids().len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_leaves_all_moves_or_none() {
    let v1 = |scope: &mut Scope<'_>| {
        drop(scope.add("net", Network { subnets: &["a", "b"], label: "x" }));
        scope.add("p", thing(&[]));
        scope.add("q", thing(&[]));
    };
    let v2 = |scope: &mut Scope<'_>| {
        let network = Network { subnets: &["a"], label: "y" };
        drop(scope.add("network", network.with_options().moved_from("net")));
        scope.add("q", thing(&[]).moved_from("p"));
        scope.add("r", thing(&[]).moved_from("q"));
    };
    for during in [false, true] {
        for cut in 1.. {
            let mut world = World::new();
            world.settle(v1).await;
            let write = world.store.writes() + cut;
            if during {
                world.store.cut_during(write);
            } else {
                world.store.cut_after(write);
            }
            let done = world.up(v2).await;
            let was_cut = world.store.is_cut();
            if was_cut {
                world.store = world.store.reopen();
                world.store.expire_leases();
                let at = places(&world);
                let moved = at.keys().filter(|at| at.starts_with("network/")).count();
                assert!(at.keys().filter(|at| at.starts_with("net/")).count() == 0 || moved == 0);
                world.up(v2).await.unwrap();
            } else {
                done.unwrap();
            }
            world.assert_settled(v2).await;
            let ids: BTreeSet<String> = world.cloud.ids().into_iter().collect();
            let left = ["net.a.route#1", "net.a.subnet#1", "net.vpc#1", "p#1", "q#1"];
            assert!(ids.iter().eq(&left), "{ids:?}");
            if !was_cut {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_part_of_a_stack_waits_for_the_moves_of_the_whole() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", thing(&[]));
            scope.add("x", thing(&[]));
        })
        .await;
    let moved = |scope: &mut Scope<'_>| {
        scope.add("b", thing(&[]).moved_from("a"));
        scope.add("x", fixed("1", None));
    };
    let before = world.state();
    let stack = World::stack(moved);
    for target in ["x", "b"] {
        let error = world.engine().plan(&stack).target(target).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "the plan is narrowed, and 1 object(s) have moved, which has to be recorded first:\
             \n  - moved a -> b"
        );
    }
    assert_eq!(world.state(), before);
    world.settle(moved).await;
    // What moved once is history, and a part is a part again.
    let again = world.engine().plan(&stack).target("b").await.unwrap();
    assert!(again.is_empty(), "{again}");
    // A create that was cut off may have left an object at the old address.
    let world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::LoseAnswer);
    world.up(|scope| drop(scope.add("a", thing(&[])))).await.unwrap_err();
    let moved = |scope: &mut Scope<'_>| drop(scope.add("b", thing(&[]).moved_from("a")));
    let error = world.engine().plan(&World::stack(moved)).target("b").await.err().unwrap();
    assert!(error.to_string().contains("moved a -> b"), "{error}");
    world.settle(moved).await;
    assert_eq!(world.cloud.ids(), ["a#1"]);
}

#[tokio::test]
async fn records_are_refreshed_at_their_new_addresses() {
    let world = World::new();
    world.settle(|scope| drop(scope.add("a", thing(&[])))).await;
    world.cloud.edit("a#1", "label", "by hand".into());
    let moved = |scope: &mut Scope<'_>| drop(scope.add("b", thing(&[]).moved_from("a")));
    let plan = world.engine().plan(&World::stack(moved)).refresh_only().await.unwrap();
    assert!(!plan.is_empty() && plan.steps().count() == 0, "{plan}");
    assert_eq!(world.apply(plan).await.unwrap(), Vec::<String>::new());
    assert_eq!(places(&world), here(&[("b", "a#1")]));
    assert_eq!(world.settle(moved).await, ["update b"]);
}

/// How many objects there are: another answer in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub(crate) struct Census {
    of: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct CensusAnswer {
    #[output(id)]
    pub(crate) count: String,
}

impl Lookup for Census {
    const KIND: &'static str = "model:test/census";
    type Answer = CensusAnswer;
    type Client = Cloud;

    async fn look_up(client: &Cloud, _: &Census) -> Result<CensusAnswer, ProviderError> {
        Ok(CensusAnswer { count: client.ids().len().to_string() })
    }
}

pub(crate) fn provider_with_census(cloud: &Cloud) -> formwork_core::Registry<Cloud> {
    provider(cloud).with_lookup::<Census>()
}

#[tokio::test]
async fn the_answer_of_a_lookup_moves_with_its_component_and_is_not_asked_for_again() {
    struct Counted;
    impl Component for Counted {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            let census = scope.lookup("census", Census::builder().of("all").build());
            scope.add("thing", Thing::builder().label(&census.count).build());
        }
    }
    let world = World::new();
    let engine = Engine::builder()
        .provider(provider_with_census(&world.cloud))
        .state(world.store.clone())
        .try_build()
        .unwrap();
    let first = Stack::new("t", |scope| scope.add("old", Counted)).unwrap();
    engine.apply(engine.plan(&first).await.unwrap()).await.unwrap();
    let renamed =
        Stack::new("t", |scope| scope.add("new", Counted.with_options().moved_from("old")));
    let renamed = renamed.unwrap();
    let plan = engine.plan(&renamed).await.unwrap();
    assert_eq!(plan.to_string(), "moved old/thing -> new/thing\n1 to move, 1 unchanged\n");
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&renamed).await.unwrap();
    assert!(again.is_empty() && again.data().repairs.is_empty(), "{again}");
    let pins: Vec<String> = world.state().pins.keys().map(ToString::to_string).collect();
    assert_eq!(pins, ["new/census"]);
}

/// Where each of some things is: in a component or at the root, under one of some names.
fn layout() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..3usize, 0..4usize), 1..5)
}

fn address((component, name): (usize, usize)) -> String {
    match component {
        0 => format!("n{name}"),
        c => format!("c{c}/n{name}"),
    }
}

/// Declares things `i` with the label `i`, each at its place; those that are elsewhere before say so.
fn declare(places: &[(usize, usize)], before: &[(usize, usize)], scope: &mut Scope<'_>) {
    struct Inside<'p>(usize, &'p [(usize, usize)], &'p [(usize, usize)]);
    impl Component for Inside<'_> {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            let Inside(component, places, before) = self;
            for (i, place) in places.iter().enumerate().filter(|(_, at)| at.0 == component) {
                let it = Thing::builder().label(i.to_string()).build();
                let from = before.get(i).filter(|from| *from != place);
                let it = from.into_iter().fold(it, |it, from| it.moved_from(address(*from)));
                scope.add(format!("n{}", place.1), it);
            }
        }
    }
    Inside(0, places, before).declare(scope);
    for component in 1..3 {
        scope.add(format!("c{component}"), Inside(component, places, before));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever goes where: the plan is refused for an exchange, or no object changes and each is
    /// recorded at its new place.
    #[test]
    fn any_move_changes_no_object_or_is_refused(first in layout(), then in layout()) {
        let apart = |places: Vec<(usize, usize)>| {
            let mut taken = BTreeSet::new();
            places.into_iter().filter(|place| taken.insert(*place)).collect::<Vec<_>>()
        };
        let (mut first, mut then) = (apart(first), apart(then));
        let all = first.len().min(then.len());
        first.truncate(all);
        then.truncate(all);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new();
            world.settle(|scope| declare(&first, &[], scope)).await;
            let before = world.cloud.objects();
            let rows = world.state().records;
            let moved = |scope: &mut Scope<'_>| declare(&then, &first, scope);
            let Ok(stack) = Stack::new("t", moved) else {
                // Somebody is on the way back to where somebody else comes from.
                let next = |at: &(usize, usize)| {
                    first.iter().zip(&then).find(|(from, to)| from == &at && from != to).map(|m| *m.1)
                };
                let circle = |start: &(usize, usize)| {
                    let mut at = *start;
                    (0..all).any(|_| match next(&at) {
                        Some(to) => { at = to; at == *start }
                        None => false,
                    })
                };
                prop_assert!(first.iter().any(circle), "{first:?} {then:?}");
                return Ok(());
            };
            let plan = world.engine().plan(&stack).await;
            let plan = plan.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(plan.steps().count(), 0, "{}", plan);
            world.apply(plan).await.unwrap();
            world.assert_settled(moved).await;
            prop_assert_eq!(world.cloud.objects(), before);
            let now = world.state().records;
            prop_assert!(now.keys().eq(rows.keys()));
            for (i, place) in then.iter().enumerate() {
                let label = Value::from(i.to_string());
                let row = now.values().find(|row| row.outputs.get("label") == Some(&label)).unwrap();
                prop_assert_eq!(row.address.as_str(), address(*place));
            }
            Ok(())
        })?;
    }
}

//! Which step waits for which: what is kept where not everything can be, keys that change hands,
//! and rows that outlive what refers to them.

use std::time::{Duration, Instant};

use formwork_core::{
    Declaration, Output, PlanError, RefreshMode, Scope,
    testing::{Fault, Net, Op, Single, Thing, ThingHandle},
};

use proptest::prelude::*;

use crate::{
    basics::thing,
    random::cases,
    replacement::fixed,
    world::{World, at},
};

#[tokio::test]
async fn what_a_cut_off_update_may_have_referred_to_goes_after_it() {
    let world = World::new();
    let program = |second: bool| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", thing(&[]));
            let y = scope.add("y", thing(&[]));
            scope.add("user", thing(&[if second { &y } else { &x }]));
        }
    };
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        world.settle(program(false)).await;
        world.cloud.fail(Op::Update, "user", 1, fault);
        assert!(world.up(program(true)).await.is_err());
        let log = world.destroy().await.unwrap();
        assert!(at(&log, "delete user") < at(&log, "delete x"), "{log:?}");
        assert!(at(&log, "delete user") < at(&log, "delete y"), "{log:?}");
    }
}

/// `a` goes before it comes anew and `user` comes after it, so `user` can not let go of it first.
#[tokio::test]
async fn a_key_is_free_before_it_is_taken_beside_a_replacement_that_deletes_first() {
    let world = World::new();
    world
        .settle(|scope| {
            let old = scope.add("old", Thing::builder().name("k").build());
            let a = Thing::builder().fixed("1").refs([&old.id]).build().delete_first();
            let a = scope.add("a", a);
            scope.add("user", thing(&[]).after(&a));
        })
        .await;
    let log = world
        .settle(|scope| {
            let new = scope.add("new", Thing::builder().name("k").build());
            let a = scope.add("a", fixed("2", None).delete_first());
            scope.add("user", thing(&[&new]).after(&a));
        })
        .await;
    assert_eq!(log, ["delete a", "delete old", "create a", "create new", "update user"]);
}

#[tokio::test]
async fn an_orphan_lets_go_before_a_change_beside_a_replacement_that_deletes_first() {
    let world = World::new();
    world
        .settle(|scope| {
            let a = scope.add("a", fixed("1", None).delete_first());
            let y = scope.add("y", Thing::builder().label("1").build().after(&a));
            let orphan = scope.add("orphan", thing(&[&y]));
            scope.add("x", thing(&[&orphan]).after(&a));
        })
        .await;
    let log = world
        .settle(|scope| {
            let a = scope.add("a", fixed("2", None).delete_first());
            scope.add("y", Thing::builder().label("2").build().after(&a));
            scope.add("x", thing(&[]).after(&a));
        })
        .await;
    assert_eq!(log, ["delete a", "create a", "update x", "delete orphan", "update y"]);
}

#[tokio::test(start_paused = true)]
async fn the_row_of_a_guest_outlives_its_host_while_another_refers_to_it() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", fixed(x, None).delete_first());
            let guest = scope.add("guest", thing(&[&host]).deleted_with(&host));
            scope.add("user", thing(&[&guest]));
        }
    };
    for cut in 1.. {
        let mut world = World::new();
        world.cloud.lenient();
        world.settle(program("1")).await;
        world.store.cut_after(world.store.writes() + cut);
        if world.up(program("2")).await.is_ok() {
            assert!(cut > 5, "there are not so few writes");
            break;
        }
        world.store = world.store.reopen();
        world.store.expire_leases();
        world.settle(program("2")).await;
        assert_eq!(world.state().records.len(), 3);
    }
}

/// The guest uses `orphan`, and its row goes with the host's.
#[tokio::test]
async fn a_row_outlives_the_guest_that_refers_to_it() {
    let mut world = World::new();
    world.cloud.lenient();
    world
        .settle(|scope| {
            let orphan = scope.add("orphan", thing(&[]));
            let host = scope.add("host", thing(&[]));
            scope.add("guest", thing(&[&host, &orphan]).deleted_with(&host));
        })
        .await;
    world.kept.push("guest#1".to_owned());
    world.cloud.fail(Op::Delete, "host", 1, Fault::Refuse);
    assert!(world.up(|_| ()).await.is_err());
    assert_eq!(world.settle(|_| ()).await, ["delete host", "delete orphan"]);
}

#[tokio::test]
async fn an_address_whose_guest_goes_with_its_host_has_one_current_object() {
    let mut world = World::new();
    world.cloud.lenient();
    world
        .settle(|scope| {
            let host = scope.add("host", thing(&[]));
            scope.add("guest", thing(&[]).deleted_with(&host));
        })
        .await;
    world.kept.push("guest#1".to_owned());
    let program = |scope: &mut Scope<'_>| {
        scope.add("guest", Single::builder().build());
    };
    world.cloud.fail(Op::Delete, "host", 1, Fault::Refuse);
    assert!(world.up(program).await.is_err());
    assert_eq!(world.settle(program).await, ["delete host"]);
}

#[tokio::test]
async fn the_row_of_what_frees_its_key_early_outlives_it_while_another_refers_to_it() {
    let program = |address: &'static str| {
        move |scope: &mut Scope<'_>| {
            let named = scope.add(address, Thing::builder().name("k").build());
            scope.add("user", thing(&[&named]));
        }
    };
    for refused in ["new", "user", "nothing"] {
        let world = World::new();
        world.cloud.lenient();
        world.settle(program("old")).await;
        for op in [Op::Create, Op::Update] {
            world.cloud.fail(op, refused, 1, Fault::Refuse);
        }
        let log = world.up(program("new")).await;
        assert_eq!(log.is_ok(), refused == "nothing");
        world.cloud.heal();
        world.settle(program("new")).await;
        assert_eq!(world.cloud.ids(), ["new#1", "user#1"]);
        assert_eq!(world.state().records.len(), 2);
    }
}

/// Each of `orphans` is used by a hub that stays, and the hub by as many that stay too.
#[tokio::test]
async fn a_plan_grows_with_what_goes_behind_a_hub_and_no_faster() {
    let count = 3_000;
    let world = World::new();
    world.cloud.lenient();
    let program = |orphans: usize, label: &'static str| {
        move |scope: &mut Scope<'_>| {
            let orphans: Vec<ThingHandle> =
                (0..orphans).map(|i| scope.add(format!("orphan-{i}"), thing(&[]))).collect();
            let orphans: Vec<&ThingHandle> = orphans.iter().collect();
            let hub = scope.add("hub", thing(&orphans));
            for i in 0..count {
                let user = Thing::builder().refs([&hub.id]).label(label).build();
                scope.add(format!("user-{i}"), user);
            }
        }
    };
    let made = World::stack(program(count, "1"));
    let plan = world.engine().plan(&made).refresh(RefreshMode::None).await.unwrap();
    world.engine().apply(plan).await.unwrap();
    let stack = World::stack(program(0, "2"));
    let began = Instant::now();
    let plan = world.engine().plan(&stack).refresh(RefreshMode::None).await.unwrap();
    let took = began.elapsed();
    let edges: usize = plan.data().steps.iter().map(|step| step.after.len()).sum();
    assert!(edges < 4 * count, "{edges} edges");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

fn named(name: &str) -> Declaration<Thing> {
    Thing::builder().name(name).build()
}

/// Names are given from the first list, then from the second; an empty one is no resource.
async fn rename(world: &World, first: &[&'static str], then: &[&'static str]) -> Vec<String> {
    let program = |names: Vec<&'static str>| {
        move |scope: &mut Scope<'_>| {
            for (address, name) in ["a", "b", "c"].into_iter().zip(&names) {
                if !name.is_empty() {
                    scope.add(address, named(name));
                }
            }
        }
    };
    world.settle(program(first.to_vec())).await;
    world.settle(program(then.to_vec())).await
}

#[tokio::test]
async fn a_key_is_freed_by_a_delete_before_an_update_takes_it() {
    let log = rename(&World::new(), &["x", "y"], &["y"]).await;
    assert_eq!(log, ["delete b", "update a"]);
}

#[tokio::test]
async fn a_key_is_freed_by_an_update_before_a_create_takes_it() {
    let log = rename(&World::new(), &["", "x"], &["x", "z"]).await;
    assert_eq!(log, ["update b", "create a"]);
}

#[tokio::test]
async fn keys_that_move_up_in_a_row_are_taken_in_the_order_they_are_freed() {
    let log = rename(&World::new(), &["1", "2", "3"], &["2", "3", "4"]).await;
    assert_eq!(log, ["update c", "update b", "update a"]);
}

#[tokio::test]
async fn a_key_that_was_changed_by_hand_is_freed_where_it_is() {
    let world = World::new();
    let program = |b: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("b", named(b));
            scope.add("a", named("1"));
        }
    };
    world.settle(program("2")).await;
    world.cloud.rename("a#1", "3");
    assert_eq!(world.settle(program("3")).await, ["update a", "update b"]);
}

#[tokio::test]
async fn replacements_that_exchange_their_keys_delete_as_few_as_needed_first() {
    let program = |names: [&'static str; 3]| {
        move |scope: &mut Scope<'_>| {
            for (address, name) in ["a", "b", "c"].into_iter().zip(names) {
                scope.add(address, named(name).replace_on(["name"]));
            }
        }
    };
    let world = World::new();
    world.settle(program(["1", "2", "3"])).await;
    let log = world.settle(program(["2", "3", "1"])).await;
    assert_eq!(log, ["delete c", "create b", "delete b", "create a", "delete a", "create c"]);
    for refused in ["a", "b", "c"] {
        for op in [Op::Create, Op::Delete] {
            let world = World::new();
            world.settle(program(["1", "2", "3"])).await;
            world.cloud.fail(op, refused, 1, Fault::Refuse);
            assert!(world.up(program(["2", "3", "1"])).await.is_err());
            world.settle(program(["2", "3", "1"])).await;
        }
    }
}

#[tokio::test]
async fn what_is_replaced_lets_what_is_changed_in_place_take_its_key() {
    let world = World::new();
    let program = |a: &'static str, b: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", named(a));
            scope.add("b", named(b).replace_on(["name"]));
        }
    };
    world.settle(program("1", "2")).await;
    assert_eq!(world.settle(program("2", "1")).await, ["delete b", "update a", "create b"]);
}

/// `a` is bound to the old key through what it depends on: it comes after `new`, which takes the key
/// of what the old `a` still uses.
#[tokio::test]
async fn what_stands_between_a_key_and_its_taker_goes_first_too() {
    let world = World::new();
    let program = |address: &'static str| {
        move |scope: &mut Scope<'_>| {
            let key = scope.add(address, named("k"));
            scope.add("a", fixed("1", Some(&key)));
        }
    };
    world.settle(program("old")).await;
    let log = world.settle(program("new")).await;
    assert_eq!(log, ["delete a", "delete old", "create new", "create a"]);
}

#[tokio::test]
async fn keys_that_can_not_be_exchanged_in_place_are_told_and_nothing_is_done() {
    let program = |a: &'static str, b: &'static str, secret: bool| {
        move |scope: &mut Scope<'_>| {
            for (address, name) in [("a", a), ("b", b)] {
                let name = Output::known(name.to_owned());
                let name = if secret { name.secret() } else { name };
                scope.add(address, Thing::builder().name(name).build());
            }
        }
    };
    for secret in [false, true] {
        let world = World::new();
        world.settle(program("one", "two", secret)).await;
        let stack = World::stack(program("two", "one", secret));
        let error = world.engine().plan(&stack).await.err().unwrap().to_string();
        assert_eq!(
            error,
            "no order of steps lets these unique values change hands:\
             \n  - a takes the `name` that b has\
             \n  - b takes the `name` that a has\
             \nfree one of them in a run of its own, or have one of these resources replaced"
        );
        let plan = world.engine().plan(&stack).replace("a").await.unwrap();
        assert_eq!(world.apply(plan).await.unwrap(), ["delete a", "update b", "create a"]);
    }
}

#[tokio::test]
async fn secret_keys_are_told_apart() {
    let world = World::new();
    let program = |names: [&'static str; 2]| {
        move |scope: &mut Scope<'_>| {
            for (address, name) in ["a", "b"].into_iter().zip(names) {
                let name = Output::known(name.to_owned()).secret();
                scope.add(address, Thing::builder().name(name).build());
            }
        }
    };
    world.settle(program(["one", "two"])).await;
    assert_eq!(world.settle(program(["three", "four"])).await.len(), 2);
    assert_eq!(world.settle(program(["four", "five"])).await, ["update b", "update a"]);
}

/// A resource that has a key, or none, and refers to what stands before it.
#[derive(Clone, Debug)]
struct Keyed {
    key: usize,
    replaces: bool,
    on: Vec<usize>,
}

fn keyed() -> impl Strategy<Value = Option<Keyed>> {
    let on = prop::collection::vec(1usize..4, 0..2);
    let keyed = (0usize..6, any::<bool>(), on);
    prop::option::weighted(0.8, keyed.prop_map(|(key, replaces, on)| Keyed { key, replaces, on }))
}

fn declare(program: &[Option<Keyed>], scope: &mut Scope<'_>) {
    let mut made: Vec<ThingHandle> = Vec::new();
    let mut taken = std::collections::BTreeSet::new();
    for (i, keyed) in program.iter().enumerate() {
        let Some(Keyed { key, replaces, on }) = keyed else { continue };
        let name = (*key > 0 && taken.insert(key)).then(|| format!("k{key}"));
        let refs: Vec<_> = on
            .iter()
            .filter_map(|up| Some(made[made.len().checked_sub(*up)?].id.clone()))
            .collect();
        let thing = Thing::builder().maybe_name(name).refs(refs).build();
        made.push(
            scope.add(format!("r{i}"), if *replaces { thing.replace_on(["name"]) } else { thing }),
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_keys_change_hands_in_one_run_or_no_plan_is_made(
        rounds in prop::collection::vec(prop::collection::vec(keyed(), 5), 2..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new();
            world.cloud.lenient();
            for program in &rounds {
                let stack = World::stack(|scope| declare(program, scope));
                match world.engine().plan(&stack).await {
                    Ok(plan) => {
                        let text = plan.to_string();
                        let done = world.apply(plan).await;
                        prop_assert!(done.is_ok(), "{}\n{text}", done.unwrap_err());
                        world.assert_settled(|scope| declare(program, scope)).await;
                    }
                    // What is replaced can always go first.
                    Err(PlanError::Exchange { .. }) => {
                        prop_assert!(program.iter().flatten().any(|keyed| !keyed.replaces));
                    }
                    Err(error) => prop_assert!(false, "{error}"),
                }
            }
            Ok(())
        })?;
    }
}

/// Blocks by address; an empty one is no resource.
fn blocks(named: &[&'static str]) -> impl Fn(&mut Scope<'_>) + Clone + 'static {
    let named = named.to_vec();
    move |scope| {
        for (address, block) in ["a", "b", "c", "d"].into_iter().zip(&named) {
            if !block.is_empty() {
                scope.add(address, Net::builder().name(*block).build().replace_on(["name"]));
            }
        }
    }
}

#[tokio::test]
async fn a_block_of_addresses_is_free_before_one_that_overlaps_it_is_taken() {
    let cases: [(&[&str], &[&str], &[&str]); 4] = [
        // Wider in its place, and elsewhere.
        (&["10.0.0.0/20"], &["10.0.0.0/19"], &["delete a", "create a"]),
        (&["10.0.0.0/20"], &["10.0.32.0/20"], &["create a", "delete a"]),
        // Cut in two, and put together.
        (
            &["10.0.0.0/20", ""],
            &["10.0.0.0/21", "10.0.8.0/21"],
            &["delete a", "create a", "create b"],
        ),
        (
            &["10.0.0.0/21", "10.0.8.0/21"],
            &["", "10.0.0.0/20"],
            &["delete a", "delete b", "create b"],
        ),
    ];
    for (first, then, expected) in cases {
        let world = World::new();
        world.settle(blocks(first)).await;
        let mut log = world.settle(blocks(then)).await;
        if expected.len() == 3 {
            // The two deletes, or the two creates, are for the scheduler to order.
            let two = if log[1].starts_with("create") { 1 } else { 0 };
            log[two..two + 2].sort();
        }
        assert_eq!(log, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// The modelled cloud refuses a block that overlaps another, so a run that ends well never asked
    /// for one too early.
    #[test]
    fn blocks_of_addresses_change_hands_in_one_run(
        first in prop::collection::vec(0..8usize, 4),
        then in prop::collection::vec(0..8usize, 4),
    ) {
        const BLOCKS: [&str; 8] = [
            "", "10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25", "10.0.0.0/26", "10.0.0.64/26",
            "10.0.0.128/26", "10.0.0.192/26",
        ];
        let apart = |chosen: &[usize]| {
            let mut kept: Vec<ipnet::IpNet> = Vec::new();
            let chosen = chosen.iter().map(|i| BLOCKS[*i]);
            let free = chosen.map(|block| match block.parse::<ipnet::IpNet>() {
                Ok(net) if !kept.iter().any(|k| k.contains(&net) || net.contains(k)) => {
                    kept.push(net);
                    block
                }
                _ => "",
            });
            free.collect::<Vec<_>>()
        };
        let (first, then) = (apart(&first), apart(&then));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new();
            world.settle(blocks(&first)).await;
            world.settle(blocks(&then)).await;
        });
    }
}

//! Objects that come from another stack: one commit of both, and a mark where they were.

use formwork_core::{
    Component, Plan, SavedPlan, Scope, Stack,
    testing::{Fault, Op, Single, check_invariants},
};

use crate::{basics::thing, replacement::fixed, world::World};

/// Two stacks of one store, and the cloud that both are on.
struct Two(World);

type Declare = fn(&mut Scope<'_>);

impl Two {
    fn new() -> Self {
        Self(World::new())
    }

    async fn plan(
        &self,
        stack: &str,
        declare: impl FnOnce(&mut Scope<'_>),
    ) -> Result<Plan, String> {
        let stack = Stack::new(stack, declare).map_err(|error| error.to_string())?;
        let plan = self.0.engine().plan(&stack).seed(self.0.seed()).await;
        plan.map_err(|error| error.to_string())
    }

    async fn apply(&self, plan: Plan) -> Result<Vec<String>, String> {
        self.0.cloud.clear_log();
        let done = self.0.engine().apply(plan).await;
        self.check();
        done.map(|_| self.0.cloud.mutations()).map_err(|error| error.to_string())
    }

    async fn up(
        &self,
        stack: &str,
        declare: impl FnOnce(&mut Scope<'_>),
    ) -> Result<Vec<String>, String> {
        let plan = self.plan(stack, declare).await?;
        self.apply(plan).await
    }

    /// Every object is in exactly one stack, and every reference resolves there.
    fn check(&self) {
        let (s, t) = (self.0.store.snapshot("s"), self.0.store.snapshot("t"));
        for (state, other) in [(&s, &t), (&t, &s)] {
            let ids = |row: &formwork_core::state::Record| {
                row.outputs.get("id").and_then(|id| id.as_str()).map(str::to_owned)
            };
            let mut elsewhere: Vec<String> = other.records.values().filter_map(ids).collect();
            let objects = self.0.cloud.objects().into_iter();
            let open = objects.filter(|(_, object)| other.intents.contains_key(&object.made_by));
            elsewhere.extend(open.map(|(id, _)| id));
            let elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
            check_invariants(state, &self.0.cloud, &[], &elsewhere);
        }
        assert!(s.records.keys().all(|id| !t.records.contains_key(id)), "one object, two stacks");
        self.0.store.check_replay();
    }
}

fn source(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    let b = scope.add("b", thing(&[&a]));
    scope.add("c", thing(&[&b]));
}

/// What is left of it: the values stand in the program now.
fn rest(scope: &mut Scope<'_>) {
    scope.add("a", thing(&[]));
    let c = formwork_core::testing::Thing::builder().refs(vec!["b#1".to_owned()]).build();
    scope.add("c", c);
}

fn target(scope: &mut Scope<'_>) {
    let b = formwork_core::testing::Thing::builder().refs(vec!["a#1".to_owned()]).build();
    scope.add("y", b.moved_from_stack("s", "b"));
}

#[tokio::test]
async fn an_object_comes_from_another_stack_and_that_one_does_not_make_another() {
    let two = Two::new();
    two.up("s", source).await.unwrap();
    let plan = two.plan("t", target).await.unwrap();
    assert_eq!(plan.to_string(), "moved b of stack s -> y\n1 to move, 1 unchanged\n");
    assert_eq!(two.0.store.snapshot("t").version, 0, "a plan writes nothing");
    assert_eq!(two.apply(plan).await.unwrap(), Vec::<String>::new());
    assert_eq!(
        two.plan("s", source).await.unwrap_err(),
        "the program of `s` declares 1 resource(s) that this stack gave away: take them out of it, \
         or they would be made anew\n  - b: it went to t, as y"
    );
    // What is said stays true, and says nothing more.
    let again = two.plan("t", target).await.unwrap();
    assert!(again.is_empty() && again.data().repairs.is_empty(), "{again}");
    assert_eq!(two.up("s", rest).await.unwrap(), Vec::<String>::new());
    assert!(two.0.store.snapshot("s").departed.is_empty(), "the mark has done its work");
    let settled = two.plan("s", rest).await.unwrap();
    assert!(settled.is_empty() && settled.data().repairs.is_empty());
    // Each stack goes by itself from now on.
    assert_eq!(two.up("s", |scope| drop(scope.add("a", thing(&[])))).await.unwrap(), ["delete c"]);
    assert_eq!(two.up("t", |_| ()).await.unwrap(), ["delete y"]);
    assert_eq!(two.up("s", |_| ()).await.unwrap(), ["delete a"]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_leaves_it_in_one_stack_and_the_next_run_goes_on() {
    for during in [false, true] {
        for cut in 0.. {
            let mut two = Two::new();
            two.up("s", source).await.unwrap();
            let write = two.0.store.writes() + cut;
            match during {
                true => two.0.store.cut_during(write + 1),
                false => two.0.store.cut_after(write),
            }
            let declare: Declare = |scope| {
                target(scope);
                scope.add("z", thing(&[]));
            };
            let done = two.up("t", declare).await;
            let was_cut = two.0.store.is_cut();
            if was_cut {
                two.0.store = two.0.store.reopen();
                two.0.store.expire_leases();
                two.check();
                two.up("t", declare).await.unwrap();
            } else {
                done.unwrap();
            }
            assert_eq!(two.0.cloud.ids(), ["a#1", "b#1", "c#1", "z#1"]);
            assert!(two.plan("t", declare).await.unwrap().is_empty());
            if !was_cut {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_plan_is_stale_when_either_state_was_written_since() {
    let two = Two::new();
    two.up("s", source).await.unwrap();
    let plan = two.plan("t", target).await.unwrap();
    let bytes = SavedPlan::new(&plan).to_bytes(None).unwrap();
    two.up("s", |scope| {
        source(scope);
        scope.add("d", thing(&[]));
    })
    .await
    .unwrap();
    let error = two.apply(plan).await.unwrap_err();
    assert!(error.starts_with("the state of `s` changed since it was planned"), "{error}");
    let saved = SavedPlan::from_bytes(&bytes).unwrap();
    let stack = Stack::new("t", target).unwrap();
    let engine = two.0.engine();
    let error = engine.load(&stack, saved.clone()).await.err().unwrap().to_string();
    assert!(error.contains("`s`"), "{error}");
    let fresh = engine.load(&stack, saved).allow_stale().await.unwrap();
    assert_eq!(two.apply(fresh).await.unwrap(), Vec::<String>::new());
    assert_eq!(two.0.store.snapshot("t").records.len(), 1);
}

#[tokio::test]
async fn a_saved_plan_takes_it_over_with_its_secrets() {
    let two = Two::new();
    let secret = || {
        formwork_core::testing::Thing::builder()
            .password(formwork_core::Secret::new("hunter2".to_owned()))
            .build()
    };
    two.up("s", |scope| drop(scope.add("a", secret()))).await.unwrap();
    let declare = |scope: &mut Scope<'_>| {
        scope.add("a", secret().moved_from_stack("s", "a"));
    };
    let plan = two.plan("t", declare).await.unwrap();
    let saved = SavedPlan::new(&plan);
    assert!(saved.to_bytes(None).is_err(), "there are secrets in it");
    let stack = Stack::new("t", declare).unwrap();
    let loaded = two.0.engine().load(&stack, saved).await.unwrap();
    assert_eq!(two.apply(loaded).await.unwrap(), Vec::<String>::new());
    assert!(two.plan("t", declare).await.unwrap().is_empty());
}

struct Pair;

impl Component for Pair {
    type Handle = ();
    fn declare(self, scope: &mut Scope<'_>) {
        let one = scope.add("one", thing(&[]));
        scope.add("two", thing(&[&one]));
    }
}

#[tokio::test]
async fn a_component_comes_with_all_inside_it_and_goes_back() {
    let two = Two::new();
    let there = |scope: &mut Scope<'_>| {
        scope.add("old", Pair);
        scope.add("rest", thing(&[]));
    };
    two.up("s", there).await.unwrap();
    let here = |scope: &mut Scope<'_>| {
        scope.add("new", Pair.with_options().moved_from_stack("s", "old"));
    };
    assert_eq!(two.up("t", here).await.unwrap(), Vec::<String>::new());
    assert!(two.plan("t", here).await.unwrap().is_empty(), "the reference inside it is kept");
    // Back again, as soon as the mark is gone: or two programs would take it from each other.
    let back = |scope: &mut Scope<'_>| {
        scope.add("old", Pair.with_options().moved_from_stack("t", "new"));
        scope.add("rest", thing(&[]));
    };
    let error = two.plan("s", back).await.unwrap_err();
    assert!(error.contains("`new/one` of `t` was given away here, as `old/one`"), "{error}");
    two.up("s", |scope| drop(scope.add("rest", thing(&[])))).await.unwrap();
    assert_eq!(two.up("s", back).await.unwrap(), Vec::<String>::new());
    assert!(two.plan("s", back).await.unwrap().is_empty());
    assert_eq!(two.0.store.snapshot("s").departed.len(), 0);
    assert_eq!(two.0.store.snapshot("t").departed.len(), 2);
    let error = two.plan("t", here).await.unwrap_err();
    assert!(error.contains("`old/one` of `s` was given away here, as `new/one`"), "{error}");
}

#[tokio::test]
async fn a_declaration_that_moved_on_inside_the_stack_is_still_the_one_that_left() {
    let two = Two::new();
    two.up("s", source).await.unwrap();
    two.up("t", target).await.unwrap();
    let renamed = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
        scope.add("bb", thing(&[]).moved_from("b"));
    };
    let error = two.plan("s", renamed).await.unwrap_err();
    assert!(error.contains("b: it went to t, as y"), "{error}");
}

#[tokio::test]
async fn what_can_not_be_taken_over_is_refused_by_name() {
    let two = Two::new();
    two.up("s", |scope| {
        let a = scope.add("a", thing(&[]));
        scope.add("guest", thing(&[&a]).deleted_with(&a));
        scope.add("single", Single::builder().build());
    })
    .await
    .unwrap();
    let cut = |error: String| {
        let cut = |line: &str| line.split(" [declared").next().unwrap_or_default().to_owned();
        error.lines().skip(1).map(cut).collect::<Vec<_>>()
    };
    let refused = async |declare: Declare| cut(two.plan("t", declare).await.unwrap_err());
    assert_eq!(
        refused(|scope| drop(scope.add("x", thing(&[]).moved_from_stack("s", "a")))).await,
        ["  - x.moved_from_stack: `a` of `s`: `guest` goes with it: move both"]
    );
    assert_eq!(
        refused(|scope| drop(scope.add("x", thing(&[]).moved_from_stack("s", "single")))).await,
        ["  - x.moved_from_stack: `single` of `s` is a model:test/single, and this is a \
          model:test/thing: expected the same type"]
    );
    assert_eq!(
        refused(|scope| drop(scope.add("x", thing(&[]).moved_from_stack("t", "a")))).await,
        ["  - x.moved_from_stack: `t` is this stack: `moved_from` says what was elsewhere in it"]
    );
    assert_eq!(
        refused(|scope| drop(scope.add("x", thing(&[]).moved_from_stack("s", "/")))).await,
        ["  - x.moved_from_stack: \"/\" is no address: expected the path from the root of that \
          stack, such as `network/subnet-0`"]
    );
    // A call that was cut off is found out about by whoever made it.
    two.0.cloud.fail(Op::Update, "a", 1, Fault::LoseAnswer);
    let label = |scope: &mut Scope<'_>| {
        let a = scope.add("a", fixed("1", None));
        scope.add("guest", thing(&[&a]).deleted_with(&a));
    };
    let _ = two.up("s", label).await;
    let both: Declare = |scope| {
        let a = scope.add("a", thing(&[]).moved_from_stack("s", "a"));
        scope.add("guest", thing(&[&a]).deleted_with(&a).moved_from_stack("s", "guest"));
    };
    if !two.0.store.snapshot("s").intents.is_empty() {
        let told = refused(both).await;
        assert!(told[0].contains("a call on it was cut off: plan and apply `s` first"), "{told:?}");
    }
}

#[tokio::test]
async fn a_part_and_a_destroy_take_nothing_in() {
    let two = Two::new();
    two.up("s", source).await.unwrap();
    let stack = Stack::new("t", |scope| {
        target(scope);
        scope.add("z", thing(&[]));
    })
    .unwrap();
    let error = two.0.engine().plan(&stack).target("z").await.err().unwrap().to_string();
    assert!(error.contains("moved b of stack s -> y"), "{error}");
    let plan = two.0.engine().plan(&stack).destroy().await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(two.0.store.snapshot("s").records.len(), 3);
    // A run holds the other stack: nothing is taken from under it.
    let plan = two.plan("t", target).await.unwrap();
    use formwork_core::state::StateStore;
    let ttl = std::time::Duration::from_secs(60);
    two.0.store.acquire("s", "a run", ttl).await.unwrap();
    let error = two.apply(plan).await.unwrap_err();
    assert!(error.contains("the state of `s` is locked by a run"), "{error}");
    assert!(two.0.store.snapshot("t").records.is_empty());
    let lease = two.0.store.acquire("t", "another", ttl).await;
    assert!(lease.is_ok(), "its own lease was given back");
}

//! Drift and refreshing: S58 to S64.

use formwork::{
    Changes, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Observed, Outputs,
    ProviderError, RefreshMode, Resource, Scope, Settled,
    testing::{Cloud, Fault, Interrupted, Op, Thing, World, expect},
    value::Value,
};
use insta::assert_snapshot;
use serde::{Deserialize, Serialize};

use crate::support::{NOTHING, thing};

fn uses(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    scope.add("b", thing(&[&a]));
}

/// S58.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_finds_an_object_gone_leaves_no_reference_dangling() {
    let world = World::new();
    world.settle(uses).await;
    world.cloud().lose("a#1");
    let run = world.refresh(uses).await.ok();
    assert_snapshot!(run.story(), @r#"
    refresh only: what is there is recorded, and nothing else changes
      × a                                        model:test/thing  (it is gone from the cloud)
    0 to record, 1 to drop, 1 unchanged
    run t: 0 step(s)
    end: 0 done, 0 failed, 0 skipped
    "#);
    let run = world.settle(uses).await;
    assert_snapshot!(run.story(), @r#"
    other
      + a                                        model:test/thing  (replaced)
      ~ b                                        model:test/thing
          refs[0]: "a#1" -> (known after apply)
    1 to create, 1 to update, 0 unchanged
    run t: 3 step(s)
    > create a
    < create a: a#2
    > update b
    < update b: b#1
    > forget a
    < forget a
    end: 2 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#2", "b#1"]);
}

/// S58: what lived on it, and what was inside its component.
#[tokio::test(start_paused = true)]
async fn a_host_that_is_gone_takes_what_lived_on_it_out_of_the_state() {
    let program = |scope: &mut Scope<'_>| {
        let host = scope.add("host", thing(&[]));
        scope.add("guest", thing(&[]).deleted_with(&host));
    };
    let world = World::new();
    world.settle(program).await;
    world.cloud().lose("host#1");
    assert_eq!(world.cloud().ids(), NOTHING);
    world.refresh(program).await.ok();
    let mut log = world.settle(program).await.log();
    log.sort();
    assert_eq!(log, ["create guest", "create host"]);
}

/// What reports another id than it had, once it was edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "model:test/renamed", outputs = RenamedOutputs)]
struct Renamed {
    label: Option<String>,
}

/// Its id, and the object's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
struct RenamedOutputs {
    #[output(id)]
    id: String,
    alias: String,
}

impl Renamed {
    fn seen(id: String, inputs: &Value) -> Observed<Self> {
        let inputs: Self = inputs.to_data().unwrap();
        let alias = format!("{id}/{}", inputs.label.clone().unwrap_or_default());
        Observed { inputs, outputs: RenamedOutputs { id, alias } }
    }
}

impl Lifecycle for Renamed {
    type Client = Cloud;
    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Cloud>,
        _: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (address, made_by) = (cx.identity.address.as_str(), cx.identity.id);
        let found = cx.client.call(Op::Find, address, None, |at| Ok(at.made_by(made_by))).await?;
        Ok(found.map(|(id, object)| Self::seen(id, &object.inputs)))
    }

    async fn read(
        cx: &Context<'_, Cloud>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
        let object = cx.client.call(Op::Read, address, Some(id), |at| Ok(at.get(id))).await?;
        Ok(object.map(|object| Self::seen(id.clone(), &object.inputs)))
    }

    async fn list(
        client: &Cloud,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let found = client
            .call(Op::List, Self::TYPE.kind, None, |at| {
                let there = among.iter().filter_map(|known| {
                    Some((known.outputs.id.clone(), at.get(&known.outputs.id)?))
                });
                Ok(there.collect::<Vec<_>>())
            })
            .await?;
        Ok(found.into_iter().map(|(id, object)| Self::seen(id, &object.inputs)).collect())
    }

    async fn create(
        cx: &Context<'_, Cloud>,
        inputs: &Self,
    ) -> Result<RenamedOutputs, CreateError<Self>> {
        let address = cx.identity.address.as_str();
        let kept = Value::from_data(inputs).unwrap();
        let made = cx
            .client
            .call(Op::Create, address, None, |at| {
                at.create(Self::TYPE.kind, cx.identity, kept, None, Vec::new())
            })
            .await;
        let label = inputs.label.clone().unwrap_or_default();
        match made {
            Ok(id) => Ok(RenamedOutputs { alias: format!("{id}/{label}"), id }),
            Err(Interrupted::Failed(error) | Interrupted::Partial(error, _)) => Err(error.into()),
        }
    }

    async fn settle(
        cx: &Context<'_, Cloud>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let seen = Self::read(cx, known).await?;
        Ok(Settled::Ready(seen.unwrap()))
    }

    async fn update(
        cx: &Context<'_, Cloud>,
        known: &Known<Self>,
        inputs: &Self,
        _: &Changes,
    ) -> Result<RenamedOutputs, ProviderError> {
        let (address, id) = (cx.identity.address.as_str(), known.outputs.id.clone());
        let kept = Value::from_data(inputs).unwrap();
        cx.client
            .call(Op::Update, address, Some(&id), |at| at.update(&id, kept, None, Vec::new()))
            .await?;
        let label = inputs.label.clone().unwrap_or_default();
        Ok(RenamedOutputs { alias: format!("{id}/{label}"), id })
    }

    async fn delete(
        cx: &Context<'_, Cloud>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let (address, id) = (cx.identity.address.as_str(), &known.outputs.id);
        cx.client.call(Op::Delete, address, Some(id), |at| at.delete(id)).await?;
        Ok(Deletion::Done)
    }
}

/// S59: what a look reports of an object becomes its record.
#[tokio::test(start_paused = true)]
async fn outputs_that_are_others_now_are_recorded_by_a_refresh() {
    let world = World::new().provider_with(|registry| registry.with::<Renamed>());
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Renamed { label: Some("one".into()) });
    };
    world.settle(program).await;
    let alias = |world: &World| {
        let row = world.row("a").unwrap();
        row.outputs.get("alias").and_then(|alias| alias.as_str().map(str::to_owned)).unwrap()
    };
    assert_eq!(alias(&world), "a#1/one");
    world.cloud().edit("a#1", "label", "two".into());
    world.refresh(program).await.ok();
    assert_eq!(alias(&world), "a#1/two");
    assert_eq!(world.settle(program).await.log(), ["update a"]);
    assert_eq!(alias(&world), "a#1/one");
}

/// S59: a create that half happened stays so until it is finished, however often it is looked at.
#[tokio::test(start_paused = true)]
async fn a_refresh_asks_whether_a_half_made_object_is_ready_now() {
    let world = World::new();
    world.cloud().fail(Op::Create, "a", 1, Fault::Partial);
    let _ = world.up(uses).await;
    world.refresh(uses).await.ok();
    let plan = world.plan(uses).await.unwrap();
    expect(&plan).creates("b");
    world.apply(plan).await.ok();
    assert_eq!(world.cloud().ids(), ["a#1", "b#1"]);
}

/// S61: what the cloud never gives back.
#[tokio::test(start_paused = true)]
async fn inputs_that_a_look_does_not_show_are_kept() {
    let world = World::new();
    let program = |hidden: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().hidden(hidden).label("x").build());
        }
    };
    world.settle(program("one")).await;
    world.refresh(program("one")).await.ok();
    world.settled(program("one")).await;
    let hidden = world.row("a").unwrap().inputs.get("hidden").cloned();
    assert_eq!(hidden.unwrap().as_str(), Some("one"));
    assert_eq!(world.settle(program("two")).await.log(), ["update a"]);
}

/// S64.
#[tokio::test(start_paused = true)]
async fn a_plan_that_only_refreshes_changes_nothing_although_the_program_differs() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label(label).build());
        }
    };
    world.settle(program("1")).await;
    world.cloud().edit("a#1", "label", "by hand".into());
    let run = world
        .refresh(|scope| {
            scope.add("a", Thing::builder().label("2").build());
            scope.add("new", thing(&[]));
        })
        .await
        .ok();
    assert_snapshot!(run.story(), @r#"
    refresh only: what is there is recorded, and nothing else changes
      ~ a                                        model:test/thing
          label: "1" -> "by hand"
    1 to record, 0 to drop, 0 unchanged
    run t: 0 step(s)
    end: 0 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#1"]);
    let run = world.settle(program("1")).await;
    assert_snapshot!(run.plan(), @r#"
    other
      ~ a                                        model:test/thing
          label: "by hand" -> "1"
    1 to update, 0 unchanged
    "#);
}

/// Drift is told field by field, whoever wanted what, and put back.
#[tokio::test(start_paused = true)]
async fn what_another_hand_did_is_shown_beside_what_the_program_changes_and_put_back() {
    let world = World::new();
    let program = |fixed: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label("1").set(["x", "y"]).build());
            scope.add("b", Thing::builder().label("1").zone("z1").build());
            scope.add("c", Thing::builder().fixed(fixed).build());
        }
    };
    world.settle(program("1")).await;
    world.cloud().edit("a#1", "label", "by hand".into());
    world.cloud().edit("b#1", "zone", "z2".into());
    let run = world.settle(program("2")).await;
    assert_snapshot!(run.plan(), @r#"
    other
      ~ a                                        model:test/thing  (drifted)
          label: "by hand" -> "1" (drifted)
      ~ b                                        model:test/thing  (drifted)
          zone: "z2" -> "z1" (drifted)
      ± c                                        model:test/thing
          fixed: "1" -> "2" (forces replacement)
      - c                                        model:test/thing  (replaced)
    2 to update, 1 to replace, 0 unchanged
    "#);
    // Without a look nothing is known of it.
    world.cloud().edit("a#1", "label", "by hand".into());

    let plan = world.ask(program("2"), |request| request.refresh(RefreshMode::None)).await.unwrap();
    expect(&plan).empty();
    assert_eq!(world.settle(program("2")).await.log(), ["update a"]);
}

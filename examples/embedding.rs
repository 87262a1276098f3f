//! Formwork inside another async program: the program plans, looks at the steps as data, decides by
//! itself, takes the events, stops a run in the middle, and goes on later.
//!
//! `cargo run --example embedding --no-default-features` needs no cloud, no account and no terminal:
//! everything is on the modelled cloud of `formwork::testing`. The library starts no runtime, catches
//! no signal and prints nothing: all that is printed here is printed by this program.

use std::{error::Error, time::Duration};

use formwork::{
    Action, ApplyError, CancelToken, Engine, Event, Plan, Stack,
    testing::{Cloud, MemoryStore, Thing, provider},
};
use tokio::sync::mpsc;

/// What this service wants: a network, and machines in it.
fn stack(machines: usize) -> Result<Stack, Box<dyn Error + Send + Sync>> {
    Ok(Stack::new("service", |scope| {
        let network = scope.add("network", Thing::builder().label("10.0.0.0/16").build());
        for i in 0..machines {
            let machine = Thing::builder().fixed_ref(&network.id).label("small").build();
            scope.add(format!("machine-{i}"), machine);
        }
        scope.export("network", &network.id);
    })?)
}

/// What this program lets through without a person: nothing that goes, and not too much at once.
fn is_harmless(plan: &Plan) -> Result<(), String> {
    if let Some(step) = plan.steps().find(|step| step.action == Action::Delete) {
        return Err(format!("{} would be deleted", step.address));
    }
    match plan.summary().create {
        created if created > 10 => Err(format!("{created} at once are too many")),
        _ => Ok(()),
    }
}

// The runtime is the program's own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let cloud = Cloud::new();
    cloud.latency(Duration::from_millis(50));
    let engine = Engine::builder()
        .provider(provider(&cloud))
        .state(MemoryStore::new())
        .parallelism(2)
        .try_build()?;

    // A plan is data: look at it, show it anywhere, decide.
    let plan = engine.plan(&stack(6)?).await?;
    for step in plan.steps() {
        println!("{:?} {} after {} other(s)", step.action, step.address, step.after.len());
    }
    is_harmless(&plan)?;

    // The run is a future like any other; its events go where the program wants them.
    let (sender, mut events) = mpsc::unbounded_channel();
    let cancel = CancelToken::new();
    let run = {
        let (engine, cancel) = (engine.clone(), cancel.clone());
        tokio::spawn(async move {
            engine
                .apply(plan)
                .events(move |event| {
                    // Nobody may be listening any more, and the run goes on.
                    let _ = sender.send(event);
                })
                .cancel(cancel)
                .await
                .map(|live| live.exports().clone())
        })
    };
    let mut made = 0;
    while let Some(event) = events.recv().await {
        if let Event::StepFinished { of, elapsed_ms, .. } = event {
            println!("{} is there after {elapsed_ms} ms", of.address);
            made += 1;
            if made == 3 {
                // In the middle: what is in flight is finished and recorded, nothing more is started.
                cancel.cancel();
            }
        }
    }
    match run.await? {
        Err(ApplyError::Cancelled(report)) => {
            println!("stopped: {} done, {} not tried", report.done, report.skipped.len());
        }
        other => return Err(format!("it was to be stopped, and was not: {other:?}").into()),
    }

    // Later, in this program or in another: the next plan is of what is left.
    let plan = engine.plan(&stack(6)?).await?;
    println!("to go on: {}", plan.summary());
    let live = engine.apply(plan).await?;
    println!("done: {}", live.exports());

    // What it would not let through, it does not apply.
    let plan = engine.plan(&stack(5)?).await?;
    match is_harmless(&plan) {
        Err(why) => println!("left alone: {why}"),
        Ok(()) => return Err("a machine goes, and nobody minded".into()),
    }
    Ok(())
}

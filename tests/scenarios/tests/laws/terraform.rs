//! The same programs for Terraform's `terraform_data`: the actions that it plans are ours.
//!
//! Runs where a `terraform` is there, which needs no provider for it.

use std::{collections::BTreeMap, path::Path, process::Command};

use formwork::{
    Action, Plan, Scope,
    testing::{Random, Thing, ThingHandle, World},
};
use serde_json::{Value, json};

/// One resource: what it says, what replaces it, and which of those above it uses.
#[derive(Clone, Debug)]
struct Data {
    name: String,
    input: String,
    fixed: String,
    on: Option<usize>,
    fixed_on: Option<usize>,
}

/// A program of a number, and the one after it.
fn programs(seed: u64) -> [Vec<Data>; 2] {
    let mut random = Random::new(seed);
    let mut one = |names: &[u64]| -> Vec<Data> {
        let mut program = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let up = |n: u64| (n < 2 && i > 0).then(|| i - 1 - (n as usize).min(i - 1));
            program.push(Data {
                name: format!("r{name}"),
                input: format!("l{}", random.below(2)),
                fixed: format!("f{}", random.below(2)),
                on: up(random.below(4)),
                fixed_on: up(random.below(6)),
            });
        }
        program
    };
    let first = one(&[0, 1, 2, 3, 4]);
    let second = one(&[0, 1, 2, 3, 5]);
    [first, second]
}

fn ours(program: &[Data]) -> impl Fn(&mut Scope<'_>) + '_ {
    move |scope| {
        let mut made: Vec<ThingHandle> = Vec::new();
        for data in program {
            let refs: Vec<_> = data.on.iter().map(|on| made[*on].id.clone()).collect();
            let fixed_ref = data.fixed_on.map(|on| made[on].id.clone());
            let thing = Thing::builder()
                .label(&data.input)
                .fixed(&data.fixed)
                .refs(refs)
                .maybe_fixed_ref(fixed_ref)
                .build();
            made.push(scope.add(&data.name, thing));
        }
    }
}

fn theirs(program: &[Data]) -> Value {
    let id = |on: usize| format!("${{terraform_data.{}.id}}", program[on].name);
    let resources = program.iter().map(|data| {
        let mut input = vec![data.input.clone()];
        input.extend(data.on.map(id));
        let mut replace = vec![data.fixed.clone()];
        replace.extend(data.fixed_on.map(id));
        (data.name.clone(), json!({ "input": input, "triggers_replace": replace }))
    });
    json!({ "resource": { "terraform_data": resources.collect::<serde_json::Map<_, _>>() } })
}

fn terraform(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("terraform");
    command.args(arguments).current_dir(folder).env("CHECKPOINT_DISABLE", "1");
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "terraform {arguments:?}: {text}{told}");
    Some(text)
}

fn write(folder: &Path, program: &[Data]) {
    let text = serde_json::to_vec_pretty(&theirs(program)).unwrap();
    std::fs::write(folder.join("main.tf.json"), text).unwrap();
}

/// What Terraform would do, by name.
fn their_actions(folder: &Path) -> BTreeMap<String, String> {
    terraform(folder, &["plan", "-out=plan", "-input=false", "-no-color"]).unwrap();
    let shown: Value =
        serde_json::from_str(&terraform(folder, &["show", "-json", "plan"]).unwrap()).unwrap();
    let mut actions = BTreeMap::new();
    for change in shown["resource_changes"].as_array().into_iter().flatten() {
        let does: Vec<&str> = change["change"]["actions"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let action = match does.as_slice() {
            ["no-op"] => continue,
            [one] => (*one).to_owned(),
            _ => "replace".to_owned(),
        };
        actions.insert(change["name"].as_str().unwrap().to_owned(), action);
    }
    actions
}

fn our_actions(plan: &Plan) -> BTreeMap<String, String> {
    let mut actions = BTreeMap::new();
    for step in plan.steps() {
        let action = match step.action {
            Action::Create if step.is_replacement() => "replace",
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
            _ => continue,
        };
        let entry = actions.entry(step.address.to_string()).or_insert(action.to_owned());
        if action == "replace" {
            *entry = action.to_owned();
        }
    }
    actions
}

#[tokio::test(start_paused = true)]
async fn terraform_plans_the_same_actions() {
    if Command::new("terraform").arg("version").output().is_err() {
        println!("SKIPPED: there is no terraform here to compare with");
        return;
    }
    let cases: u64 =
        std::env::var("FORMWORK_TERRAFORM").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    for seed in 0..cases {
        let [first, second] = programs(seed);
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &first);
        terraform(dir.path(), &["init", "-input=false", "-no-color"]).unwrap();
        terraform(dir.path(), &["apply", "-auto-approve", "-input=false", "-no-color"]).unwrap();
        write(dir.path(), &second);
        let theirs = their_actions(dir.path());

        let world = World::new();
        world.settle(ours(&first)).await;
        let plan = world.plan(ours(&second)).await.unwrap();
        assert_eq!(our_actions(&plan), theirs, "case {seed}: {first:#?}\n{second:#?}\n{plan}");
    }
}

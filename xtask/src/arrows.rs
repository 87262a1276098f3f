//! The arrows between the crates, checked on `cargo metadata`: who may know whom.
//!
//! Arrows are those of normal and build dependencies. Tests may look further: formwork-aws is
//! tested on formwork-sandbox, which must not know it.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::system;

/// What each crate of ours may depend on, of ours. A crate that is not listed here is a mistake.
const MAY_KNOW: [(&str, &[&str]); 12] = [
    ("formwork-macros", &[]),
    ("formwork-core", &["formwork-macros"]),
    ("formwork-state", &["formwork-core"]),
    ("formwork-aws", &["formwork-core"]),
    ("formwork-gpu", &["formwork-core", "formwork-aws"]),
    ("formwork-sandbox", &[]),
    ("formwork-cli", &["formwork-core", "formwork-state"]),
    ("formwork", &FACADE),
    ("formwork-tests", &EVERYTHING),
    ("formwork-scenarios", &[]),
    ("formwork-benches", &EVERYTHING),
    ("xtask", &[]),
];

const FACADE: [&str; 6] = [
    "formwork-core",
    "formwork-state",
    "formwork-aws",
    "formwork-gpu",
    "formwork-sandbox",
    "formwork-cli",
];

const EVERYTHING: [&str; 8] = [
    "formwork",
    "formwork-macros",
    "formwork-core",
    "formwork-state",
    "formwork-aws",
    "formwork-gpu",
    "formwork-sandbox",
    "formwork-cli",
];

/// On these no crate of ours depends.
const LEAVES: [&str; 4] = ["formwork", "formwork-tests", "formwork-benches", "xtask"];

/// Names, or beginnings of names, that the crates to the left must not depend on.
const MUST_NOT_KNOW: [(&str, &[&str]); 5] = [
    (
        "formwork-core",
        &[
            "aws-",
            "sled",
            "redb",
            "clap",
            "indicatif",
            "anstyle",
            "miette",
            "dotenvy",
            "ctrlc",
            "hyper",
            "reqwest",
            "rusqlite",
            "terminal_size",
            "tempfile",
        ],
    ),
    ("formwork-macros", &["tokio", "aws-"]),
    ("formwork-state", &["aws-config", "aws-sdk-ec2", "clap", "indicatif", "miette"]),
    ("formwork-sandbox", &["aws-sdk-", "aws-config", "clap", "indicatif", "miette"]),
    ("formwork-cli", &["aws-", "sled", "redb"]),
];

/// The packages of the workspace.
fn packages() -> Vec<Value> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let printed = system::output(&mut system::cargo(&arguments)).unwrap();
    let metadata: Value = serde_json::from_str(&printed).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Per package, the names it depends on: normal and build ones, no dev ones.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap();
        let arrows = all.iter().filter(|dependency| dependency["kind"] != "dev");
        arrows.map(|dependency| text(&dependency["name"])).collect()
    };
    packages().iter().map(|package| (text(&package["name"]), of(package))).collect()
}

#[test]
fn every_crate_knows_only_those_below_it() {
    let dependencies = dependencies();
    let may_know: BTreeMap<&str, &[&str]> = MAY_KNOW.into_iter().collect();
    let mut wrong = Vec::new();
    for (package, needs) in &dependencies {
        let Some(allowed) = may_know.get(package.as_str()) else {
            wrong.push(format!("{package} is new: say in xtask/src/arrows.rs whom it may know"));
            continue;
        };
        for need in needs.iter().filter(|need| dependencies.contains_key(*need)) {
            if !allowed.contains(&need.as_str()) {
                wrong.push(format!("{package} depends on {need}"));
            }
            if LEAVES.contains(&need.as_str()) && package != "formwork-tests" {
                wrong.push(format!("{package} depends on {need}, which is a leaf"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_crate_knows_what_is_not_its_business() {
    let dependencies = dependencies();
    let mut wrong = Vec::new();
    for (package, banned) in MUST_NOT_KNOW {
        for need in &dependencies[package] {
            let hit =
                |name: &&str| need == name || (name.ends_with('-') && need.starts_with(*name));
            if banned.iter().any(hit) {
                wrong.push(format!("{package} depends on {need}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_crate_takes_its_lints_from_the_workspace() {
    for package in packages() {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package["name"]);
    }
}

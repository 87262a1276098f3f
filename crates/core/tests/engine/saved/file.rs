//! The file of a plan: whole and ours, or refused with its place, whatever its bytes are.

use formwork_core::{Plan, ReadPlanError, SavedPlan, Scope, testing::Thing};

use super::{Strongbox, file};
use crate::{basics::thing, world::World};

async fn plan() -> Plan {
    let world = World::new();
    let program = |password: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().label("x").password(password).build());
            scope.add("b", thing(&[&a]).protect());
        }
    };
    world.settle(program("one")).await;
    world.plan(program("two")).await
}

#[tokio::test]
async fn the_file_says_what_it_is_and_has_a_line_for_each_step() {
    let text = String::from_utf8(file(&plan().await)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], r#"{"formwork":"plan","#);
    assert_eq!(lines[1], r#""format":1,"#);
    assert!(lines.iter().any(|line| line.starts_with(r#"{"action":"update","address":"a""#)));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["written_by"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&json["plan"]["stack"], &json["plan"]["steps"][0]["address"]),
        (&"t".into(), &"a".into())
    );
    assert_eq!(
        json["declared"]["nodes"][1]["inputs"]["members"]["refs"]["list"][0]["output"]["of"],
        "a"
    );
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_refused_wherever_it_was_cut() {
    let whole = file(&plan().await);
    assert!(SavedPlan::from_bytes(&whole).is_ok());
    for end in 0..whole.len() {
        let cut = SavedPlan::from_bytes(&whole[..end]).map(drop).unwrap_err();
        let lines = whole[..end].iter().filter(|byte| **byte == b'\n').count();
        match cut {
            ReadPlanError::NotAPlan { found } if end == 0 => assert_eq!(found, "it is empty"),
            ReadPlanError::Truncated { line } => {
                assert!((lines..=lines + 1).contains(&line), "{end}: {line} of {lines}");
            }
            other => panic!("cut at {end}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_file_with_a_byte_that_is_another_one_is_refused_with_its_line() {
    let whole = file(&plan().await);
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    for at in 0..whole.len() {
        let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            match SavedPlan::from_bytes(&bytes).map(drop).unwrap_err() {
                ReadPlanError::Damaged { line: said } => {
                    // What is wrong in the sums themselves can look as if it were elsewhere.
                    assert!(said == line || line == lines, "{at}: {said}, not {line}");
                }
                ReadPlanError::NotAPlan { .. } => assert!(line <= 2, "{at}"),
                ReadPlanError::Format { .. } => assert_eq!(line, 2),
                ReadPlanError::Truncated { .. } => assert!(line + 1 >= lines, "{at}"),
                other => panic!("{at}: {other}"),
            }
        }
    }
}

#[tokio::test]
async fn lines_that_are_lost_added_or_exchanged_are_noticed() {
    let text = String::from_utf8(file(&plan().await)).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 2..lines.len() {
        let mut lost = lines.clone();
        lost.remove(at);
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        let mut turned = lines.clone();
        turned.swap(at, at - 1);
        for broken in [lost, twice, turned] {
            let broken = broken.concat();
            assert!(broken == text || SavedPlan::from_bytes(broken.as_bytes()).is_err(), "{at}");
        }
    }
}

#[tokio::test]
async fn what_is_no_plan_is_named() {
    let says = |text: &str| SavedPlan::from_bytes(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(says(""), "this is no plan: it is empty");
    assert_eq!(says("fn main() {}"), "this is no plan: it does not begin as one");
    assert_eq!(
        says(r#"{"formwork":"stack","format":1}"#),
        "this is no plan: it is a \"stack\" of formwork"
    );
    let text = String::from_utf8(file(&plan().await)).unwrap();
    let pretty: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        says(&serde_json::to_string_pretty(&pretty).unwrap()),
        "this is no plan: it was written anew by something else than formwork"
    );
    assert_eq!(
        says(&text.replacen("\"format\":1,", "\"format\":27,", 1)),
        "the plan has format 27, and this version of formwork reads format 1: apply it with the version that wrote it, or plan again"
    );
}

/// The file with other words in it, and sums that are right again.
fn forged(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let hex = |bytes: &[u8]| -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let text = String::from_utf8(file.to_vec()).unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replacen(from, to, 1);
    let (before, _) = text.rsplit_once("\"sums\":").unwrap();
    let sums: Vec<String> =
        before.lines().map(|line| hex(line.as_bytes())[..16].to_owned()).collect();
    let sums = serde_json::to_string(&sums).unwrap();
    format!("{before}\"sums\":{sums},\"sum\":\"{}\"}}\n", hex(before.as_bytes())).into_bytes()
}

#[tokio::test]
async fn what_is_made_up_with_right_sums_still_makes_no_sense_or_does_not_open() {
    let file = file(&plan().await);
    let same = forged(&file, "\"format\":1", "\"format\":1");
    assert_eq!(same, file);
    let open = |bytes: &[u8]| SavedPlan::from_bytes(bytes)?.open(Some(&Strongbox(1))).map(drop);
    open(&file).unwrap();
    // Secrets are bound to every word around them.
    let other = forged(&file, "\"address\":\"a\"", "\"address\":\"b\"");
    assert!(matches!(open(&other), Err(ReadPlanError::Secrets(_))));
    let loop_ = forged(&file, "\"after\":[]", "\"after\":[0]");
    let error = open(&loop_).unwrap_err().to_string();
    assert_eq!(error, "the plan makes no sense: some of its steps wait for each other");
    let stranger = forged(&file, "\"after\":[]", "\"after\":[9]");
    let error = open(&stranger).unwrap_err().to_string();
    assert_eq!(error, "the plan makes no sense: step 0 waits for step 9, which is not there");
    let newer = forged(&file, "\"written_by\":\"0.1.0\"", "\"written_by\":\"9.0.0\"");
    assert!(matches!(open(&newer), Err(ReadPlanError::Secrets(_))));
    let strange = forged(&file, "\"action\":\"update\"", "\"action\":\"explode\"");
    assert!(matches!(open(&strange), Err(ReadPlanError::Wrong { .. })));
    let newer = forged(&strange, "\"written_by\":\"0.1.0\"", "\"written_by\":\"9.0.0\"");
    let error = open(&newer).unwrap_err().to_string();
    assert!(error.starts_with("the plan was made by formwork 9.0.0, and this is 0.1.0"), "{error}");
}

#[tokio::test]
async fn steps_that_are_made_up_find_no_object_and_no_declaration() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label(label).build());
            if label == "two" {
                scope.add("new", thing(&[]));
            }
        }
    };
    world.settle(program("one")).await;
    let plan = world.plan(program("two")).await;
    let file = SavedPlan::new(&plan).to_bytes(None).unwrap();
    let id = |address: &str| {
        let mut steps = plan.data().steps.iter();
        format!("\"id\":\"{}\"", steps.find(|step| step.address.as_str() == address).unwrap().id)
    };
    let none = "\"id\":\"00000000000000000000\"".to_owned();
    let (update, create) = ("\"action\":\"update\"", "\"action\":\"create\"");
    for (from, to, said) in [
        (id("a"), none, "a: the plan changes an object that is not recorded"),
        (id("new"), id("a"), "new: the plan makes it under an id that is taken"),
        (
            format!("{create},\"address\":\"new\""),
            format!("{update},\"address\":\"old\""),
            "old: the plan makes or changes it, and the program does not declare it",
        ),
    ] {
        let forged = SavedPlan::from_bytes(&forged(&file, &from, &to)).unwrap();
        let refused = world.engine().load(&World::stack(program("two")), forged).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

#[tokio::test]
async fn a_plan_of_another_version_of_formwork_is_read_and_not_applied() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| drop(scope.add("a", thing(&[])));
    let file = SavedPlan::new(&world.plan(program).await).to_bytes(None).unwrap();
    let version = concat!("\"written_by\":\"", env!("CARGO_PKG_VERSION"), "\"");
    let newer = SavedPlan::from_bytes(&forged(&file, version, "\"written_by\":\"9.0.0\"")).unwrap();
    assert_eq!(newer.data().steps.len(), 1);
    let error = world.engine().load(&World::stack(program), newer).await.unwrap_err().to_string();
    assert!(error.starts_with("the plan was made by formwork 9.0.0, and this is"), "{error}");
}

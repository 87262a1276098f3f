//! Mistakes: each a clear error that names the place, and nothing lost.

use super::program::Program;

#[test]
fn a_cluster_that_can_not_work_is_refused_with_every_reason_at_once() {
    let program = Program::new(&[
        "--driver",
        "515.105.01",
        "--fabric-manager",
        "515.65.01",
        "--zone",
        "us-west-2c",
        "--cidr",
        "10.0.0.0/27",
    ]);
    let plan = program.run(&["plan"]);
    assert_eq!(plan.code, Some(1));
    for reason in ["515.105.01", "515.65.01", "10.0.0.0/27", "examples/gpu_cluster.rs:"] {
        assert!(plan.err.contains(reason), "{reason} is missing in: {}", plan.err);
    }
    let zone = Program::new(&["--zone", "us-west-2c"]).run(&["plan"]);
    assert!(
        zone.err.contains("p5.48xlarge is not offered in us-west-2c; it is in "),
        "{}",
        zone.err
    );
}

#[test]
fn an_unknown_instance_type_and_a_crooked_range_are_named() {
    let plan = Program::new(&["--instance-type", "p5.49xlarge"]).run(&["plan"]);
    assert_eq!(plan.code, Some(1));
    assert!(plan.err.contains("p5.49xlarge") && plan.err.contains("instance_type"), "{}", plan.err);
    let plan = Program::new(&["--cidr", "10.0.0.1/16"]).run(&["plan"]);
    assert!(plan.err.contains("did you mean 10.0.0.0/16?"), "{}", plan.err);
}

#[test]
fn simulated_nodes_on_a_real_cloud_are_refused() {
    let program = Program::new(&["--cloud", "aws"])
        .env("AWS_ENDPOINT_URL", "https://ec2.us-west-2.amazonaws.com")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x");
    let up = program.run(&["up", "--yes"]);
    assert_eq!(up.code, Some(1));
    assert!(up.err.contains("--nodes none"), "{}", up.err);
}

#[test]
fn a_second_process_on_the_same_state_is_told_so() {
    let program = Program::new(&["--count", "1"]);
    let mut first = program.start(&["up"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    let second = program.run(&["up"]);
    first.wait().unwrap();
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("in use"), "{}", second.err);
    assert!(program.ok(&["up"]).out.contains("Nothing changed"));
}

#[test]
fn a_damaged_state_is_refused_and_left_as_it_is() {
    let program = Program::new(&["--count", "1"]);
    program.ok(&["up"]);
    let log = program.folder.path().join(".formwork/state/rows/db");
    let whole = std::fs::read(&log).unwrap();
    std::fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    let half = std::fs::read(&log).unwrap();
    for words in [["plan"], ["up"], ["destroy"]] {
        let ran = program.run(&words);
        assert_eq!(ran.code, Some(1), "{}", ran.out);
        assert!(ran.err.contains(".formwork/state"), "{}", ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
    assert_eq!(std::fs::read(&log).unwrap(), half, "a refused state was written to");
    std::fs::write(&log, whole).unwrap();
    assert!(program.ok(&["up"]).out.contains("Nothing changed"));
}

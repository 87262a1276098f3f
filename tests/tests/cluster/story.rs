//! The main job, from nothing to nothing.

use serde_json::json;

use super::program::Program;

#[tokio::test]
async fn the_cluster_comes_up_stays_is_put_back_and_goes() {
    let program = Program::new(&["--count", "2"]);
    let up = program.ok(&[]);
    let order = ["network\n", "compute\n", "drivers\n"].map(|group| up.out.find(group).unwrap());
    assert!(order.is_sorted(), "{}", up.out);
    assert!(up.out.contains("training_ready      2"), "{}", up.out);
    let objects = program.objects().await;
    // 33 interfaces per node, and one for each of the NAT gateway and three endpoints.
    assert_eq!(objects["interfaces"], 2 * 33 + 4, "{objects:?}");

    let again = program.ok(&["up"]);
    assert!(again.out.contains("Nothing changed"), "{}", again.out);
    assert_eq!(program.ok(&["drift", "--exit-code"]).out, "No drift.\n");
    assert_eq!(program.objects().await, objects);

    let sandbox = program.sandbox();
    let vpc = sandbox.ids("us-west-2", "vpc").remove(0);
    sandbox.edit("us-west-2", "vpc", &vpc, json!({"dns_hostnames": false})).await.unwrap();
    drop(sandbox);
    let drift = program.run(&["drift", "--exit-code"]);
    assert_eq!(drift.code, Some(2), "{drift:?}");
    let fields: Vec<&str> = drift.out.lines().map(str::trim).collect();
    assert_eq!(
        fields,
        [
            format!("~ cluster/vpc  aws:ec2/vpc  {vpc}").as_str(),
            "field                 program  recorded  there",
            "enable_dns_hostnames  true     true      false  `up` puts it back",
        ]
    );
    program.ok(&["up"]);
    assert_eq!(program.ok(&["drift", "--exit-code"]).out, "No drift.\n");

    let destroyed = program.ok(&["destroy"]);
    assert!(!destroyed.err.contains("driver"), "a driver was uninstalled: {}", destroyed.err);
    assert_eq!(program.objects().await, [].into());
}

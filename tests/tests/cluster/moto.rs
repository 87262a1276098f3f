//! The same program against moto, another team's AWS: applied, seen, settled, destroyed to nothing.
//!
//! What moto 5.2.5 lacks of it is left out by the program's own settings, each for a reason:
//!
//! * placement groups are not implemented: `--no-placement-group`;
//! * Canonical's public parameters are not there: `--image`, one of moto's own images.
//!
//! The library has no flag for an emulator, and the program neither.

use aws_sdk_ec2::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::InstanceStateName,
};

use super::program::Program;
use crate::conformance::moto::Server;

fn client(url: &str) -> Client {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .credentials_provider(Credentials::new("x", "x", None, None, "test"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

#[tokio::test]
async fn the_same_program_goes_to_moto_and_leaves_nothing_there() {
    let Some(moto) = Server::start().await else { return };
    let ec2 = client(moto.url());
    let images = ec2.describe_images().owners("099720109477").send().await.unwrap();
    let image = images.images()[0].image_id().unwrap().to_owned();
    let settings =
        ["--cloud", "aws", "--count", "2", "--no-placement-group", "--image", image.as_str()];
    let program = Program::new(&settings)
        .env("AWS_ENDPOINT_URL", moto.url())
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x");
    program.ok(&["up"]);

    let reservations = ec2.describe_instances().send().await.unwrap();
    let nodes: Vec<_> = reservations.reservations().iter().flat_map(|r| r.instances()).collect();
    assert_eq!(nodes.len(), 2);
    for node in nodes {
        assert_eq!(node.instance_type().unwrap().as_str(), "p5.48xlarge");
        let tags = node.tags();
        assert!(tags.iter().any(|tag| tag.key() == Some("formwork:id")), "{tags:?}");
    }
    let templates = ec2.describe_launch_template_versions().versions("$Latest");
    let names = ec2.describe_launch_templates().send().await.unwrap();
    let id = names.launch_templates()[0].launch_template_id().unwrap();
    let template = templates.launch_template_id(id).send().await.unwrap();
    let data = template.launch_template_versions()[0].launch_template_data().unwrap();
    assert_eq!(data.network_interfaces().len(), 33);

    let plan = program.run(&["plan", "--exit-code"]);
    assert_eq!(plan.code, Some(0), "{}{}", plan.out, plan.err);
    program.ok(&["destroy"]);

    let vpcs = ec2.describe_vpcs().send().await.unwrap();
    assert!(vpcs.vpcs().iter().all(|vpc| vpc.is_default() == Some(true)));
    let reservations = ec2.describe_instances().send().await.unwrap();
    let mut states = reservations
        .reservations()
        .iter()
        .flat_map(|r| r.instances())
        .map(|i| i.state().and_then(|s| s.name()).cloned());
    assert!(states.all(|state| state == Some(InstanceStateName::Terminated)));
    let left = ec2.describe_launch_templates().send().await.unwrap();
    assert!(left.launch_templates().is_empty());
    assert!(ec2.describe_addresses().send().await.unwrap().addresses().is_empty());
}

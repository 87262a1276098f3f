//! The lookups on the sandbox.

use std::collections::BTreeMap;

use formwork_core::{ErrorKind, Lookup};
use formwork_sandbox::Sandbox;

use super::*;
use crate::{Aws, testing::aws};

async fn look_up<L: Lookup<Client = crate::Clients>>(
    aws: &Aws,
    query: L,
) -> Result<L::Answer, formwork_core::ProviderError> {
    L::look_up(aws.clients(), &query).await
}

#[tokio::test]
async fn the_caller_and_the_region_are_known() {
    let aws = aws(&Sandbox::in_memory()).await;
    let caller = look_up(&aws, CallerIdentity {}).await.unwrap();
    assert_eq!((caller.account.as_str(), caller.partition.as_str()), ("123456789012", "aws"));
    let region = look_up(&aws, Region { name: None }).await.unwrap();
    assert_eq!(region.name, "eu-west-1");
    assert_eq!(region.dns_suffix, "amazonaws.com");
    let nowhere = look_up(&aws, Region { name: Some("eu-nowhere-1".into()) }).await;
    assert_eq!(nowhere.unwrap_err().kind, ErrorKind::Invalid);
}

fn zones() -> AvailabilityZones {
    serde_json::from_str("{}").unwrap()
}

#[tokio::test]
async fn zones_can_be_those_that_offer_a_type() {
    let aws = aws(&Sandbox::in_memory()).await;
    let all = look_up(&aws, zones()).await.unwrap();
    assert!(all.names.len() >= 3 && all.names.is_sorted() && all.ids.len() == all.names.len());
    let query = AvailabilityZones { instance_types: vec!["p5.48xlarge".into()], ..zones() };
    let some = look_up(&aws, query).await.unwrap();
    let p5 = look_up(&aws, InstanceType { name: "p5.48xlarge".into() }).await.unwrap();
    assert!(!some.names.is_empty());
    assert_eq!(some.names, p5.zones);
    let query = AvailabilityZones { exclude: vec![all.ids[0].clone()], ..zones() };
    assert_eq!(look_up(&aws, query).await.unwrap().names, all.names[1..]);
}

#[tokio::test]
async fn an_instance_type_is_known_down_to_its_network_cards() {
    let aws = aws(&Sandbox::in_memory()).await;
    let p5 = look_up(&aws, InstanceType { name: "p5.48xlarge".into() }).await.unwrap();
    assert_eq!((p5.vcpus, p5.memory_mib), (192, 2_097_152));
    assert_eq!((p5.gpu_count, p5.gpus[0].name.as_str()), (8, "H100"));
    assert_eq!((p5.network_cards.len(), p5.max_efa_interfaces, p5.efa), (32, 32, true));
    assert!(p5.nvme_storage && p5.storage_gb == 30_400);
    let unknown = look_up(&aws, InstanceType { name: "p9.huge".into() }).await;
    assert_eq!(unknown.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn an_image_is_found_by_parameter_by_filter_and_by_id() {
    let aws = aws(&Sandbox::in_memory()).await;
    let name = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id";
    let named = look_up(&aws, ImageBySsmParameter { name: name.into() }).await.unwrap();
    assert_eq!(named.architecture, "x86_64");
    assert_eq!((named.root_device_name.as_str(), named.root_volume_size), ("/dev/sda1", Some(8)));
    let query = ImageByFilter {
        owners: vec!["099720109477".into()],
        name: Some("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*".into()),
        architecture: Some("x86_64".into()),
        filters: BTreeMap::new(),
        most_recent: true,
        include_deprecated: false,
    };
    assert_eq!(look_up(&aws, query.clone()).await.unwrap().id, named.id);
    let several = look_up(&aws, ImageByFilter { most_recent: false, ..query.clone() }).await;
    assert_eq!(
        several.unwrap_err().to_string(),
        "ec2:DescribeImages: 2 images fit: expected one, or `most_recent`"
    );
    let nobody = look_up(&aws, ImageByFilter { owners: vec!["self".into()], ..query }).await;
    assert_eq!(nobody.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(look_up(&aws, ImageById { id: named.id.clone() }).await.unwrap(), named);
    let unknown = look_up(&aws, ImageById { id: "ami-0123456789abcdef0".into() }).await;
    assert_eq!(unknown.unwrap_err().kind, ErrorKind::NotFound);
    let missing = look_up(&aws, ImageBySsmParameter { name: "/none".into() }).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.message.starts_with("/none"), "{missing}");
}

//! What machines need around them, for the tests of this service and of those over it.

use formwork_sandbox::Sandbox;

use super::{ImageId, SecurityGroupId, SubnetId, describe::filter};
use crate::{Aws, testing};

/// A network on a sandbox.
pub(crate) struct Site {
    pub(crate) sandbox: Sandbox,
    pub(crate) aws: Aws,
    pub(crate) subnet: SubnetId,
    pub(crate) group: SecurityGroupId,
    pub(crate) image: ImageId,
}

/// A VPC of one subnet, 10.0.1.0/24 in `eu-west-1a`.
pub(crate) async fn site() -> Site {
    let sandbox = Sandbox::in_memory();
    let aws = testing::aws(&sandbox).await;
    let ec2 = aws.clients().ec2();
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    let vpc = vpc.vpc.unwrap().vpc_id.unwrap();
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.1.0/24");
    let subnet = subnet.availability_zone("eu-west-1a").send().await.unwrap();
    let group = ec2.create_security_group().vpc_id(&vpc).group_name("nodes").description("nodes");
    let group = group.send().await.unwrap().group_id.unwrap();
    let images = ec2
        .describe_images()
        .owners("amazon")
        .filters(filter("architecture", &["x86_64".to_owned()]))
        .filters(filter("name", &["al2023-ami-*".to_owned()]))
        .send()
        .await
        .unwrap();
    let image = images.images().first().unwrap().image_id.as_deref().unwrap();
    Site {
        subnet: subnet.subnet.unwrap().subnet_id.unwrap().as_str().into(),
        group: group.as_str().into(),
        image: image.into(),
        sandbox,
        aws,
    }
}

/// Tags of pairs.
pub(crate) fn tags<const N: usize>(pairs: [(&str, &str); N]) -> crate::Tags {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

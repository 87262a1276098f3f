//! Questions that both clouds answer.

use formwork_aws::lookup::*;
use serde_json::json;

use crate::conformance::world::{World, of};

pub(super) async fn all(world: &World) {
    let caller = world.asks(CallerIdentity {}).await;
    assert_eq!(caller.account, "123456789012");
    let region = world.asks(of::<Region>(json!({}))).await;
    assert_eq!(region.name, "us-west-2");
    let zones = world.asks(of::<AvailabilityZones>(json!({}))).await;
    assert!(zones.names.len() >= 3 && zones.names.contains(&world.zone('a')), "{zones:?}");
    let p5 = world.asks(of::<InstanceType>(json!({"name": "p5.48xlarge"}))).await;
    assert_eq!((p5.vcpus, p5.gpu_count), (192, 8));
    assert_eq!((p5.network_cards.len(), p5.max_efa_interfaces), (32, 32));
    let m5 = of::<AvailabilityZones>(json!({"instance_types": ["m5.large"]}));
    assert!(!world.asks(m5).await.names.is_empty());
    let parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    if world.is_sandbox {
        // What moto's parameters name are no images of moto's.
        let image = world.asks(of::<ImageBySsmParameter>(json!({"name": parameter}))).await;
        assert_eq!(image.architecture, "x86_64");
    }
    assert!(world.image().await.as_str().starts_with("ami-"));
}

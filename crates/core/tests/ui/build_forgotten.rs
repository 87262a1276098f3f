use formwork_core::{Outputs, Resource, Stack};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct VpcId(String);

#[derive(Clone, Serialize, Deserialize)]
struct SubnetId(String);

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(kind = "test:net/subnet", outputs = SubnetOutputs)]
struct Subnet {
    vpc_id: VpcId,
    cidr_block: String,
}

#[derive(Clone, Serialize, Deserialize, Outputs)]
struct SubnetOutputs {
    #[output(id)]
    id: SubnetId,
    size: u32,
}

fn main() {
    let _ = Stack::new("shop", |scope| {
        let subnet = Subnet::builder().vpc_id(VpcId("vpc-1".into())).cidr_block("10.0.0.0/24");
        scope.add("subnet", subnet);
    });
}

use formwork_core::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(kind = "test:net/vpc", outputs = VpcOutputs)]
struct Vpc {
    cidr_block: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct VpcOutputs {
    id: String,
}

fn main() {}

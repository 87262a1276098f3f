use formwork_core::{Outputs, Resource};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(kind = "test:net/vpc", outputs = VpcOutputs)]
struct Vpc {
    cidr_block: String,
}

#[derive(Clone, Serialize, Deserialize, Outputs)]
struct VpcOutputs {
    #[output(id)]
    id: String,
    #[output(recomputed_by(cidr_blocks))]
    cidr: String,
}

fn main() {}

use formwork_core::Resource;

#[derive(Resource)]
#[resource(kind = "test:net/vpc", outputs = VpcOutputs, slow)]
struct Vpc {
    cidr_block: String,
}

fn main() {}

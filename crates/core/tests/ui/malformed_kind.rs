use formwork_core::Resource;

#[derive(Resource)]
#[resource(kind = "vpc", outputs = VpcOutputs)]
struct Vpc {
    cidr_block: String,
}

fn main() {}

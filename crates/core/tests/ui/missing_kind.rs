use formwork_core::Resource;

#[derive(Resource)]
#[resource(outputs = VpcOutputs)]
struct Vpc {
    cidr_block: String,
}

fn main() {}

use formwork_core::Resource;

#[derive(Resource)]
#[resource(kind = "test:net/vpc", outputs = VpcOutputs)]
struct Vpc(String);

fn main() {}

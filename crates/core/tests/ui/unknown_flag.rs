use formwork_core::Resource;

#[derive(Resource)]
#[resource(kind = "test:net/vpc", outputs = VpcOutputs)]
struct Vpc {
    #[resource(replaced)]
    cidr_block: String,
}

fn main() {}

use formwork_core::Resource;

#[derive(Resource)]
#[resource(kind = "test:net/vpc")]
struct Vpc {
    cidr_block: String,
}

fn main() {}

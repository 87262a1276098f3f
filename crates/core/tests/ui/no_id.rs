use formwork_core::Outputs;

#[derive(Outputs)]
struct VpcOutputs {
    id: String,
}

fn main() {}

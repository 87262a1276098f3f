use formwork_core::Outputs;

#[derive(Outputs)]
struct VpcOutputs {
    #[output(id, computed)]
    id: String,
}

fn main() {}

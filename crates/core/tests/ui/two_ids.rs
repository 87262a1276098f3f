use formwork_core::Outputs;

#[derive(Outputs)]
struct VpcOutputs {
    #[output(id)]
    id: String,
    #[output(id)]
    arn: String,
}

fn main() {}

use formwork_core::{Inputs, Outputs};

#[derive(Inputs)]
struct Login {
    #[resource(secret)]
    password: Option<String>,
}

#[derive(Outputs)]
struct LoginOutputs {
    #[output(id)]
    id: String,
    #[output(secret)]
    token: String,
}

fn main() {}

use formwork_core::Inputs;

#[derive(Inputs)]
enum Source {
    Image { id: String },
    Snapshot { id: String },
}

fn main() {}

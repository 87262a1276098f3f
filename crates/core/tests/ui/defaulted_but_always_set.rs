use formwork_core::Inputs;

#[derive(Inputs)]
struct Disk {
    #[resource(defaulted)]
    size: u32,
}

fn main() {}

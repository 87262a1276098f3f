use formwork_core::Inputs;

#[derive(Inputs)]
struct Disk {
    #[resource(replace)]
    #[resource(replace)]
    size: u32,
}

fn main() {}

use formwork_core::Inputs;

#[derive(Inputs)]
struct Disk<T> {
    size: T,
}

fn main() {}

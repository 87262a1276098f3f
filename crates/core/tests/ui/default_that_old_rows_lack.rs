use formwork_core::Inputs;

#[derive(serde::Serialize, serde::Deserialize, Inputs)]
struct Disk {
    #[resource(default)]
    size: u32,
}

fn main() {}

use formwork_core::Inputs;

#[derive(serde::Serialize, serde::Deserialize, Inputs)]
struct Disk {
    #[serde(default)]
    #[resource(default)]
    size: Option<u32>,
}

fn main() {}

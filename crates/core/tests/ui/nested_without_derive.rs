use formwork_core::Inputs;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Inputs)]
struct Machine {
    #[serde(default)]
    #[resource(default, nested)]
    disks: Vec<Disk>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Disk {
    size: u32,
}

fn main() {}

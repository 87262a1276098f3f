use formwork_core::Inputs;

#[derive(serde::Serialize, serde::Deserialize, Inputs)]
#[serde(rename_all = "camelCase")]
struct Disk {
    #[serde(rename = "bytes")]
    size: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

fn main() {}

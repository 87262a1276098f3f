//! A network, small and complete: every attribute of the derives is on some field here.

use std::collections::BTreeMap;

use formwork_core::{Inputs, Lookup, Outputs, ProviderError, Resource, Secret};
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(pub(crate) String);
    )*};
}

ids! {
    /// A network's id.
    VpcId,
    /// A subnet's id.
    SubnetId,
    /// A machine's id.
    MachineId
}

/// Whose hardware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tenancy {
    /// Shared.
    Default,
    /// Not shared.
    Dedicated,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "test:net/vpc",
    outputs = VpcOutputs,
    group = network,
    version = 2,
    seconds = 3,
    delete_first,
    resumable
)]
pub(crate) struct Vpc {
    /// The addresses.
    #[resource(replace, unique)]
    pub(crate) cidr_block: String,
    /// Whose hardware.
    #[resource(defaulted)]
    pub(crate) instance_tenancy: Option<Tenancy>,
    /// Whether names resolve.
    #[serde(default)]
    #[resource(default)]
    pub(crate) dns_hostnames: bool,
    /// How many may share it.
    #[serde(default = "four")]
    #[resource(default)]
    pub(crate) shares: u32,
    /// How many routes.
    #[serde(default)]
    #[resource(default = 50, case_insensitive)]
    pub(crate) routes: u64,
    /// Labels.
    #[serde(default)]
    #[resource(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// What kind it is.
    pub(crate) r#type: Option<String>,
}

fn four() -> u32 {
    4
}

/// What a network reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct VpcOutputs {
    /// The id.
    #[output(id)]
    pub(crate) id: VpcId,
    /// The addresses.
    #[output(echo)]
    pub(crate) cidr_block: String,
    /// The name.
    #[output(recomputed_by(dns_hostnames, r#type))]
    pub(crate) dns_name: String,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "test:net/subnet", outputs = SubnetOutputs)]
pub(crate) struct Subnet {
    /// The network.
    #[resource(replace)]
    pub(crate) vpc_id: VpcId,
}

/// What a subnet reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct SubnetOutputs {
    /// The id.
    #[output(id)]
    pub(crate) id: SubnetId,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "test:compute/machine", outputs = MachineOutputs, group = compute)]
pub(crate) struct Machine {
    /// The image.
    pub(crate) image: String,
    /// The interfaces.
    #[serde(default)]
    #[resource(default, unordered, nested)]
    pub(crate) interfaces: Vec<Interface>,
    /// The first disk.
    #[resource(nested, defaulted)]
    pub(crate) root: Option<Disk>,
    /// More disks, by name.
    #[serde(default)]
    #[resource(default, nested)]
    pub(crate) disks: BTreeMap<String, Disk>,
    /// The password.
    #[resource(secret, write_only)]
    pub(crate) password: Option<Secret<String>>,
    /// The key: its type says that it is secret.
    pub(crate) key: Secret<String>,
    /// What it may do.
    #[resource(json)]
    pub(crate) policy: Option<String>,
}

/// What a machine reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct MachineOutputs {
    /// The id.
    #[output(id)]
    pub(crate) arn: MachineId,
    /// The login.
    #[output(secret)]
    pub(crate) login: Secret<String>,
    /// Another.
    pub(crate) token: Option<Secret<String>>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub(crate) struct Interface {
    /// Where.
    #[resource(replace)]
    pub(crate) subnet_id: SubnetId,
    /// Its disks, oddly.
    #[serde(default)]
    #[resource(default, nested)]
    pub(crate) disks: Vec<Disk>,
    /// Its name.
    pub(crate) name: Option<String>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub(crate) struct Disk {
    /// In GiB.
    pub(crate) size: u32,
    /// The key.
    pub(crate) key: Option<String>,
}

/// Which image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub(crate) struct ImageQuery {
    /// Its name.
    pub(crate) name: String,
    /// For what machine.
    pub(crate) architecture: Option<String>,
}

/// The image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct ImageAnswer {
    /// The id.
    #[output(id)]
    pub(crate) id: String,
}

/// Outputs of no conventional name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct Session {
    #[output(id)]
    id: String,
}

impl Lookup for ImageQuery {
    const KIND: &'static str = "test:compute/image";
    type Answer = ImageAnswer;
    type Client = ();

    async fn look_up((): &(), query: &Self) -> Result<ImageAnswer, ProviderError> {
        Ok(ImageAnswer { id: query.name.clone() })
    }
}

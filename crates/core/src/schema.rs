//! What the engine must know of a resource type; all of it constant data that the derives emit.

use serde::{Deserialize, Serialize};

/// One resource type, as data.
#[derive(Debug)]
pub struct ResourceType {
    /// The type's name in plans and in state, as `provider:service/type`.
    pub kind: &'static str,
    /// The kind under which an object of this type is recorded that others own and the program reads.
    pub existing: &'static str,
    /// The names that the type had before. What is recorded under one of them is brought to today's
    /// by the next plan, without a call.
    pub formerly: &'static [&'static str],
    /// The version of the inputs' and outputs' shape; rows of an older one go through
    /// [`Lifecycle::upgrade`](crate::Lifecycle::upgrade).
    pub version: u32,
    /// Under which heading a plan shows it.
    pub group: Group,
    /// The inputs.
    pub inputs: &'static Schema,
    /// The outputs.
    pub outputs: &'static OutputSchema,
    /// Whether a replacement must delete first, whatever its fields say.
    pub delete_first: bool,
    /// Whether a create that failed halfway is finished by an update; else it is replaced.
    pub resumable: bool,
    /// How long a create usually takes, in seconds: the weight in the longest-path order.
    pub seconds: u32,
}

/// Under which heading a plan shows a resource. The order of the variants is the order shown; what
/// runs when is decided by the graph alone.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Networks, addresses, routes, firewalls.
    Network,
    /// Roles, policies, keys.
    Identity,
    /// Volumes, buckets, file systems, tables.
    Storage,
    /// Machines, and what decides how they start.
    Compute,
    /// Software and settings on a machine.
    Drivers,
    /// Anything else.
    #[default]
    Other,
}

impl Group {
    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Group::Network => "network",
            Group::Identity => "identity",
            Group::Storage => "storage",
            Group::Compute => "compute",
            Group::Drivers => "drivers",
            Group::Other => "other",
        }
    }
}

/// The fields of a struct of inputs, sorted as declared.
#[derive(Debug)]
pub struct Schema {
    /// One per field.
    pub fields: &'static [Field],
}

impl Schema {
    /// The field `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// How one input behaves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Field {
    /// The name in state, in plans and in errors.
    pub name: &'static str,
    /// Whether a declaration must set it.
    pub required: bool,
    /// Whether a change needs a new object.
    pub replace: bool,
    /// Whether the cloud fills it in when the program does not set it: what it chose is accepted.
    pub defaulted: bool,
    /// Whether the cloud never gives it back: it is compared with what was sent, never with what is there.
    pub write_only: bool,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Whether it is a list whose order means nothing.
    pub unordered: bool,
    /// Whether it is a JSON document: compared by meaning, not by text.
    pub json: bool,
    /// Whether upper and lower case are the same.
    pub case_insensitive: bool,
    /// Whether two objects may not share its value, and that of the type's other unique fields; a
    /// replacement that keeps them must delete first.
    pub unique: bool,
    /// Whether it is a block of addresses, such as `10.0.0.0/20`: in a unique key, blocks that
    /// overlap are the same.
    pub cidr: bool,
    /// Whether the object that it refers to can not be deleted while it does, such as a subnet that
    /// an endpoint has an interface in. Where that object is replaced and has to go before the new
    /// one comes, there is nothing to change this to in time, so its own object is replaced too.
    pub holds: bool,
    /// Whether it is a map from the user's own keys; with [`Field::nested`], a map to such structs.
    pub keyed: bool,
    /// The fields inside, where the value (or each element of it) is a struct with a schema.
    pub nested: Option<&'static Schema>,
}

impl Field {
    /// An optional field that updates in place.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            required: false,
            replace: false,
            defaulted: false,
            write_only: false,
            secret: false,
            unordered: false,
            json: false,
            case_insensitive: false,
            unique: false,
            cidr: false,
            holds: false,
            keyed: false,
            nested: None,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        impl Field {$(
            $(#[$doc])*
            #[must_use]
            pub const fn $name(mut self) -> Self {
                self.$name = true;
                self
            }
        )*}
    };
}

setters! {
    /// Sets [`Field::required`].
    required,
    /// Sets [`Field::replace`].
    replace,
    /// Sets [`Field::defaulted`].
    defaulted,
    /// Sets [`Field::write_only`].
    write_only,
    /// Sets [`Field::secret`].
    secret,
    /// Sets [`Field::unordered`].
    unordered,
    /// Sets [`Field::json`].
    json,
    /// Sets [`Field::case_insensitive`].
    case_insensitive,
    /// Sets [`Field::unique`].
    unique,
    /// Sets [`Field::cidr`].
    cidr,
    /// Sets [`Field::holds`].
    holds,
    /// Sets [`Field::keyed`].
    keyed,
}

impl Field {
    /// Sets [`Field::nested`].
    #[must_use]
    pub const fn nested(mut self, schema: &'static Schema) -> Self {
        self.nested = Some(schema);
        self
    }
}

/// The fields of a struct of outputs.
#[derive(Debug)]
pub struct OutputSchema {
    /// One per field.
    pub fields: &'static [OutputField],
    /// The field that holds the object's own id in the cloud.
    pub id: &'static str,
}

/// How one output behaves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OutputField {
    /// The name in state.
    pub name: &'static str,
    /// Whether it is the input of the same name, so that a plan knows it beforehand.
    pub echo: bool,
    /// Whether its value is never shown.
    pub secret: bool,
    /// The inputs whose change in place changes this output too; all others leave it as recorded.
    pub recomputed_by: &'static [&'static str],
}

impl OutputField {
    /// An output that only the cloud can tell, and that stays as it is for the object's life.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, echo: false, secret: false, recomputed_by: &[] }
    }

    /// Sets [`OutputField::echo`].
    #[must_use]
    pub const fn echo(mut self) -> Self {
        self.echo = true;
        self
    }

    /// Sets [`OutputField::secret`].
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Sets [`OutputField::recomputed_by`].
    #[must_use]
    pub const fn recomputed_by(mut self, inputs: &'static [&'static str]) -> Self {
        self.recomputed_by = inputs;
        self
    }
}

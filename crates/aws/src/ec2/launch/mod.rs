//! What a machine is launched with: the parts that a launch template and an instance have in common.
//!
//! Each part knows the two forms that EC2 has of it, one for templates and one for launches, and
//! what EC2 would refuse about it.

pub(crate) mod block_device;
pub(crate) mod interface;
pub(crate) mod interface_check;
pub(crate) mod market;
pub(crate) mod options;
pub(crate) mod placement;
pub(crate) mod user_data;

pub use block_device::{BlockDevice, EbsDevice};
use formwork_core::{
    Check,
    value::{Path, Value},
};
pub use interface::{ConnectionTracking, EnaExpress, InterfaceType, LaunchInterface};
pub use market::{
    CapacityReservationOptions, CapacityReservationPreference, InterruptionBehavior, MarketOptions,
    MarketType, SpotInstanceType, SpotOptions,
};
pub use options::{
    AutoRecovery, BandwidthWeighting, CpuCredits, CpuOptions, HostnameType, HttpTokens,
    MetadataOptions, PrivateDnsOptions, ShutdownBehavior, Switch,
};
pub use placement::{Affinity, Placement, Tenancy};

use crate::id::id_type;

id_type! {
    /// A machine image's id, `ami-...`.
    ImageId,
    /// A network interface's id, `eni-...`.
    NetworkInterfaceId,
}

/// What is seen of a struct of options, without what was not asked for: EC2 fills in the rest, and
/// may choose differently next time.
macro_rules! only_asked {
    ($seen:expr, $asked:expr, $($field:ident),* $(,)?) => {{
        let seen = $seen;
        Self { $($field: $asked.$field.as_ref().and(seen.$field)),* }
    }};
}
pub(crate) use only_asked;

/// How many elements the list `field` has.
pub(crate) fn length(check: &Check<'_>, field: &str) -> usize {
    let Ok(path) = Path::parse(field) else { return 0 };
    match path.of(check.inputs()) {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    }
}

/// Reports what AWS would refuse about the fields that have the same name in both. `whole` says
/// whether that is all there is, and nothing that is missing here can come from a template.
pub(crate) fn check(check: &mut Check<'_>, whole: bool) {
    crate::check::id(check, "image_id", "ami");
    options::check(check);
    placement::check(check);
    market::check(check, whole);
    user_data::check(check);
}

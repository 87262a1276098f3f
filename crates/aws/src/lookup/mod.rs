//! Questions to AWS: who is calling, where, and what there is to choose from.
//!
//! A lookup is asked once and its answer recorded; it changes when lookups are refreshed on purpose,
//! so that a new image release does not replace machines by itself. All of these only read.

mod availability_zones;
mod caller_identity;
mod image;
mod image_by_filter;
mod image_by_id;
mod image_by_ssm_parameter;
mod instance_type;
mod instance_type_answer;
mod region;
#[cfg(test)]
mod tests;

pub use availability_zones::{
    AvailabilityZone, AvailabilityZones, AvailabilityZonesAnswer, AvailabilityZonesHandle,
};
pub use caller_identity::{CallerIdentity, CallerIdentityAnswer, CallerIdentityHandle};
use formwork_core::Registry;
pub use image::{ImageAnswer, ImageBlockDevice, ImageHandle};
pub use image_by_filter::ImageByFilter;
pub use image_by_id::ImageById;
pub use image_by_ssm_parameter::ImageBySsmParameter;
pub use instance_type::InstanceType;
pub use instance_type_answer::{
    Accelerator, Gpu, InstanceDisk, InstanceTypeAnswer, InstanceTypeHandle, NetworkCard,
};
pub use region::{Region, RegionAnswer, RegionHandle};

use crate::client::Clients;

/// Adds the lookups.
pub(crate) fn register(registry: Registry<Clients>) -> Registry<Clients> {
    registry
        .with_lookup::<AvailabilityZones>()
        .with_lookup::<CallerIdentity>()
        .with_lookup::<ImageByFilter>()
        .with_lookup::<ImageById>()
        .with_lookup::<ImageBySsmParameter>()
        .with_lookup::<InstanceType>()
        .with_lookup::<Region>()
}

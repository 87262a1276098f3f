//! Regions and their availability zones.
//!
//! Zone ids are those of the physical zones; which letter an account sees them under differs from
//! account to account, and here is deliberately not alphabetical.

use crate::error::ApiError;

/// One availability zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Such as `us-west-2a`.
    pub(crate) name: String,
    /// Such as `usw2-az2`.
    pub(crate) id: String,
}

/// Region, zone id prefix, and for each letter from `a` on the number of its zone.
const REGIONS: [(&str, &str, &[u8]); 17] = [
    ("ap-northeast-1", "apne1", &[4, 1, 2]),
    ("ap-northeast-2", "apne2", &[1, 2, 3, 4]),
    ("ap-south-1", "aps1", &[1, 3, 2]),
    ("ap-southeast-1", "apse1", &[1, 2, 3]),
    ("ap-southeast-2", "apse2", &[1, 3, 2]),
    ("ca-central-1", "cac1", &[1, 2, 4]),
    ("eu-central-1", "euc1", &[2, 3, 1]),
    ("eu-north-1", "eun1", &[1, 2, 3]),
    ("eu-south-1", "eus1", &[1, 2, 3]),
    ("eu-west-1", "euw1", &[3, 1, 2]),
    ("eu-west-2", "euw2", &[2, 3, 1]),
    ("eu-west-3", "euw3", &[1, 2, 3]),
    ("sa-east-1", "sae1", &[1, 2, 3]),
    ("us-east-1", "use1", &[6, 1, 2, 4, 3, 5]),
    ("us-east-2", "use2", &[1, 2, 3]),
    ("us-west-1", "usw1", &[3, 1]),
    ("us-west-2", "usw2", &[2, 1, 3, 4]),
];

/// All regions, by name.
pub(crate) fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(region, ..)| *region)
}

/// The zones of a region, in the order of their letters; none if the region is unknown.
pub(crate) fn zones(region: &str) -> Vec<Zone> {
    let Some((_, prefix, numbers)) = REGIONS.iter().find(|(name, ..)| *name == region) else {
        return Vec::new();
    };
    ('a'..)
        .zip(*numbers)
        .map(|(letter, number)| Zone {
            name: format!("{region}{letter}"),
            id: format!("{prefix}-az{number}"),
        })
        .collect()
}

/// Finds a zone of the region by name or by id.
pub(crate) fn zone(region: &str, name_or_id: &str) -> Result<Zone, ApiError> {
    let zones = zones(region);
    let found = zones.iter().find(|zone| zone.name == name_or_id || zone.id == name_or_id);
    found.cloned().ok_or_else(|| {
        let names: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
        ApiError::invalid(
            "availabilityZone",
            name_or_id,
            &format!(
                "Subnets can currently only be created in the following availability zones: {}.",
                names.join(", ")
            ),
        )
    })
}

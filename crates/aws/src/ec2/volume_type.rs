//! EBS volume types, and what sizes, IOPS and throughput each allows.
//!
//! Figures: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>, and for
//! the ratios <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>.

use formwork_core::Check;

use crate::id::choice;

choice! {
    /// What a volume is made of.
    VolumeType {
        /// General purpose SSD; IOPS and throughput are set apart from the size.
        Gp3 = "gp3",
        /// General purpose SSD, older; IOPS follow from the size.
        Gp2 = "gp2",
        /// Provisioned IOPS SSD.
        Io2 = "io2",
        /// Provisioned IOPS SSD, older.
        Io1 = "io1",
        /// Throughput optimised HDD; can not boot.
        St1 = "st1",
        /// Cold HDD; can not boot.
        Sc1 = "sc1",
        /// Magnetic, of the previous generation.
        Standard = "standard",
    }
}

/// What one type allows.
struct Limits {
    /// GiB.
    size: (u32, u32),
    /// Least, most, and most per GiB, where IOPS can be asked for.
    iops: Option<(u32, u32, u32)>,
}

impl VolumeType {
    fn limits(&self) -> Option<Limits> {
        Some(match self {
            Self::Gp3 => Limits { size: (1, 65_536), iops: Some((3_000, 80_000, 500)) },
            Self::Gp2 => Limits { size: (1, 16_384), iops: None },
            Self::Io2 => Limits { size: (4, 65_536), iops: Some((100, 256_000, 1_000)) },
            Self::Io1 => Limits { size: (4, 16_384), iops: Some((100, 64_000, 50)) },
            Self::St1 | Self::Sc1 => Limits { size: (125, 16_384), iops: None },
            Self::Standard => Limits { size: (1, 1_024), iops: None },
            Self::Other(_) => return None,
        })
    }
}

/// MiB/s that a gp3 volume can be given.
const THROUGHPUT: (u32, u32) = (125, 2_000);
/// What a gp3 volume has when nothing is asked for.
const GP3_IOPS: u32 = 3_000;

/// Reports size, IOPS and throughput that the volume type does not allow. The fields are those at
/// `at` (empty, or ending in a dot); `size` is the name of the one that holds the size in GiB.
pub(crate) fn check(check: &mut Check<'_>, at: &str, size: &str) {
    let field = |name: &str| format!("{at}{name}");
    crate::check::choice::<VolumeType>(check, &field("volume_type"));
    let Some(of) = check.get::<VolumeType>(&field("volume_type")) else { return };
    let Some(limits) = of.limits() else { return };
    let gib = check.get::<u32>(&field(size));
    let iops = check.get::<u32>(&field("iops"));
    let throughput = check.get::<u32>(&field("throughput"));

    let (least, most) = limits.size;
    if let Some(gib) = gib.filter(|gib| !(least..=most).contains(gib)) {
        let message = format!("{gib} GiB: expected {least} to {most} for {of}");
        check.problem(&field(size), message);
    }
    match (limits.iops, iops) {
        (None, Some(_)) => {
            check.problem(&field("iops"), format!("IOPS can not be set for {of}: expected none"));
        }
        (Some((least, most, _)), Some(iops)) if !(least..=most).contains(&iops) => {
            let message = format!("{iops} IOPS: expected {least} to {most} for {of}");
            check.problem(&field("iops"), message);
        }
        // The least can always be had, whatever the size.
        (Some((least, _, ratio)), Some(iops)) if iops > least => {
            if let Some(gib) = gib.filter(|gib| iops > gib.saturating_mul(ratio)) {
                let most = gib.saturating_mul(ratio);
                let message = format!(
                    "{iops} IOPS on {gib} GiB: expected at most {most} ({ratio} per GiB of {of})"
                );
                check.problem(&field("iops"), message);
            }
        }
        (Some(_), None) if of != VolumeType::Gp3 && !check.is_set(&field("iops")) => {
            check.problem(&field("iops"), format!("{of} needs its IOPS set"));
        }
        _ => {}
    }
    let Some(throughput) = throughput else { return };
    if of != VolumeType::Gp3 {
        let message = format!("throughput can not be set for {of}: expected none");
        check.problem(&field("throughput"), message);
    } else if !(THROUGHPUT.0..=THROUGHPUT.1).contains(&throughput) {
        let message = format!("{throughput} MiB/s: expected {} to {}", THROUGHPUT.0, THROUGHPUT.1);
        check.problem(&field("throughput"), message);
    } else if let Some(iops) = iops.or((!check.is_set(&field("iops"))).then_some(GP3_IOPS))
        && throughput * 4 > iops
    {
        let message = format!(
            "{throughput} MiB/s with {iops} IOPS: expected at most {} (0.25 MiB/s per IOPS)",
            iops / 4
        );
        check.problem(&field("throughput"), message);
    }
}

//! What sizes, IOPS and throughput each EBS volume type allows.
//!
//! Figures: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>.

use crate::error::ApiError;

/// Every volume type.
pub(crate) const TYPES: &[&str] = &["standard", "io1", "io2", "gp2", "sc1", "st1", "gp3"];

/// A volume's shape after defaults were filled in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shape {
    pub(crate) volume_type: String,
    /// GiB.
    pub(crate) size: i64,
    pub(crate) iops: Option<i64>,
    /// MiB/s; gp3 only.
    pub(crate) throughput: Option<i64>,
}

/// Limits of one type: GiB range, and for provisioned types the IOPS range and IOPS per GiB.
struct Limits {
    size: (i64, i64),
    iops: Option<(i64, i64, i64)>,
}

fn limits(volume_type: &str) -> Option<Limits> {
    Some(match volume_type {
        "gp3" => Limits { size: (1, 65_536), iops: Some((3_000, 80_000, 500)) },
        "gp2" => Limits { size: (1, 16_384), iops: None },
        "io1" => Limits { size: (4, 16_384), iops: Some((100, 64_000, 50)) },
        "io2" => Limits { size: (4, 65_536), iops: Some((100, 256_000, 1_000)) },
        "st1" | "sc1" => Limits { size: (125, 16_384), iops: None },
        "standard" => Limits { size: (1, 1_024), iops: None },
        _ => return None,
    })
}

/// Fills in the defaults of the type and checks the result.
pub(crate) fn shape(
    volume_type: Option<&str>,
    size: i64,
    iops: Option<i64>,
    throughput: Option<i64>,
) -> Result<Shape, ApiError> {
    let volume_type = volume_type.unwrap_or("gp2");
    let Some(limits) = limits(volume_type) else {
        return Err(ApiError::new(
            "UnknownVolumeType",
            format!("Unsupported volume type '{volume_type}' for volume creation."),
        ));
    };
    let (least, most) = limits.size;
    if !(least..=most).contains(&size) {
        return Err(ApiError::invalid_value(format!(
            "Volume of {size}GiB is out of range for volume type {volume_type}: it must be between {least} and {most} GiB."
        )));
    }
    let iops = match (&limits.iops, iops) {
        (None, Some(_)) => {
            return Err(ApiError::combination(format!(
                "The parameter iops is not supported for {volume_type} volumes."
            )));
        }
        (None, None) if volume_type == "gp2" => Some((size * 3).clamp(100, 16_000)),
        (None, None) => None,
        (Some(_), None) if volume_type == "gp3" => Some(3_000),
        (Some(_), None) => {
            return Err(ApiError::new(
                "MissingParameter",
                format!("The parameter iops must be specified for {volume_type} volumes."),
            ));
        }
        (Some((least, most, ratio)), Some(iops)) => {
            if !(*least..=*most).contains(&iops) {
                return Err(ApiError::invalid_value(format!(
                    "Volume iops of {iops} is out of range: it must be between {least} and {most} for {volume_type}."
                )));
            }
            if iops > *least && iops > size * ratio {
                return Err(ApiError::invalid_value(format!(
                    "Iops to volume size ratio of {iops}:{size} is too high; maximum is {ratio} IOPS per GiB"
                )));
            }
            Some(iops)
        }
    };
    let throughput = match throughput {
        Some(_) if volume_type != "gp3" => {
            return Err(ApiError::combination(format!(
                "The parameter throughput is not supported for {volume_type} volumes."
            )));
        }
        None if volume_type == "gp3" => Some(125),
        None => None,
        Some(value) => Some(gp3_throughput(value, iops.unwrap_or(3_000))?),
    };
    Ok(Shape { volume_type: volume_type.to_owned(), size, iops, throughput })
}

fn gp3_throughput(throughput: i64, iops: i64) -> Result<i64, ApiError> {
    if !(125..=2_000).contains(&throughput) {
        return Err(ApiError::invalid_value(format!(
            "Throughput of {throughput} MiBps is out of range: it must be between 125 and 2000 MiBps."
        )));
    }
    // At most 0.25 MiB/s for each provisioned IOPS.
    if throughput * 4 > iops {
        return Err(ApiError::invalid_value(format!(
            "Throughput (MiBps) to iops ratio of {throughput}:{iops} is too high; maximum is 0.250000 MiBps per iops"
        )));
    }
    Ok(throughput)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_fills_in_its_defaults_and_keeps_its_ratios() {
        let made =
            |volume_type, size, iops, throughput| shape(Some(volume_type), size, iops, throughput);
        let gp3 = made("gp3", 100, None, None).expect("defaults are valid");
        assert_eq!((gp3.iops, gp3.throughput), (Some(3_000), Some(125)));
        assert_eq!(made("gp2", 8, None, None).expect("gp2").iops, Some(100));
        assert!(made("gp3", 20, Some(10_000), Some(1_000)).is_ok());
        assert!(made("gp3", 10, Some(10_000), None).is_err(), "500 IOPS per GiB");
        assert!(made("gp3", 100, Some(3_000), Some(1_000)).is_err(), "0.25 MiB/s per IOPS");
        assert!(made("io1", 10, Some(600), None).is_err(), "50 IOPS per GiB");
        assert!(made("io2", 10, Some(600), None).is_ok());
        assert!(made("io2", 10, None, None).is_err(), "IOPS are required");
        assert!(made("st1", 100, None, None).is_err(), "125 GiB at least");
        assert!(made("gp2", 100, Some(300), None).is_err(), "IOPS cannot be asked for");
    }
}

//! The public machine images that every region offers.
//!
//! The catalogue is data: an image id depends on the region and the image's name and on nothing
//! else, so it is the same in every sandbox, and differs between regions as it does on AWS. Names,
//! owners and public parameter paths are those that Canonical and Amazon publish; dates are
//! examples. Images made by users are not in here: the sandbox cannot make any.

/// Owner of Amazon Linux images.
const AMAZON_LINUX: &str = "137112412989";
/// Owner of the AWS Deep Learning images.
const DEEP_LEARNING: &str = "898082745236";
/// Owner of Ubuntu images.
const CANONICAL: &str = "099720109477";

/// One public image, as DescribeImages shows it in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// `ami-` and 17 hexadecimal digits.
    pub(crate) id: String,
    /// Snapshot of the root volume.
    pub(crate) snapshot_id: String,
    /// What the image is, apart from its ids.
    pub(crate) release: &'static Release,
}

/// The part of an image that is the same in every region.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// Unique within the catalogue.
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) owner_id: &'static str,
    /// `x86_64` or `arm64`.
    pub(crate) architecture: &'static str,
    pub(crate) root_device: &'static str,
    /// Size of the root snapshot, GiB: a root volume cannot be smaller.
    pub(crate) root_gib: i64,
    pub(crate) volume_type: &'static str,
    /// `uefi-preferred`, or `uefi` for arm64.
    pub(crate) boot_mode: &'static str,
    /// RFC 3339, with milliseconds.
    pub(crate) created: &'static str,
    /// Whether instances default to IMDSv2 only.
    pub(crate) imds_v2: bool,
    /// Paths of public SSM parameters whose value is this image's id.
    pub(crate) parameters: &'static [&'static str],
}

impl Release {
    /// Whether the image maps instance store names (`ephemeral0`, ..) beside its root, as Canonical's do.
    pub(crate) fn maps_instance_store(&self) -> bool {
        self.owner_id == CANONICAL
    }
}

/// Returns every image of `region`, newest first within a family.
pub(crate) fn images(region: &str) -> Vec<Image> {
    RELEASES.iter().map(|release| image(region, release)).collect()
}

/// Returns the image with this id, if the region has it.
pub(crate) fn find(region: &str, id: &str) -> Option<Image> {
    RELEASES.iter().map(|release| image(region, release)).find(|image| image.id == id)
}

/// Returns `(public SSM parameter, image id)` for the region.
pub(crate) fn public_parameters(region: &str) -> Vec<(&'static str, String)> {
    RELEASES
        .iter()
        .flat_map(|release| {
            release.parameters.iter().map(|path| (*path, image(region, release).id))
        })
        .collect()
}

fn image(region: &str, release: &'static Release) -> Image {
    Image {
        id: format!("ami-{}", digits(&["image", region, release.name])),
        snapshot_id: format!("snap-{}", digits(&["snapshot", region, release.name])),
        release,
    }
}

/// Seventeen hexadecimal digits that depend on `parts` alone (FNV-1a, 128 bits).
pub(crate) fn digits(parts: &[&str]) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = OFFSET;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }
    // The low end of FNV carries the most mixing; fold the high end in.
    let folded = (hash ^ (hash >> 61)) & ((1 << 68) - 1);
    format!("0{:016x}", folded >> 4)
}

const RELEASES: &[Release] = &[
    Release {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261015",
        description: "Canonical, Ubuntu, 24.04, amd64 noble image",
        owner_id: CANONICAL,
        architecture: "x86_64",
        root_device: "/dev/sda1",
        root_gib: 8,
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        created: "2026-10-15T06:41:27.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        ],
    },
    Release {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260604",
        description: "Canonical, Ubuntu, 24.04, amd64 noble image",
        owner_id: CANONICAL,
        architecture: "x86_64",
        root_device: "/dev/sda1",
        root_gib: 8,
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        created: "2026-06-04T07:02:11.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/canonical/ubuntu/server/24.04/stable/20260604/amd64/hvm/ebs-gp3/ami-id",
        ],
    },
    Release {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20261015",
        description: "Canonical, Ubuntu, 24.04, arm64 noble image",
        owner_id: CANONICAL,
        architecture: "arm64",
        root_device: "/dev/sda1",
        root_gib: 8,
        volume_type: "gp3",
        boot_mode: "uefi",
        created: "2026-10-15T06:52:40.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id",
        ],
    },
    Release {
        name: "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261008",
        description: "Canonical, Ubuntu, 22.04 LTS, amd64 jammy image build on 2026-10-08",
        owner_id: CANONICAL,
        architecture: "x86_64",
        root_device: "/dev/sda1",
        root_gib: 8,
        volume_type: "gp2",
        boot_mode: "uefi-preferred",
        created: "2026-10-08T05:17:33.000Z",
        imds_v2: false,
        parameters: &[
            "/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
        ],
    },
    Release {
        name: "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20261008",
        description: "Canonical, Ubuntu, 22.04 LTS, arm64 jammy image build on 2026-10-08",
        owner_id: CANONICAL,
        architecture: "arm64",
        root_device: "/dev/sda1",
        root_gib: 8,
        volume_type: "gp2",
        boot_mode: "uefi",
        created: "2026-10-08T05:26:03.000Z",
        imds_v2: false,
        parameters: &[
            "/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id",
        ],
    },
    Release {
        name: "al2023-ami-2023.11.20261012.0-kernel-6.1-x86_64",
        description: "Amazon Linux 2023 AMI 2023.11.20261012.0 x86_64 HVM kernel-6.1",
        owner_id: AMAZON_LINUX,
        architecture: "x86_64",
        root_device: "/dev/xvda",
        root_gib: 8,
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        created: "2026-10-12T20:14:58.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        ],
    },
    Release {
        name: "al2023-ami-2023.11.20261012.0-kernel-6.12-x86_64",
        description: "Amazon Linux 2023 AMI 2023.11.20261012.0 x86_64 HVM kernel-6.12",
        owner_id: AMAZON_LINUX,
        architecture: "x86_64",
        root_device: "/dev/xvda",
        root_gib: 8,
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        created: "2026-10-12T20:15:20.000Z",
        imds_v2: true,
        parameters: &["/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-x86_64"],
    },
    Release {
        name: "al2023-ami-2023.11.20261012.0-kernel-6.1-arm64",
        description: "Amazon Linux 2023 AMI 2023.11.20261012.0 arm64 HVM kernel-6.1",
        owner_id: AMAZON_LINUX,
        architecture: "arm64",
        root_device: "/dev/xvda",
        root_gib: 8,
        volume_type: "gp3",
        boot_mode: "uefi",
        created: "2026-10-12T20:14:31.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
        ],
    },
    Release {
        name: "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20261006",
        description: "Supported EC2 instances: G4dn, G5, G6, Gr6, G6e, P4d, P4de, P5, P5e, P5en, P6-B200",
        owner_id: DEEP_LEARNING,
        architecture: "x86_64",
        root_device: "/dev/sda1",
        root_gib: 75,
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        created: "2026-10-06T19:03:45.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        ],
    },
    Release {
        name: "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04) 20261006",
        description: "Supported EC2 instances: G4dn, G5, G6, Gr6, G6e, P4d, P4de, P5, P5e, P5en, P6-B200",
        owner_id: DEEP_LEARNING,
        architecture: "x86_64",
        root_device: "/dev/sda1",
        root_gib: 75,
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        created: "2026-10-06T18:44:10.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id",
        ],
    },
    Release {
        name: "Deep Learning Base OSS Nvidia Driver GPU AMI (Amazon Linux 2023) 20261006",
        description: "Supported EC2 instances: G4dn, G5, G6, Gr6, G6e, P4d, P4de, P5, P5e, P5en, P6-B200",
        owner_id: DEEP_LEARNING,
        architecture: "x86_64",
        root_device: "/dev/xvda",
        root_gib: 75,
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        created: "2026-10-06T18:21:52.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id",
        ],
    },
    Release {
        name: "Deep Learning ARM64 Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20261006",
        description: "Supported EC2 instances: G5g, P6e-GB200, P6e-GB300",
        owner_id: DEEP_LEARNING,
        architecture: "arm64",
        root_device: "/dev/sda1",
        root_gib: 75,
        volume_type: "gp3",
        boot_mode: "uefi",
        created: "2026-10-06T19:20:05.000Z",
        imds_v2: true,
        parameters: &[
            "/aws/service/deeplearning/ami/arm64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_one_id_per_region_and_every_public_parameter_names_one() {
        let mut seen = std::collections::BTreeSet::new();
        for region in ["us-east-1", "eu-central-1"] {
            for image in images(region) {
                assert_eq!(image.id.len(), "ami-".len() + 17);
                assert!(seen.insert(image.id.clone()), "{} is used twice", image.id);
                assert_eq!(find(region, &image.id), Some(image));
            }
            for (path, id) in public_parameters(region) {
                assert!(find(region, &id).is_some(), "{path} names no image");
            }
        }
    }
}

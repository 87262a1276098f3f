//! DescribeImages, over the catalogue of public images.

use super::image_catalogue::{Image, find, images, public_parameters};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    page::{EC2, paginate},
    ssm::parameter,
    tags::Tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[("DescribeImages", describe_images)];

const FILTERS: &[&str] = &[
    "architecture",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.snapshot-id",
    "block-device-mapping.volume-size",
    "block-device-mapping.volume-type",
    "block-device-mapping.encrypted",
    "creation-date",
    "description",
    "ena-support",
    "hypervisor",
    "image-id",
    "image-type",
    "is-public",
    "name",
    "owner-alias",
    "owner-id",
    "platform",
    "root-device-name",
    "root-device-type",
    "state",
    "sriov-net-support",
    "virtualization-type",
];

/// Finds an image that a client named.
pub(crate) fn by_id(call: &Call<'_>, id: &str) -> Result<Image, ApiError> {
    let digits = id.strip_prefix("ami-").unwrap_or_default();
    if !matches!(digits.len(), 8 | 17) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("Invalid id: \"{id}\" (expecting \"ami-...\")");
        return Err(ApiError::new("InvalidAMIID.Malformed", message));
    }
    find(&call.region, id).ok_or_else(|| {
        ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
    })
}

/// The size in GiB of a snapshot: there are those of the catalogue's images.
pub(crate) fn snapshot_size(call: &Call<'_>, id: &str) -> Result<i64, ApiError> {
    let found = images(&call.region).into_iter().find(|image| image.snapshot_id == id);
    found.map(|image| image.release.root_gib).ok_or_else(|| {
        ApiError::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
    })
}

/// Replaces `resolve:ssm:NAME` by the image id that the parameter holds; an id stays as it is.
pub(crate) fn resolve_alias(call: &Call<'_>, id: &str) -> Result<String, ApiError> {
    let Some(name) = id.strip_prefix("resolve:ssm:") else { return Ok(id.to_owned()) };
    let public = public_parameters(&call.region).into_iter().find(|(path, _)| *path == name);
    public.map(|(_, id)| id).or_else(|| parameter::value(call, name)).ok_or_else(|| {
        ApiError::invalid_value(format!(
            "The SSM parameter '{name}' does not exist or names no image."
        ))
    })
}

fn describe_images(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let (ids, owners, users) =
        (params.list("ImageId"), params.list("Owner"), params.list("ExecutableBy"));
    let filters = Filters::read(&params, FILTERS)?;
    // No image of the catalogue is deprecated or disabled: both answers are the same.
    params.flag("IncludeDeprecated")?;
    params.flag("IncludeDisabled")?;
    for id in &ids {
        by_id(call, id)?;
    }
    let mut found: Vec<Image> = images(&call.region)
        .into_iter()
        .filter(|image| ids.is_empty() || ids.contains(&image.id))
        .filter(|image| {
            owners.is_empty() || owners.iter().any(|owner| is_owner(call, image, owner))
        })
        .filter(|_| users.is_empty() || users.iter().any(|user| user == "all"))
        .filter(|image| filters.matches(&Tags::new(), |filter| field(image, filter)))
        .collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let page = paginate(call, found, |image| &image.id, EC2)?;
    Ok(page.xml("imagesSet", xml).into())
}

fn is_owner(call: &Call<'_>, image: &Image, owner: &str) -> bool {
    match owner {
        "self" => image.release.owner_id == call.account,
        "amazon" => true,
        owner => image.release.owner_id == owner,
    }
}

fn field(image: &Image, filter: &str) -> Vec<String> {
    let release = image.release;
    let value = match filter {
        "architecture" => release.architecture,
        "block-device-mapping.delete-on-termination" | "ena-support" | "is-public" => "true",
        "block-device-mapping.device-name" | "root-device-name" => release.root_device,
        "block-device-mapping.snapshot-id" => &image.snapshot_id,
        "block-device-mapping.volume-size" => return vec![release.root_gib.to_string()],
        "block-device-mapping.volume-type" => release.volume_type,
        "block-device-mapping.encrypted" => "false",
        "creation-date" => release.created,
        "description" => release.description,
        "hypervisor" => "xen",
        "image-id" => &image.id,
        "image-type" => "machine",
        "name" => release.name,
        "owner-alias" => "amazon",
        "owner-id" => release.owner_id,
        "root-device-type" => "ebs",
        "state" => "available",
        "sriov-net-support" => "simple",
        "virtualization-type" => "hvm",
        _ => return Vec::new(), // platform is set for Windows only
    };
    vec![value.to_owned()]
}

fn xml(image: &Image) -> Xml {
    let release = image.release;
    let root = Xml::new().text("deviceName", release.root_device).node(
        "ebs",
        Xml::new()
            .text("deleteOnTermination", true)
            .text("snapshotId", &image.snapshot_id)
            .text("volumeSize", release.root_gib)
            .text("volumeType", release.volume_type)
            .text("encrypted", false)
            .maybe("iops", (release.volume_type == "gp3").then_some(3000))
            .maybe("throughput", (release.volume_type == "gp3").then_some(125)),
    );
    let mut devices = vec![root];
    if release.maps_instance_store() {
        for (device, name) in [("/dev/sdb", "ephemeral0"), ("/dev/sdc", "ephemeral1")] {
            devices.push(Xml::new().text("deviceName", device).text("virtualName", name));
        }
    }
    Xml::new()
        .text("imageId", &image.id)
        .text("imageLocation", format!("amazon/{}", release.name))
        .text("imageState", "available")
        .text("imageOwnerId", release.owner_id)
        .text("imageOwnerAlias", "amazon")
        .text("isPublic", true)
        .text("creationDate", release.created)
        .text("architecture", release.architecture)
        .text("imageType", "machine")
        .text("name", release.name)
        .text("description", release.description)
        .text("platformDetails", "Linux/UNIX")
        .text("usageOperation", "RunInstances")
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", release.root_device)
        .text("virtualizationType", "hvm")
        .text("hypervisor", "xen")
        .text("enaSupport", true)
        .text("sriovNetSupport", "simple")
        .text("bootMode", release.boot_mode)
        .maybe("imdsSupport", release.imds_v2.then_some("v2.0"))
        .items("blockDeviceMapping", devices)
}

#[cfg(test)]
mod tests {
    use crate::{
        Sandbox,
        testing::{all, ec2, ec2_error},
    };

    #[tokio::test]
    async fn images_are_found_by_owner_and_by_a_name_with_wildcards() {
        let sandbox = Sandbox::in_memory();
        let body = ec2(
            &sandbox,
            "Action=DescribeImages&Owner.1=099720109477&Filter.1.Name=name\
             &Filter.1.Value.1=ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
        )
        .await;
        assert_eq!(all(&body, "imageId").len(), 2, "two releases match");
        let none = ec2(&sandbox, "Action=DescribeImages&Owner.1=self").await;
        assert!(all(&none, "imageId").is_empty());
        let missing = "Action=DescribeImages&ImageId.1=ami-0123456789abcdef0";
        assert_eq!(ec2_error(&sandbox, missing).await, "InvalidAMIID.NotFound");
        assert_eq!(
            ec2_error(&sandbox, "Action=DescribeImages&ImageId.1=ubuntu").await,
            "InvalidAMIID.Malformed"
        );
    }
}

//! RunInstances: a launch template with the request's own parameters laid over it.

use super::super::{
    launch_template,
    launch_template_data::{BlockDevice, LaunchData, TagSpecification},
    launch_template_version,
    wire::Overlay,
};
use super::{Request, launch, xml};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    params::Params,
    tags::Tags,
    xml::Xml,
};

/// RunInstances.
pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let client_token = call.client_token();
    let params = call.params.clone();
    let count = |name: &str| {
        params.number::<usize>(name)?.filter(|count| *count > 0).ok_or_else(|| {
            ApiError::new("MissingParameter", format!("The request must contain a positive {name}"))
        })
    };
    let (least, most) = (count("MinCount")?, count("MaxCount")?);
    if least > most {
        return Err(ApiError::combination(format!(
            "MinCount {least} is greater than MaxCount {most}."
        )));
    }
    let mut own = LaunchData::read(&params)?;
    // RunInstances spells this one in its own way.
    own.ram_disk_id = own.ram_disk_id.or_else(|| params.optional("RamdiskId"));
    let (data, extra_tags) = match params.nested("LaunchTemplate") {
        Some(template) => over_template(call, &template, own)?,
        None => (own, Tags::new()),
    };
    let request = Request {
        data,
        least,
        most,
        client_token,
        subnet: params.optional("SubnetId"),
        private_ip: params.optional("PrivateIpAddress"),
        ipv6_count: params.number("Ipv6AddressCount")?,
        extra_tags,
        subnet_is_default: false,
    };
    let launched = launch(call, &request)?;
    let reservation =
        launched.first().map(|instance| instance.reservation.clone()).unwrap_or_default();
    let items: Vec<Xml> =
        launched.into_iter().map(|it| xml::Shown::gather(call, it).xml(call)).collect();
    Ok(Xml::new()
        .text("reservationId", reservation)
        .text("ownerId", &call.account)
        .items("groupSet", [])
        .items("instancesSet", items)
        .into())
}

/// The data of a launch template version with other data laid over it, and the tags that tell so.
fn over_template(
    call: &Call<'_>,
    params: &Params,
    own: LaunchData,
) -> Result<(LaunchData, Tags), ApiError> {
    let template = launch_template::named(call, params)?;
    let wanted = params.optional("Version").unwrap_or_else(|| "$Default".into());
    let version = launch_template_version::resolve(call, &template, &wanted)?;
    let tags = Tags::from([
        ("aws:ec2launchtemplate:id".to_owned(), template.id),
        ("aws:ec2launchtemplate:version".to_owned(), version.number.to_string()),
    ]);
    Ok((lay_over(version.data, own), tags))
}

/// Lays a request over a template: whole members win, devices are joined by name, tags by key.
fn lay_over(base: LaunchData, own: LaunchData) -> LaunchData {
    let block_device_mappings =
        join_devices(&base.block_device_mappings, &own.block_device_mappings);
    let tag_specifications = join_tags(&base.tag_specifications, &own.tag_specifications);
    LaunchData { block_device_mappings, tag_specifications, ..own.over(base) }
}

fn join_devices(base: &[BlockDevice], own: &[BlockDevice]) -> Vec<BlockDevice> {
    let replaced = |device: &BlockDevice| own.iter().any(|it| it.device_name == device.device_name);
    base.iter().filter(|device| !replaced(device)).chain(own).cloned().collect()
}

fn join_tags(base: &[TagSpecification], own: &[TagSpecification]) -> Vec<TagSpecification> {
    let mut joined = base.to_vec();
    for specification in own {
        let Some(known) =
            joined.iter_mut().find(|it| it.resource_type == specification.resource_type)
        else {
            joined.push(specification.clone());
            continue;
        };
        for tag in &specification.tags {
            known.tags.retain(|it| it.key != tag.key);
            known.tags.push(tag.clone());
        }
    }
    joined
}

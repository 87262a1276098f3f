//! DescribeInstanceAttribute and ModifyInstanceAttribute.

use super::super::{
    image,
    instance_type::{self, by_name},
    interface,
    launch_template_check::{check_user_data, one_of},
    volume::Volume,
    volume_attachment,
};
use super::{Instance, find, find_live, requirements, xml};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    params::Params,
    xml::Xml,
};

/// DescribeInstanceAttribute.
pub(super) fn describe_attribute(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let it = find(call, &params.required("InstanceId")?)?;
    let attribute = params.required("Attribute")?;
    let value = |value: &dyn std::fmt::Display| Some(Xml::new().text("value", value));
    let inside = match attribute.as_str() {
        "instanceType" => value(&it.instance_type),
        "kernel" | "ramdisk" => Some(Xml::new()),
        "userData" => Some(Xml::new().maybe("value", it.user_data.as_deref())),
        "disableApiTermination" => value(&it.disable_termination),
        "disableApiStop" => value(&it.disable_stop),
        "instanceInitiatedShutdownBehavior" => value(&it.shutdown_behavior),
        "rootDeviceName" => value(&it.root_device),
        "sourceDestCheck" => {
            let interfaces = xml::interfaces(call, &it.id);
            value(&interfaces.first().is_none_or(|primary| primary.source_dest_check))
        }
        "ebsOptimized" => value(&it.ebs_optimized),
        "enaSupport" => value(&true),
        "sriovNetSupport" => value(&"simple"),
        "enclaveOptions" => Some(Xml::new().text("enabled", it.enclave)),
        "blockDeviceMapping" | "groupSet" | "productCodes" => None,
        other => {
            let message =
                format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
            return Err(ApiError::invalid_value(message));
        }
    };
    let answer = Xml::new().text("instanceId", &it.id);
    let answer = match (attribute.as_str(), inside) {
        (name, Some(inside)) => answer.node(name, inside),
        ("blockDeviceMapping", None) => {
            let devices = volume_attachment::of(call, &it.id);
            answer.items(
                "blockDeviceMapping",
                devices.iter().map(|(volume, at)| xml::device(call, volume, at)),
            )
        }
        ("groupSet", None) => {
            let interfaces = xml::interfaces(call, &it.id);
            answer.items(
                "groupSet",
                interfaces.first().map(|it| xml::groups(call, it)).unwrap_or_default(),
            )
        }
        (name, None) => answer.items(name, []),
    };
    Ok(answer.into())
}

/// ModifyInstanceAttribute: exactly one attribute a call.
pub(super) fn modify_attribute(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut it = find_live(call, &params.required("InstanceId")?)?;
    let asked = asked(&params)?;
    let value = || asked.value.clone().ok_or_else(|| ApiError::missing("Value"));
    let flag = || match value()?.as_str() {
        "true" | "True" => Ok(true),
        "false" | "False" => Ok(false),
        other => Err(ApiError::invalid(&asked.name, other, "Expecting true or false.")),
    };
    match asked.name.as_str() {
        "instanceType" => change_type(call, &mut it, &value()?)?,
        "userData" => {
            stopped(call, &it)?;
            let data = value()?;
            check_user_data(&data)?;
            it.user_data = Some(data).filter(|data| !data.is_empty());
        }
        "disableApiTermination" => it.disable_termination = flag()?,
        "disableApiStop" => it.disable_stop = flag()?,
        "instanceInitiatedShutdownBehavior" => {
            let behavior = value()?;
            one_of("instanceInitiatedShutdownBehavior", Some(&behavior), &["stop", "terminate"])?;
            it.shutdown_behavior = behavior;
        }
        "ebsOptimized" => {
            stopped(call, &it)?;
            it.ebs_optimized = flag()?;
        }
        "enaSupport" if flag()? => {}
        "sourceDestCheck" => {
            let mut primary = lone_interface(call, &it)?;
            primary.source_dest_check = flag()?;
            call.put(&primary);
        }
        "groupSet" => {
            let mut primary = lone_interface(call, &it)?;
            interface::set_groups(call, &mut primary, asked.groups)?;
        }
        "blockDeviceMapping" => devices(call, &it, &asked.devices)?,
        other => {
            let message =
                format!("The sandbox cannot modify the attribute '{other}' of an instance.");
            return Err(ApiError::new("UnsupportedOperation", message));
        }
    }
    call.put(&it);
    Ok(Answer::done())
}

/// The one attribute that a request names.
struct Asked {
    name: String,
    value: Option<String>,
    groups: Vec<String>,
    /// Device, whether its volume goes with the instance.
    devices: Vec<(String, bool)>,
}

fn asked(params: &Params) -> Result<Asked, ApiError> {
    // (request parameter, attribute)
    const NESTED: [(&str, &str); 10] = [
        ("InstanceType", "instanceType"),
        ("UserData", "userData"),
        ("DisableApiTermination", "disableApiTermination"),
        ("DisableApiStop", "disableApiStop"),
        ("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior"),
        ("EbsOptimized", "ebsOptimized"),
        ("EnaSupport", "enaSupport"),
        ("SourceDestCheck", "sourceDestCheck"),
        ("SriovNetSupport", "sriovNetSupport"),
        ("Kernel", "kernel"),
    ];
    let mut found: Vec<Asked> = Vec::new();
    let mut add = |name: &str, value| {
        found.push(Asked { name: name.to_owned(), value, groups: Vec::new(), devices: Vec::new() });
    };
    if let Some(name) = params.optional("Attribute") {
        add(&name, params.optional("Value"));
    }
    for (parameter, name) in NESTED {
        if let Some(nested) = params.nested(parameter) {
            add(name, Some(nested.optional("Value").unwrap_or_default()));
        }
    }
    let groups = params.list("GroupId");
    if !groups.is_empty() {
        found.push(Asked { name: "groupSet".into(), value: None, groups, devices: Vec::new() });
    }
    let mut devices = Vec::new();
    for device in params.structs("BlockDeviceMapping") {
        let ebs =
            device.nested("Ebs").ok_or_else(|| ApiError::missing("BlockDeviceMapping.Ebs"))?;
        let delete = ebs
            .flag("DeleteOnTermination")?
            .ok_or_else(|| ApiError::missing("Ebs.DeleteOnTermination"))?;
        devices.push((device.required("DeviceName")?, delete));
    }
    if !devices.is_empty() {
        // `Attribute=blockDeviceMapping` beside the list says nothing new.
        found.retain(|asked| asked.name != "blockDeviceMapping");
        found.push(Asked {
            name: "blockDeviceMapping".into(),
            value: None,
            groups: Vec::new(),
            devices,
        });
    }
    match (found.pop(), found.len()) {
        (Some(asked), 0) => Ok(asked),
        (None, _) => Err(ApiError::combination("No attributes specified.")),
        _ => Err(ApiError::combination("Fields for multiple attribute types specified")),
    }
}

fn stopped(call: &Call<'_>, it: &Instance) -> Result<(), ApiError> {
    if it.state(call) == "stopped" {
        return Ok(());
    }
    let message = format!("The instance '{}' is not in the 'stopped' state.", it.id);
    Err(ApiError::new("IncorrectInstanceState", message))
}

fn change_type(call: &Call<'_>, it: &mut Instance, name: &str) -> Result<(), ApiError> {
    stopped(call, it)?;
    let row = by_name(name)
        .map_err(|error| ApiError::new("InvalidInstanceAttributeValue", error.message))?;
    instance_type::check_offered(call, row, &it.zone)?;
    let data = super::super::launch_template_data::LaunchData::default();
    requirements::check(&data, row, &image::by_id(call, &it.image)?)?;
    let interfaces = interface::of_instance(call, &it.id).len();
    if interfaces > row.network.interfaces as usize {
        return Err(ApiError::invalid_value(format!(
            "The instance has {interfaces} network interfaces, and the instance type '{name}' takes {}.",
            row.network.interfaces
        )));
    }
    it.instance_type = row.name.clone();
    (it.cores, it.threads) = (row.cores, row.threads);
    it.credits =
        row.is("burstable").then(|| it.credits.clone().unwrap_or_else(|| "unlimited".into()));
    Ok(())
}

fn lone_interface(call: &Call<'_>, it: &Instance) -> Result<interface::Interface, ApiError> {
    let mut interfaces = xml::interfaces(call, &it.id);
    match (interfaces.pop(), interfaces.len()) {
        (Some(interface), 0) => Ok(interface),
        _ => Err(ApiError::new(
            "InvalidInstanceID",
            format!(
                "There are multiple interfaces attached to instance '{}'. Please specify an interface ID for the operation instead.",
                it.id
            ),
        )),
    }
}

fn devices(call: &mut Call<'_>, it: &Instance, changes: &[(String, bool)]) -> Result<(), ApiError> {
    let attached = volume_attachment::of(call, &it.id);
    for (device, delete) in changes {
        let found = attached.iter().find(|(_, at)| at.device == *device);
        let Some((volume, _)) = found else {
            let message = format!("No device is currently mapped at {device}");
            return Err(ApiError::new("InvalidInstanceAttributeValue", message));
        };
        let mut volume: Volume = volume.clone();
        for at in volume.attachments.iter_mut().filter(|at| at.instance == it.id) {
            at.delete_on_termination = *delete;
        }
        call.put(&volume);
    }
    Ok(())
}

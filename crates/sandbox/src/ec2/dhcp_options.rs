//! DHCP options: the one default set of each region.

use serde::{Deserialize, Serialize};

use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe,
    error::ApiError,
    row::Row,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[("DescribeDhcpOptions", describe_options)];

/// A set of DHCP options.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DhcpOptions {
    pub(crate) id: String,
}

impl Row for DhcpOptions {
    const KIND: &'static str = "dhcp-options";
    const PREFIX: &'static str = "dopt";
    const ERROR: &'static str = "InvalidDhcpOptionID";
    const NOUN: &'static str = "dhcp options ID";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The region's default set, which exists as soon as anybody asks for it.
pub(crate) fn default(call: &mut Call<'_>) -> String {
    if let Some(options) = call.rows::<DhcpOptions>().into_iter().next() {
        return options.id;
    }
    let options = DhcpOptions { id: call.new_id("dopt") };
    call.put(&options);
    options.id
}

fn describe_options(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    default(call);
    let page =
        describe::<DhcpOptions>(call, "DhcpOptionsId", &["dhcp-options-id"], |options, _| {
            vec![options.id.clone()]
        })?;
    let domain = match call.region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    };
    let one = |key: &str, value: &str| {
        let values = [Xml::new().text("value", value)];
        Xml::new().text("key", key).items("valueSet", values)
    };
    let answer = page.xml("dhcpOptionsSet", |options| {
        let xml =
            Xml::new().text("dhcpOptionsId", &options.id).text("ownerId", &call.account).items(
                "dhcpConfigurationSet",
                [one("domain-name", &domain), one("domain-name-servers", "AmazonProvidedDNS")],
            );
        tags::xml(xml, &call.tags(&options.id))
    });
    Ok(answer.into())
}

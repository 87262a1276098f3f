//! The prefix lists that AWS itself manages, which routes to gateway endpoints go by.

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    page::{self, Paging, paginate},
    tags::Tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("DescribeManagedPrefixLists", describe_managed),
    ("DescribePrefixLists", describe),
    ("GetManagedPrefixListEntries", entries),
];

/// A prefix list of one region.
#[derive(Clone, Debug)]
pub(crate) struct PrefixList {
    pub(crate) id: String,
    pub(crate) name: String,
    cidrs: &'static [&'static str],
}

/// Service, the start of the id (`pl-` and 8 digits, as AWS's own lists have), blocks.
const LISTS: [(&str, u32, &[&str]); 2] = [
    ("dynamodb", 0x00a5_4069, &["3.218.180.0/22", "52.94.24.0/23", "52.119.224.0/20"]),
    ("s3", 0x68a5_4001, &["3.5.76.0/22", "52.92.128.0/17", "52.218.128.0/17"]),
];

/// The lists of a region, in the order of their ids.
pub(crate) fn lists(region: &str) -> Vec<PrefixList> {
    // Lists have other ids in every region.
    let shift =
        region.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut lists: Vec<PrefixList> = LISTS
        .iter()
        .map(|(service, start, cidrs)| PrefixList {
            id: format!("pl-{:08x}", start ^ (shift & 0x00ff_ff00)),
            name: format!("com.amazonaws.{region}.{service}"),
            cidrs,
        })
        .collect();
    lists.sort_by(|one, other| one.id.cmp(&other.id));
    lists
}

/// Finds a list of a region by its id.
pub(crate) fn find(region: &str, id: &str) -> Result<PrefixList, ApiError> {
    lists(region).into_iter().find(|list| list.id == id).ok_or_else(|| {
        ApiError::new(
            "InvalidPrefixListID.NotFound",
            format!("The prefix list ID '{id}' does not exist"),
        )
    })
}

/// Finds the list of a service that gateway endpoints can be for.
pub(crate) fn of_service(region: &str, service_name: &str) -> Option<PrefixList> {
    lists(region).into_iter().find(|list| list.name == service_name)
}

fn select(call: &Call<'_>, names: &[&str]) -> Result<page::Page<PrefixList>, ApiError> {
    let ids = call.params.list("PrefixListId");
    for id in &ids {
        find(&call.region, id)?;
    }
    let filters = Filters::read(&call.params, names)?;
    let selected = lists(&call.region)
        .into_iter()
        .filter(|list| ids.is_empty() || ids.contains(&list.id))
        .filter(|list| {
            filters.matches(&Tags::new(), |name| match name {
                "prefix-list-id" => vec![list.id.clone()],
                "owner-id" => vec!["AWS".to_owned()],
                _ => vec![list.name.clone()],
            })
        })
        .collect();
    paginate(call, selected, |list| &list.id, Paging { least: 1, ..page::EC2 })
}

fn describe(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = select(call, &["prefix-list-id", "prefix-list-name"])?;
    let answer = page.xml("prefixListSet", |list| {
        Xml::new()
            .text("prefixListId", &list.id)
            .text("prefixListName", &list.name)
            .item_texts("cidrSet", list.cidrs)
    });
    Ok(answer.into())
}

fn describe_managed(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = select(call, &["owner-id", "prefix-list-id", "prefix-list-name"])?;
    let region = call.region.clone();
    let answer = page.xml("prefixListSet", |list| {
        Xml::new()
            .text("prefixListId", &list.id)
            .text("addressFamily", "IPv4")
            .text("state", "create-complete")
            .text("prefixListArn", format!("arn:aws:ec2:{region}:aws:prefix-list/{}", list.id))
            .text("prefixListName", &list.name)
            .text("ownerId", "AWS")
            .items("tagSet", [])
    });
    Ok(answer.into())
}

fn entries(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let list = find(&call.region, &call.params.required("PrefixListId")?)?;
    let paging = Paging { least: 1, most: 100, default: 100, ..page::EC2 };
    let page = paginate(call, list.cidrs.to_vec(), |cidr| cidr, paging)?;
    Ok(page.xml("entrySet", |cidr| Xml::new().text("cidr", cidr)).into())
}

//! The CPU credits of burstable instances.

use super::{Instance, find, find_live};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    filter::Filters,
    page::{EC2, paginate},
    row::Row,
    tags::Tags,
    xml::Xml,
};

/// DescribeInstanceCreditSpecifications: of burstable instances only.
pub(super) fn describe_credits(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let ids = call.params.list("InstanceId");
    let filters = Filters::read(&call.params, &["instance-id"])?;
    for id in &ids {
        if find(call, id)?.credits.is_none() {
            return Err(ApiError::new(
                "UnsupportedOperation",
                format!("The instance '{id}' is not burstable."),
            ));
        }
    }
    let rows: Vec<Instance> = call
        .visible::<Instance>()
        .into_iter()
        .filter(|row| row.credits.is_some() && row.state(call) != "terminated")
        .filter(|row| ids.is_empty() || ids.contains(&row.id))
        .filter(|row| filters.matches(&Tags::new(), |_| vec![row.id.clone()]))
        .collect();
    let page = paginate(call, rows, Row::id, EC2)?;
    let item = |row: &Instance| {
        Xml::new().text("instanceId", &row.id).maybe("cpuCredits", row.credits.as_deref())
    };
    Ok(page.xml("instanceCreditSpecificationSet", item).into())
}

/// ModifyInstanceCreditSpecification: each instance succeeds or fails by itself.
pub(super) fn modify_credits(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.client_token();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for asked in call.params.structs("InstanceCreditSpecification") {
        let id = asked.required("InstanceId")?;
        let credits = asked.choice("CpuCredits", &["standard", "unlimited"])?;
        let result = find_live(call, &id).and_then(|row| match row.credits {
            Some(_) => Ok(row),
            None => Err(ApiError::new(
                "InstanceCreditSpecification.NotSupported",
                format!("The instance '{id}' is not burstable."),
            )),
        });
        let item = Xml::new().text("instanceId", &id);
        match result {
            Ok(mut row) => {
                row.credits = credits.or(row.credits);
                call.put(&row);
                done.push(item);
            }
            Err(error) => {
                let details = Xml::new().text("code", &error.code).text("message", &error.message);
                failed.push(item.node("error", details));
            }
        }
    }
    Ok(Xml::new()
        .items("successfulInstanceCreditSpecificationSet", done)
        .items("unsuccessfulInstanceCreditSpecificationSet", failed)
        .into())
}

//! What route tables are associated with: subnets, gateways, and the VPC itself (main).

use serde::{Deserialize, Serialize};

use super::{internet_gateway::InternetGateway, route_table::RouteTable, subnet::Subnet};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    row::Row,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("AssociateRouteTable", associate),
    ("DisassociateRouteTable", disassociate),
    ("ReplaceRouteTableAssociation", replace),
];

/// An association; one that names neither subnet nor gateway is the main one of its VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Association {
    pub(crate) id: String,
    pub(crate) table: String,
    pub(crate) subnet: Option<String>,
    pub(crate) gateway: Option<String>,
}

impl Row for Association {
    const KIND: &'static str = "route-table-association";
    const PREFIX: &'static str = "rtbassoc";
    const ERROR: &'static str = "InvalidAssociationID";
    const NOUN: &'static str = "association ID";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The associations of a table.
pub(crate) const OF_TABLE: &str = "route-table-associations";
/// The association of a subnet or a gateway.
const OF_OBJECT: &str = "associated-route-tables";

impl Association {
    /// Adds an association.
    pub(crate) fn add(
        call: &mut Call<'_>,
        table: &str,
        subnet: Option<String>,
        gateway: Option<String>,
    ) -> Self {
        let id = call.new_id("rtbassoc");
        let association = Self { id, table: table.to_owned(), subnet, gateway };
        call.link(OF_TABLE, table, &association.id);
        if let Some(object) = association.object() {
            call.link(OF_OBJECT, object, &association.id);
        }
        call.put(&association);
        association
    }

    /// Removes the association.
    pub(crate) fn remove(&self, call: &mut Call<'_>) {
        call.unlink(OF_TABLE, &self.table, &self.id);
        if let Some(object) = self.object() {
            call.unlink(OF_OBJECT, object, &self.id);
        }
        call.remove_row::<Self>(&self.id);
    }

    /// Tells whether it is the main association of its VPC.
    pub(crate) fn is_main(&self) -> bool {
        self.object().is_none()
    }

    /// The association as answers show it.
    pub(crate) fn xml(&self) -> Xml {
        Xml::new()
            .text("routeTableAssociationId", &self.id)
            .text("routeTableId", &self.table)
            .maybe("subnetId", self.subnet.as_deref())
            .maybe("gatewayId", self.gateway.as_deref())
            .text("main", self.is_main())
            .node("associationState", associated())
    }

    fn object(&self) -> Option<&str> {
        self.subnet.as_deref().or(self.gateway.as_deref())
    }
}

/// Forgets the association of a subnet that goes away.
pub(crate) fn forget_subnet(call: &mut Call<'_>, subnet: &str) {
    for association in call.linked_rows::<Association>(OF_OBJECT, subnet) {
        association.remove(call);
    }
}

fn associate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let table: RouteTable = call.find(&params.required("RouteTableId")?)?;
    let (subnet, gateway) = (params.optional("SubnetId"), params.optional("GatewayId"));
    let (object, vpc) = match (&subnet, &gateway) {
        (Some(id), None) => (id, Some(call.find::<Subnet>(id)?.vpc)),
        (None, Some(id)) => (id, call.find::<InternetGateway>(id)?.vpc),
        (None, None) => return Err(ApiError::missing("SubnetId or GatewayId")),
        (Some(_), Some(_)) => {
            return Err(ApiError::combination("Only one of SubnetId and GatewayId may be given"));
        }
    };
    if vpc.as_ref() != Some(&table.vpc) {
        return Err(ApiError::invalid_value(format!(
            "Route table {} and {object} belong to different networks",
            table.id
        )));
    }
    if let Some(other) = call.linked_rows::<Association>(OF_OBJECT, object).into_iter().next() {
        if other.table == table.id {
            return Ok(answer("associationId", &other.id));
        }
        return Err(ApiError::new(
            "Resource.AlreadyAssociated",
            format!(
                "the specified association for route table {} conflicts with an existing association ({})",
                table.id, other.id
            ),
        ));
    }
    let association = Association::add(call, &table.id, subnet, gateway);
    Ok(answer("associationId", &association.id))
}

fn disassociate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let association: Association = call.find(&call.params.required("AssociationId")?)?;
    if association.is_main() {
        return Err(ApiError::invalid_value(format!(
            "cannot disassociate the main route table association {}",
            association.id
        )));
    }
    association.remove(call);
    Ok(Answer::done())
}

fn replace(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let old: Association = call.find(&params.required("AssociationId")?)?;
    let mut table: RouteTable = call.find(&params.required("RouteTableId")?)?;
    let mut before: RouteTable = call.find(&old.table)?;
    if before.vpc != table.vpc {
        return Err(ApiError::invalid_value(format!(
            "Route table {} and the association {} belong to different networks",
            table.id, old.id
        )));
    }
    if old.is_main() {
        before.is_main = false;
        call.put(&before);
        // The same table may be meant on both sides.
        table.is_main = true;
        call.put(&table);
    }
    old.remove(call);
    let new = Association::add(call, &table.id, old.subnet, old.gateway);
    Ok(answer("newAssociationId", &new.id))
}

fn answer(name: &str, id: &str) -> Answer {
    Xml::new().text(name, id).node("associationState", associated()).into()
}

fn associated() -> Xml {
    Xml::new().text("state", "associated")
}

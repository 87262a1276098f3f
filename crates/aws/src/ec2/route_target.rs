//! What a route leads to.

use aws_sdk_ec2::types;
use formwork_core::{__private::Members, Input};
use serde::{Deserialize, Serialize};

use super::{
    egress_only_internet_gateway::EgressOnlyInternetGatewayId, internet_gateway::InternetGatewayId,
    launch::NetworkInterfaceId, nat_gateway::NatGatewayId, route_table::VpnGatewayId,
    vpc_endpoint::VpcEndpointId,
};
use crate::{Arn, ec2::InstanceId, id::id_type};

id_type! {
    /// A peering connection's id, such as `pcx-0a1b2c3d4e5f67890`.
    VpcPeeringConnectionId,
    /// A transit gateway's id, such as `tgw-0a1b2c3d4e5f67890`.
    TransitGatewayId,
    /// A local gateway's id, such as `lgw-0a1b2c3d4e5f67890`.
    LocalGatewayId,
    /// A carrier gateway's id, such as `cagw-0a1b2c3d4e5f67890`.
    CarrierGatewayId,
}

/// Declares the targets: the variant, its id, how a declaration makes it of a late id, and the
/// parameter of `CreateRoute` and `ReplaceRoute` that takes it. The dollar is for the macro inside.
macro_rules! targets {
    ($dollar:tt $($(#[$doc:meta])* $variant:ident($id:ty), $make:ident, $key:literal, $set:ident;)*) => {
        /// What a route leads to. A declaration takes one of the functions here, which take an id
        /// or the output that will be one.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum RouteTarget {
            $($(#[$doc])* $variant($id),)*
            /// The VPC itself.
            Local,
        }

        impl RouteTarget {$(
            $(#[$doc])*
            #[must_use]
            pub fn $make(id: impl Into<Input<$id>>) -> Input<Self> {
                // The same as a serialised variant, with room for a late id.
                let mut members = Members::default();
                members.set($key, id.into());
                Input::members(members)
            }
        )*

            /// Its id; of the VPC itself `local`.
            pub(crate) fn id(&self) -> &str {
                match self {
                    $(Self::$variant(id) => id.as_str(),)*
                    Self::Local => "local",
                }
            }
        }

        /// Sets the parameter of a call that `target` belongs to.
        macro_rules! with_target {
            ($dollar call:expr, $dollar target:expr) => {
                match $dollar target {
                    $(RouteTarget::$variant(id) => $dollar call.$set(id.as_str()),)*
                    RouteTarget::Local => $dollar call.gateway_id("local"),
                }
            };
        }
        pub(crate) use with_target;
    };
}

targets! { $
    /// An internet gateway.
    InternetGateway(InternetGatewayId), internet_gateway, "internet_gateway", gateway_id;
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId), vpn_gateway, "vpn_gateway", gateway_id;
    /// A NAT gateway.
    NatGateway(NatGatewayId), nat_gateway, "nat_gateway", nat_gateway_id;
    /// An egress-only internet gateway, for IPv6.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayId), egress_only_internet_gateway,
        "egress_only_internet_gateway", egress_only_internet_gateway_id;
    /// A machine with one network interface.
    Instance(InstanceId), instance, "instance", instance_id;
    /// A network interface.
    NetworkInterface(NetworkInterfaceId), network_interface, "network_interface",
        network_interface_id;
    /// A peering connection.
    VpcPeeringConnection(VpcPeeringConnectionId), vpc_peering_connection, "vpc_peering_connection",
        vpc_peering_connection_id;
    /// A transit gateway.
    TransitGateway(TransitGatewayId), transit_gateway, "transit_gateway", transit_gateway_id;
    /// The endpoint of a Gateway Load Balancer.
    VpcEndpoint(VpcEndpointId), vpc_endpoint, "vpc_endpoint", vpc_endpoint_id;
    /// A local gateway, of an Outpost.
    LocalGateway(LocalGatewayId), local_gateway, "local_gateway", local_gateway_id;
    /// A carrier gateway, of a Wavelength Zone.
    CarrierGateway(CarrierGatewayId), carrier_gateway, "carrier_gateway", carrier_gateway_id;
    /// A Cloud WAN core network.
    CoreNetwork(Arn), core_network, "core_network", core_network_arn;
    /// An Oracle Database@AWS network.
    OdbNetwork(Arn), odb_network, "odb_network", odb_network_arn;
}

impl RouteTarget {
    /// The VPC itself.
    #[must_use]
    pub fn local() -> Input<Self> {
        Input::from(Self::Local)
    }

    /// What `route` leads to. A route to a machine shows its interface too, so `declared` says which
    /// of the two was meant.
    pub(crate) fn of(route: &types::Route, declared: Option<&RouteTarget>) -> Option<Self> {
        let by_gateway = |id: &str| match id.split('-').next() {
            Some("local") => Self::Local,
            Some("vgw") => Self::VpnGateway(id.into()),
            Some("vpce") => Self::VpcEndpoint(id.into()),
            _ => Self::InternetGateway(id.into()),
        };
        let by_interface = || {
            let instance = route.instance_id().map(|id| Self::Instance(id.into()));
            let interface =
                route.network_interface_id().map(|id| Self::NetworkInterface(id.into()));
            match declared {
                Some(Self::NetworkInterface(_)) => interface.or(instance),
                _ => instance.or(interface),
            }
        };
        None.or_else(|| route.gateway_id().map(by_gateway))
            .or_else(|| route.nat_gateway_id().map(|id| Self::NatGateway(id.into())))
            .or_else(|| {
                let id = route.egress_only_internet_gateway_id();
                id.map(|id| Self::EgressOnlyInternetGateway(id.into()))
            })
            .or_else(|| {
                let id = route.vpc_peering_connection_id();
                id.map(|id| Self::VpcPeeringConnection(id.into()))
            })
            .or_else(|| route.transit_gateway_id().map(|id| Self::TransitGateway(id.into())))
            .or_else(|| route.local_gateway_id().map(|id| Self::LocalGateway(id.into())))
            .or_else(|| route.carrier_gateway_id().map(|id| Self::CarrierGateway(id.into())))
            .or_else(|| route.core_network_arn().map(|arn| Self::CoreNetwork(arn.into())))
            .or_else(|| route.odb_network_arn().map(|arn| Self::OdbNetwork(arn.into())))
            .or_else(by_interface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_in_state_is_its_kind_and_its_id() {
        let target = RouteTarget::NatGateway("nat-1".into());
        assert_eq!(serde_json::to_string(&target).unwrap(), r#"{"nat_gateway":"nat-1"}"#);
        assert_eq!(serde_json::to_string(&RouteTarget::Local).unwrap(), r#""local""#);
    }

    #[test]
    fn a_gateway_is_told_by_its_id_and_an_instance_by_what_was_declared() {
        let route = |id: &str| types::Route::builder().gateway_id(id).build();
        assert_eq!(RouteTarget::of(&route("local"), None), Some(RouteTarget::Local));
        assert_eq!(
            RouteTarget::of(&route("vgw-1"), None),
            Some(RouteTarget::VpnGateway("vgw-1".into()))
        );
        let route =
            types::Route::builder().instance_id("i-1").network_interface_id("eni-1").build();
        let interface = RouteTarget::NetworkInterface("eni-1".into());
        assert_eq!(RouteTarget::of(&route, Some(&interface)), Some(interface));
        assert_eq!(RouteTarget::of(&route, None), Some(RouteTarget::Instance("i-1".into())));
    }
}

//! The network half of EC2, as a client lives through it.

use std::time::Duration;

use crate::{
    Sandbox,
    testing::{all, ask_in, ec2, ec2_error, first},
};

/// A VPC with a subnet and an attached internet gateway: their ids.
async fn network(sandbox: &Sandbox) -> (String, String, String) {
    let vpc = first(&ec2(sandbox, "Action=CreateVpc&CidrBlock=10.0.0.0/16").await, "vpcId");
    let form = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.0.0/28");
    let subnet = first(&ec2(sandbox, &form).await, "subnetId");
    let gateway = first(&ec2(sandbox, "Action=CreateInternetGateway").await, "internetGatewayId");
    let form = format!("Action=AttachInternetGateway&VpcId={vpc}&InternetGatewayId={gateway}");
    ec2(sandbox, &form).await;
    (vpc, subnet, gateway)
}

#[tokio::test]
async fn a_vpc_comes_with_its_table_group_and_acl_and_takes_them_along() {
    let sandbox = Sandbox::in_memory();
    let body = ec2(&sandbox, "Action=CreateVpc&CidrBlock=10.0.7.9/16").await;
    assert_eq!(first(&body, "cidrBlock"), "10.0.0.0/16", "{body}");
    let vpc = first(&body, "vpcId");

    let tables = ec2(&sandbox, "Action=DescribeRouteTables").await;
    assert_eq!(
        (all(&tables, "main"), first(&tables, "gatewayId")),
        (vec!["true".into()], "local".into())
    );
    let groups = ec2(&sandbox, "Action=DescribeSecurityGroups").await;
    assert_eq!(all(&groups, "groupName"), ["default"]);
    assert_eq!(all(&groups, "cidrIp"), ["0.0.0.0/0"]);
    let acls = ec2(&sandbox, "Action=DescribeNetworkAcls").await;
    assert_eq!((all(&acls, "vpcId").len(), first(&acls, "vpcId")), (1, vpc.clone()));

    let group = first(&groups, "groupId");
    let form = format!("Action=DeleteSecurityGroup&GroupId={group}");
    assert_eq!(ec2_error(&sandbox, &form).await, "CannotDelete");
    let table = first(&tables, "routeTableId");
    let form = format!("Action=DeleteRouteTable&RouteTableId={table}");
    assert_eq!(ec2_error(&sandbox, &form).await, "DependencyViolation");

    ec2(&sandbox, &format!("Action=DeleteVpc&VpcId={vpc}")).await;
    for kind in ["vpc", "route-table", "security-group", "security-group-rule", "network-acl"] {
        assert!(sandbox.ids("us-west-2", kind).is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn subnets_lie_within_their_vpc_and_apart_from_each_other() {
    let sandbox = Sandbox::in_memory();
    let (vpc, ..) = network(&sandbox).await;
    for (cidr, code) in [
        ("10.0.0.8/29", "InvalidSubnet.Range"),
        ("10.1.0.0/24", "InvalidSubnet.Range"),
        ("10.0.0.0/24", "InvalidSubnet.Conflict"),
        ("10.0.0/24", "InvalidParameterValue"),
    ] {
        let form = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock={cidr}");
        assert_eq!(ec2_error(&sandbox, &form).await, code, "{cidr}");
    }
    let other_zone = format!(
        "Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.1.0/24&AvailabilityZone=us-east-1a"
    );
    assert_eq!(ec2_error(&sandbox, &other_zone).await, "InvalidParameterValue");
    let elsewhere =
        ask_in(&sandbox, "us-east-1", "ec2", &format!("Action=DescribeVpcs&VpcId.1={vpc}")).await;
    assert_eq!(first(&elsewhere.1, "Code"), "InvalidVpcID.NotFound");
}

#[tokio::test]
async fn addresses_are_counted_and_run_out() {
    let sandbox = Sandbox::in_memory();
    let (_, subnet, _) = network(&sandbox).await;
    let create = format!("Action=CreateNetworkInterface&SubnetId={subnet}");
    let mut addresses = Vec::new();
    for _ in 0..11 {
        addresses.push(first(&ec2(&sandbox, &create).await, "privateIpAddress"));
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 11, "a /28 has 16 addresses, 5 of them reserved");
    assert_eq!(ec2_error(&sandbox, &create).await, "InsufficientFreeAddressesInSubnet");
    let adapter = ec2(&sandbox, &format!("{create}&InterfaceType=efa-only")).await;
    assert!(all(&adapter, "privateIpAddress").is_empty(), "{adapter}");

    let subnets = ec2(&sandbox, "Action=DescribeSubnets").await;
    assert_eq!(first(&subnets, "availableIpAddressCount"), "0");
    let form = format!("Action=DeleteSubnet&SubnetId={subnet}");
    assert_eq!(ec2_error(&sandbox, &form).await, "DependencyViolation");
    for id in sandbox.ids("us-west-2", "network-interface") {
        ec2(&sandbox, &format!("Action=DeleteNetworkInterface&NetworkInterfaceId={id}")).await;
    }
    ec2(&sandbox, &form).await;
}

#[tokio::test]
async fn a_nat_gateway_holds_its_address_until_it_is_deleted() {
    let sandbox = Sandbox::in_memory();
    let settle = Duration::from_secs(10);
    sandbox.knobs().state_duration(settle);
    let (vpc, subnet, gateway) = network(&sandbox).await;
    let allocation = first(&ec2(&sandbox, "Action=AllocateAddress").await, "allocationId");
    let create = format!(
        "Action=CreateNatGateway&SubnetId={subnet}&AllocationId={allocation}&ClientToken=one"
    );
    let created = ec2(&sandbox, &create).await;
    let nat = first(&created, "natGatewayId");
    assert_eq!(first(&created, "state"), "pending");
    assert_eq!(first(&ec2(&sandbox, &create).await, "natGatewayId"), nat);
    let other = create.replace("ClientToken=one", "ClientToken=two");
    assert_eq!(ec2_error(&sandbox, &other).await, "Resource.AlreadyAssociated");

    let table = ec2(&sandbox, &format!("Action=CreateRouteTable&VpcId={vpc}")).await;
    let table = first(&table, "routeTableId");
    let route = format!(
        "Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId={nat}"
    );
    assert_eq!(ec2_error(&sandbox, &route).await, "InvalidNatGatewayID.NotFound");
    sandbox.knobs().advance_clock(settle);
    ec2(&sandbox, &route).await;

    ec2(&sandbox, &format!("Action=DeleteNatGateway&NatGatewayId={nat}")).await;
    let release = format!("Action=ReleaseAddress&AllocationId={allocation}");
    let detach = format!("Action=DetachInternetGateway&VpcId={vpc}&InternetGatewayId={gateway}");
    let describe = format!("Action=DescribeNatGateways&NatGatewayId.1={nat}");
    assert_eq!(first(&ec2(&sandbox, &describe).await, "state"), "deleting");
    assert_eq!(ec2_error(&sandbox, &release).await, "InvalidIPAddress.InUse");
    assert_eq!(ec2_error(&sandbox, &detach).await, "DependencyViolation");
    sandbox.knobs().advance_clock(settle);
    assert_eq!(first(&ec2(&sandbox, &describe).await, "state"), "deleted");
    let routes = ec2(&sandbox, &format!("Action=DescribeRouteTables&RouteTableId.1={table}")).await;
    assert_eq!(all(&routes, "state"), ["active", "blackhole"]);
    ec2(&sandbox, &release).await;
    ec2(&sandbox, &detach).await;
    sandbox.knobs().advance_clock(Duration::from_secs(4000));
    assert_eq!(ec2_error(&sandbox, &describe).await, "NatGatewayNotFound");
}

#[tokio::test]
async fn a_nat_gateway_without_a_way_out_fails_while_one_waits_for_it() {
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::ZERO);
    let (vpc, subnet, gateway) = network(&sandbox).await;
    let form = format!("Action=DetachInternetGateway&VpcId={vpc}&InternetGatewayId={gateway}");
    ec2(&sandbox, &form).await;
    let allocation = first(&ec2(&sandbox, "Action=AllocateAddress").await, "allocationId");
    let form = format!("Action=CreateNatGateway&SubnetId={subnet}&AllocationId={allocation}");
    let nat = first(&ec2(&sandbox, &form).await, "natGatewayId");
    let body = ec2(&sandbox, &format!("Action=DescribeNatGateways&NatGatewayId.1={nat}")).await;
    assert_eq!(first(&body, "state"), "failed");
    assert_eq!(first(&body, "failureCode"), "Gateway.NotAttached");
    ec2(&sandbox, &format!("Action=ReleaseAddress&AllocationId={allocation}")).await;
    ec2(&sandbox, &format!("Action=DeleteNatGateway&NatGatewayId={nat}")).await;
    ec2(&sandbox, &format!("Action=DeleteSubnet&SubnetId={subnet}")).await;
}

#[tokio::test]
async fn rules_are_unique_and_hold_the_groups_that_they_name() {
    let sandbox = Sandbox::in_memory();
    let (vpc, ..) = network(&sandbox).await;
    let mut groups = Vec::new();
    for name in ["web", "db"] {
        let form =
            format!("Action=CreateSecurityGroup&VpcId={vpc}&GroupName={name}&GroupDescription=d");
        groups.push(first(&ec2(&sandbox, &form).await, "groupId"));
        assert_eq!(ec2_error(&sandbox, &form).await, "InvalidGroup.Duplicate");
    }
    let (web, db) = (&groups[0], &groups[1]);
    let allow = format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={db}&IpPermissions.1.IpProtocol=tcp\
         &IpPermissions.1.FromPort=5432&IpPermissions.1.ToPort=5432\
         &IpPermissions.1.Groups.1.GroupId={web}&IpPermissions.1.IpRanges.1.CidrIp=10.9.8.7/8"
    );
    let rules = all(&ec2(&sandbox, &allow).await, "securityGroupRuleId");
    assert_eq!(rules.len(), 2, "one rule for each peer");
    let again = allow.replace("IpProtocol=tcp", "IpProtocol=6").replace("10.9.8.7/8", "10.0.0.0/8");
    assert_eq!(ec2_error(&sandbox, &again).await, "InvalidPermission.Duplicate");

    let delete_web = format!("Action=DeleteSecurityGroup&GroupId={web}");
    assert_eq!(ec2_error(&sandbox, &delete_web).await, "DependencyViolation");
    let revoke = format!(
        "Action=RevokeSecurityGroupIngress&GroupId={db}&SecurityGroupRuleId.1={}&SecurityGroupRuleId.2={}",
        rules[0], rules[1]
    );
    ec2(&sandbox, &revoke).await;
    assert_eq!(ec2_error(&sandbox, &revoke).await, "InvalidSecurityGroupRuleId.NotFound");
    ec2(&sandbox, &delete_web).await;
    let dangling = allow.replace("&IpPermissions.1.IpRanges.1.CidrIp=10.9.8.7/8", "");
    assert_eq!(ec2_error(&sandbox, &dangling).await, "InvalidGroup.NotFound");
}

#[tokio::test]
async fn endpoints_show_up_in_tables_and_subnets_and_leave_nothing_behind() {
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::ZERO);
    let (vpc, subnet, _) = network(&sandbox).await;
    let tables = ec2(&sandbox, "Action=DescribeRouteTables").await;
    let table = first(&tables, "routeTableId");
    let gateway = format!(
        "Action=CreateVpcEndpoint&VpcId={vpc}&ServiceName=com.amazonaws.us-west-2.s3&RouteTableId.1={table}"
    );
    let gateway_id = first(&ec2(&sandbox, &gateway).await, "vpcEndpointId");
    assert_eq!(ec2_error(&sandbox, &gateway).await, "RouteAlreadyExists");
    let tables = ec2(&sandbox, "Action=DescribeRouteTables").await;
    assert!(tables.contains("<destinationPrefixListId>pl-"), "{tables}");

    let interface = format!(
        "Action=CreateVpcEndpoint&VpcId={vpc}&VpcEndpointType=Interface\
         &ServiceName=com.amazonaws.us-west-2.ssm&SubnetId.1={subnet}"
    );
    // Private DNS is the default, and the VPC does not have host names yet.
    assert_eq!(ec2_error(&sandbox, &interface).await, "InvalidParameter");
    let form = format!("Action=ModifyVpcAttribute&VpcId={vpc}&EnableDnsHostnames.Value=true");
    ec2(&sandbox, &form).await;
    let interface_id = first(&ec2(&sandbox, &interface).await, "vpcEndpointId");
    let form = format!("Action=DeleteSubnet&SubnetId={subnet}");
    assert_eq!(ec2_error(&sandbox, &form).await, "DependencyViolation");

    let delete = format!(
        "Action=DeleteVpcEndpoints&VpcEndpointId.1={gateway_id}&VpcEndpointId.2={interface_id}"
    );
    assert!(all(&ec2(&sandbox, &delete).await, "resourceId").is_empty());
    ec2(&sandbox, &form).await;
    assert!(sandbox.ids("us-west-2", "vpc-endpoint").is_empty());
    assert!(sandbox.ids("us-west-2", "network-interface").is_empty());
    let tables = ec2(&sandbox, "Action=DescribeRouteTables").await;
    assert!(!tables.contains("destinationPrefixListId"), "{tables}");
}

//! The operations on the rules of security groups.

use super::{
    cidr,
    permission::{self, Peer, Rule, RuleIndex, Terms},
    security_group::{self, SecurityGroup},
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe,
    error::ApiError,
    params::Params,
    row::{self, Row},
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("AuthorizeSecurityGroupEgress", |call| authorize(call, true)),
    ("AuthorizeSecurityGroupIngress", |call| authorize(call, false)),
    ("DescribeSecurityGroupRules", describe_rules),
    ("ModifySecurityGroupRules", modify),
    ("RevokeSecurityGroupEgress", |call| revoke(call, true)),
    ("RevokeSecurityGroupIngress", |call| revoke(call, false)),
    ("UpdateSecurityGroupRuleDescriptionsEgress", |call| describe_anew(call, true)),
    ("UpdateSecurityGroupRuleDescriptionsIngress", |call| describe_anew(call, false)),
];

fn authorize(call: &mut Call<'_>, egress: bool) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group: SecurityGroup = call.find(&params.required("GroupId")?)?;
    let wanted = permission::read(call, &group, egress)?;
    if wanted.is_empty() {
        return Err(ApiError::missing("IpPermissions"));
    }
    let tags = tags::specification(&params, "security-group-rule")?;
    let mut added = Vec::new();
    for terms in wanted {
        if group.rules.iter().any(|rule| rule.terms.same(&terms)) {
            return Err(terms.duplicate());
        }
        let rule = Rule::new(call, &group.id, terms);
        call.set_tags(&rule.id, tags.clone());
        added.push(xml(call, &group, &rule));
        group.rules.push(rule);
    }
    security_group::save(call, &group);
    Ok(Xml::new().text("return", true).items("securityGroupRuleSet", added).into())
}

fn revoke(call: &mut Call<'_>, egress: bool) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group: SecurityGroup = call.find(&params.required("GroupId")?)?;
    let ids = params.list("SecurityGroupRuleId");
    let mut revoked = Vec::new();
    for id in &ids {
        let place = place_of(call, &group, id, egress)?;
        revoked.push(group.rules.remove(place));
    }
    for terms in permission::read(call, &group, egress)? {
        let place = group.rules.iter().position(|rule| rule.terms.same(&terms));
        let place = place.ok_or_else(no_such_rule)?;
        revoked.push(group.rules.remove(place));
    }
    if revoked.is_empty() {
        return Err(ApiError::missing("IpPermissions or SecurityGroupRuleIds"));
    }
    let shown = revoked.iter().map(|rule| {
        let own = Xml::new().text("securityGroupRuleId", &rule.id).text("groupId", &group.id);
        let own = terms_xml(own, &rule.terms);
        own.maybe("referencedGroupId", rule.terms.peer.group())
    });
    let answer = Xml::new().text("return", true).items("revokedSecurityGroupRuleSet", shown);
    for rule in &revoked {
        call.remove::<RuleIndex>(&rule.id);
    }
    security_group::save(call, &group);
    Ok(answer.into())
}

fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group: SecurityGroup = call.find(&params.required("GroupId")?)?;
    let changes = params.structs("SecurityGroupRule");
    if changes.is_empty() {
        return Err(ApiError::missing("SecurityGroupRule"));
    }
    for change in changes {
        let id = change.required("SecurityGroupRuleId")?;
        let place = group.rules.iter().position(|rule| rule.id == id);
        let place = place.ok_or_else(|| row::not_found::<RuleIndex>(&id))?;
        let wanted = change
            .nested("SecurityGroupRule")
            .ok_or_else(|| ApiError::missing(&change.full("SecurityGroupRule")))?;
        let egress = group.rules[place].terms.egress;
        let terms = request_terms(call, &group, &wanted, egress)?;
        let mut others = group.rules.iter().filter(|rule| rule.id != id);
        if others.any(|rule| rule.terms.same(&terms)) {
            return Err(terms.duplicate());
        }
        group.rules[place].terms = terms;
    }
    security_group::save(call, &group);
    Ok(Answer::done())
}

fn request_terms(
    call: &Call<'_>,
    group: &SecurityGroup,
    wanted: &Params,
    egress: bool,
) -> Result<Terms, ApiError> {
    let (protocol, ports) = permission::traffic(wanted)?;
    let mut peers = Vec::new();
    if let Some(text) = wanted.optional("CidrIpv4") {
        peers.push(Peer::Ipv4(cidr::ipv4("cidrIpv4", &text)?));
    }
    if let Some(text) = wanted.optional("CidrIpv6") {
        peers.push(Peer::Ipv6(cidr::ipv6("cidrIpv6", &text)?));
    }
    if let Some(id) = wanted.optional("PrefixListId") {
        peers.push(permission::prefix_list_peer(call, &id)?);
    }
    if let Some(id) = wanted.optional("ReferencedGroupId") {
        peers.push(permission::group_peer(call, group, &id)?);
    }
    let description = permission::description(wanted)?;
    match (peers.pop(), peers.is_empty()) {
        (Some(peer), true) => Ok(Terms { egress, protocol, ports, peer, description }),
        (None, _) => Err(ApiError::missing(&wanted.full("CidrIpv4"))),
        (Some(_), false) => Err(ApiError::combination(
            "A security group rule has exactly one source or destination",
        )),
    }
}

fn describe_anew(call: &mut Call<'_>, egress: bool) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group: SecurityGroup = call.find(&params.required("GroupId")?)?;
    let by_id = params.structs("SecurityGroupRuleDescription");
    let by_terms = permission::read(call, &group, egress)?;
    if by_id.is_empty() == by_terms.is_empty() {
        return Err(ApiError::combination(
            "Exactly one of IpPermissions and SecurityGroupRuleDescriptions must be given",
        ));
    }
    for change in by_id {
        let place = place_of(call, &group, &change.required("SecurityGroupRuleId")?, egress)?;
        group.rules[place].terms.description = permission::description(&change)?;
    }
    for terms in by_terms {
        let rule = group.rules.iter_mut().find(|rule| rule.terms.same(&terms));
        rule.ok_or_else(no_such_rule)?.terms.description = terms.description;
    }
    security_group::save(call, &group);
    Ok(Answer::done())
}

fn describe_rules(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let filters = ["group-id", "security-group-rule-id"];
    let page = describe::<RuleIndex>(call, "SecurityGroupRuleId", &filters, |rule, filter| {
        vec![if filter == "group-id" { rule.group.clone() } else { rule.id.clone() }]
    })?;
    let shown = page.rows.iter().filter_map(|index| {
        let group: SecurityGroup = call.get(&index.group)?;
        let rule = group.rules.iter().find(|rule| rule.id == index.id)?;
        Some(xml(call, &group, rule))
    });
    let answer = Xml::new().items("securityGroupRuleSet", shown);
    Ok(answer.maybe("nextToken", page.next.as_deref()).into())
}

/// Where a group has a rule of this direction.
fn place_of(
    call: &Call<'_>,
    group: &SecurityGroup,
    id: &str,
    egress: bool,
) -> Result<usize, ApiError> {
    let index: RuleIndex = call.find(id)?;
    let is_it = |rule: &Rule| rule.id == index.id() && rule.terms.egress == egress;
    group.rules.iter().position(is_it).ok_or_else(|| row::not_found::<RuleIndex>(id))
}

fn no_such_rule() -> ApiError {
    ApiError::new(
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )
}

fn xml(call: &Call<'_>, group: &SecurityGroup, rule: &Rule) -> Xml {
    let own = Xml::new()
        .text("securityGroupRuleId", &rule.id)
        .text("groupId", &group.id)
        .text("groupOwnerId", &call.account);
    let referenced = rule.terms.peer.group().map(|id| {
        Xml::new().text("groupId", id).text("userId", &call.account).text("vpcId", &group.vpc)
    });
    let arn =
        format!("arn:aws:ec2:{}:{}:security-group-rule/{}", call.region, call.account, rule.id);
    let xml = terms_xml(own, &rule.terms)
        .maybe_node("referencedGroupInfo", referenced)
        .text("securityGroupRuleArn", arn);
    tags::xml(xml, &call.tags(&rule.id))
}

fn terms_xml(xml: Xml, terms: &Terms) -> Xml {
    // Where the protocol has no ports, rules say -1 and permissions say nothing.
    let (from, to) = terms.ports.unwrap_or((-1, -1));
    let xml = xml
        .text("isEgress", terms.egress)
        .text("ipProtocol", &terms.protocol)
        .text("fromPort", from)
        .text("toPort", to)
        .maybe("description", terms.description.as_deref());
    match &terms.peer {
        Peer::Ipv4(cidr) => xml.text("cidrIpv4", cidr),
        Peer::Ipv6(cidr) => xml.text("cidrIpv6", cidr),
        Peer::PrefixList(id) => xml.text("prefixListId", id),
        Peer::Group(_) => xml,
    }
}

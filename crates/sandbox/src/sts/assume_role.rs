//! AssumeRole: temporary keys for a role, if its trust policy lets the caller have them.

use crate::{
    call::{Answer, Call},
    error::ApiError,
    iam::{
        DocumentKind, lookup, parse_document,
        trust::{self, Caller, Context},
    },
    params::Params,
    time::iso8601,
    xml::Xml,
};

use super::session::{self, Identity, Session};

/// What the caller asked for.
struct Asked {
    role_arn: String,
    session_name: String,
    /// Seconds.
    duration: u64,
    source_identity: Option<String>,
    tags: bool,
    context: Context,
}

/// AssumeRole.
pub(super) fn assume_role(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let asked = read(&call.params.clone())?;
    let caller = session::caller(call)?;
    let denied = |action: &str| {
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {}",
            caller.arn, asked.role_arn
        );
        ApiError::new("AccessDenied", message).with_status(403)
    };
    // AWS does not tell whether a role that one may not assume exists.
    let role =
        lookup::role_by_arn(call, &asked.role_arn).ok_or_else(|| denied("sts:AssumeRole"))?;
    let mut actions = vec!["sts:AssumeRole"];
    actions.extend(asked.tags.then_some("sts:TagSession"));
    actions.extend(asked.source_identity.is_some().then_some("sts:SetSourceIdentity"));
    for action in actions {
        let who = Caller::Identity {
            account: &call.account,
            identity: &caller.principal,
            session: &caller.arn,
        };
        if !trust::allows(&role.trust_policy, who, action, &context(call, &caller, &asked)) {
            return Err(denied(action));
        }
    }
    if asked.duration > u64::from(role.max_session) {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if caller.is_session && asked.duration > 3600 {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining.",
        ));
    }
    let session = Session {
        access_key: format!("ASIA{}", call.new_unique_id("").split_off(1)),
        role_arn: asked.role_arn.clone(),
        arn: format!(
            "arn:aws:sts::{}:assumed-role/{}/{}",
            call.account, role.name, asked.session_name
        ),
        user_id: format!("{}:{}", role.unique_id, asked.session_name),
        expires: call.now.saturating_add(asked.duration.saturating_mul(1000)),
    };
    call.put(&session);
    let credentials = Xml::new()
        .text("AccessKeyId", &session.access_key)
        .text("SecretAccessKey", secret(call, 40))
        .text("SessionToken", secret(call, 160))
        .text("Expiration", iso8601(session.expires));
    let user = Xml::new().text("AssumedRoleId", &session.user_id).text("Arn", &session.arn);
    Ok(Xml::new()
        .node("Credentials", credentials)
        .node("AssumedRoleUser", user)
        .maybe("SourceIdentity", asked.source_identity.as_deref())
        .into())
}

fn read(params: &Params) -> Result<Asked, ApiError> {
    let role_arn = params.required("RoleArn").map_err(|_| null("roleArn"))?;
    let is_role =
        role_arn.strip_prefix("arn:aws:iam::").is_some_and(|rest| rest.contains(":role/"));
    if !is_role || role_arn.chars().count() < 20 {
        return Err(validation(format!("{role_arn} is invalid")));
    }
    let session_name = params.required("RoleSessionName").map_err(|_| null("roleSessionName"))?;
    name("roleSessionName", &session_name)?;
    let source_identity = params.optional("SourceIdentity");
    source_identity.iter().try_for_each(|text| name("sourceIdentity", text))?;
    let duration = duration(params)?;
    let mut context = Context::new();
    if let Some(external) = params.optional("ExternalId") {
        let signs = external.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c));
        if !signs || !(2..=1224).contains(&external.len()) {
            return Err(validation(format!("Value '{external}' at 'externalId' is not valid")));
        }
        context.insert("sts:externalid".into(), external);
    }
    if let Some(policy) = params.optional("Policy") {
        parse_document(DocumentKind::Identity, &policy)
            .map_err(|message| ApiError::new("MalformedPolicyDocument", message))?;
    }
    for policy in params.structs("PolicyArns") {
        // Session policies restrict permissions, which the sandbox does not evaluate.
        policy.required("arn")?;
    }
    let tags = params.structs("Tags");
    for tag in &tags {
        let (key, value) = (tag.required("Key")?, tag.optional("Value").unwrap_or_default());
        context.insert(format!("aws:requesttag/{}", key.to_ascii_lowercase()), value);
    }
    if let Some(key) = params
        .list("TransitiveTagKeys")
        .into_iter()
        .find(|key| !context.contains_key(&format!("aws:requesttag/{}", key.to_ascii_lowercase())))
    {
        return Err(validation(format!(
            "The transitive tag key '{key}' is none of the session's tags"
        )));
    }
    if let Some(identity) = &source_identity {
        context.insert("sts:sourceidentity".into(), identity.clone());
    }
    context.insert("sts:rolesessionname".into(), session_name.clone());
    Ok(Asked { role_arn, session_name, duration, source_identity, tags: !tags.is_empty(), context })
}

fn duration(params: &Params) -> Result<u64, ApiError> {
    let Some(text) = params.optional("DurationSeconds") else { return Ok(3600) };
    let bound = match text.parse::<u64>() {
        Ok(seconds @ 900..=43_200) => return Ok(seconds),
        Ok(..900) => "have value greater than or equal to 900",
        Ok(_) => "have value less than or equal to 43200",
        Err(_) => "be an integer",
    };
    Err(validation(format!(
        "1 validation error detected: Value '{text}' at 'durationSeconds' failed to satisfy \
         constraint: Member must {bound}"
    )))
}

fn context(call: &Call<'_>, caller: &Identity, asked: &Asked) -> Context {
    let facts = [
        ("aws:principalarn", caller.principal.clone()),
        ("aws:principalaccount", call.account.clone()),
        ("aws:userid", caller.user_id.clone()),
        ("aws:requestedregion", call.region.clone()),
        ("aws:currenttime", iso8601(call.now)),
        ("aws:epochtime", (call.now / 1000).to_string()),
        ("aws:sourceip", "127.0.0.1".to_owned()),
        ("aws:securetransport", "true".to_owned()),
    ];
    asked
        .context
        .clone()
        .into_iter()
        .chain(facts.map(|(key, value)| (key.to_owned(), value)))
        .collect()
}

/// Text that looks like a key and opens nothing.
fn secret(call: &mut Call<'_>, length: usize) -> String {
    let mut secret = String::new();
    while secret.len() < length {
        secret.push_str(&call.new_unique_id(""));
    }
    secret.truncate(length);
    secret
}

fn name(member: &str, value: &str) -> Result<(), ApiError> {
    let signs = value.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    if signs && (2..=64).contains(&value.len()) {
        return Ok(());
    }
    Err(validation(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: \
         Member must have length from 2 to 64 and satisfy regular expression pattern: [\\w+=,.@-]*"
    )))
}

fn null(member: &str) -> ApiError {
    validation(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
         Member must not be null"
    ))
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

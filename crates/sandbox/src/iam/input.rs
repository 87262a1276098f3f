//! Reads and checks the parameters that many IAM operations share.
//!
//! Lengths and patterns are those of the API model (`iam/2010-05-08`); quotas those of the User
//! Guide's page `reference_iam-quotas`.

use serde_json::Value;

use crate::{
    call::Call,
    error::ApiError,
    page::{Page, Paging, paginate},
    params::Params,
    xml::Xml,
};

use super::{
    document::{self, Kind},
    error::{constraint, malformed_document, quota, validation},
};

/// A value that must be there, of at most this many characters.
pub(super) fn text(params: &Params, name: &str, most: usize) -> Result<String, ApiError> {
    let value = params.optional(name).ok_or_else(|| constraint(name, None, "not be null"))?;
    bounded(name, &value, 1, most)?;
    Ok(value)
}

fn bounded(name: &str, value: &str, least: usize, most: usize) -> Result<(), ApiError> {
    let length = value.chars().count();
    if length < least {
        return Err(constraint(
            name,
            Some(value),
            &format!("have length greater than or equal to {least}"),
        ));
    }
    if length > most {
        return Err(constraint(
            name,
            Some(value),
            &format!("have length less than or equal to {most}"),
        ));
    }
    Ok(())
}

/// A name of a role, policy or instance profile: letters, digits and `+=,.@_-`.
pub(super) fn entity_name(params: &Params, name: &str, most: usize) -> Result<String, ApiError> {
    let value = text(params, name, most)?;
    if !value.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)) {
        let mut member = name.to_owned();
        member[..1].make_ascii_lowercase();
        return Err(validation(format!(
            "The specified value for {member} is invalid. It must contain only alphanumeric \
             characters and/or the following: +=,.@_-"
        )));
    }
    Ok(value)
}

/// `Path`, which is `/` if it is not given.
pub(super) fn path(params: &Params) -> Result<String, ApiError> {
    let Some(path) = params.optional("Path") else { return Ok("/".to_owned()) };
    bounded("Path", &path, 1, 512)?;
    let inside = path.chars().all(|c| ('\u{21}'..='\u{7e}').contains(&c));
    if !inside || !path.starts_with('/') || !path.ends_with('/') || path.contains("//") {
        return Err(validation(
            "The specified value for path is invalid. It must begin and end with / and contain \
             only alphanumeric characters and/or / characters.",
        ));
    }
    Ok(path)
}

/// `PathPrefix`, which selects everything if it is not given.
pub(super) fn path_prefix(params: &Params) -> Result<String, ApiError> {
    let Some(prefix) = params.optional("PathPrefix") else { return Ok("/".to_owned()) };
    bounded("PathPrefix", &prefix, 1, 512)?;
    if !prefix.starts_with('/') {
        return Err(validation(
            "The specified value for pathPrefix is invalid. It must begin with / and contain only \
             alphanumeric characters and/or / characters.",
        ));
    }
    Ok(prefix)
}

/// `Description` of at most 1000 characters; `latin` for roles, whose model has a pattern.
pub(super) fn description(params: &Params, latin: bool) -> Result<Option<String>, ApiError> {
    let Some(description) = params.optional("Description") else { return Ok(None) };
    bounded("Description", &description, 0, 1000)?;
    let allowed = |c| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
    if latin && !description.chars().all(allowed) {
        return Err(constraint(
            "Description",
            Some(&description),
            "satisfy regular expression pattern: \
             [\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*",
        ));
    }
    Ok(Some(description))
}

/// A boolean.
pub(super) fn flag(params: &Params, name: &str) -> Result<bool, ApiError> {
    params.flag(name).map(Option::unwrap_or_default).map_err(as_validation)
}

/// One of a few values.
pub(super) fn choice(
    params: &Params,
    name: &str,
    known: &[&str],
) -> Result<Option<String>, ApiError> {
    let value = params.optional(name);
    match value.as_deref() {
        Some(value) if !known.contains(&value) => {
            let must = format!("satisfy enum value set: [{}]", known.join(", "));
            Err(constraint(name, Some(value), &must))
        }
        _ => Ok(value),
    }
}

/// A policy document under a parameter's name, and its parsed form.
pub(super) fn policy_document(
    params: &Params,
    name: &str,
    kind: Kind,
) -> Result<(String, Value), ApiError> {
    let document = text(params, name, 131_072)?;
    if !document.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
        let mut member = name.to_owned();
        member[..1].make_ascii_lowercase();
        return Err(validation(format!(
            "The specified value for {member} is invalid. It must contain only printable ASCII \
             characters."
        )));
    }
    let parsed = document::parse(kind, &document).map_err(malformed_document)?;
    let (name, limit) = match kind {
        Kind::Identity => return Ok((document, parsed)),
        Kind::Trust => ("ACLSizePerRole", 2048),
    };
    if document::quota_length(&document) > limit {
        return Err(quota(name, limit));
    }
    Ok((document, parsed))
}

/// One page of rows, which must be sorted by their first half.
pub(super) fn page<T>(
    call: &Call<'_>,
    rows: Vec<(String, T)>,
) -> Result<Page<(String, T)>, ApiError> {
    const IAM: Paging = Paging {
        size: "MaxItems",
        token: "Marker",
        least: 1,
        most: 1000,
        default: 100,
        bad_token: "ValidationError",
    };
    paginate(call, rows, |(key, _)| key, IAM).map_err(as_validation)
}

/// Writes `IsTruncated`, and `Marker` if there is more.
pub(super) fn end_of_page<T>(xml: Xml, page: &Page<T>) -> Xml {
    xml.text("IsTruncated", page.next.is_some()).maybe("Marker", page.next.as_deref())
}

/// Encodes a document as IAM puts it into answers (RFC 3986).
pub(super) fn url_encoded(document: &str) -> String {
    let mut encoded = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn as_validation(error: ApiError) -> ApiError {
    if error.status == 400 { validation(error.message) } else { error }
}

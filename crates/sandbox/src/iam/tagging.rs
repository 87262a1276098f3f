//! Tags of IAM objects, which live in the objects' own rows: IAM is global, and its tag keys do not
//! differ by case alone (User Guide, `id_tags`).

use crate::{
    call::{Answer, Call},
    error::ApiError,
    params::Params,
    row::Row,
    tags::Tags,
    xml::Xml,
};

use super::{
    error::{constraint, invalid_input, quota, validation},
    input,
};

const LIMIT: usize = 50;

/// A row that carries tags.
pub(super) trait Tagged: Row {
    /// The quota's name, say `TagsPerRole`.
    const QUOTA: &'static str;

    /// Its tags.
    fn tags(&mut self) -> &mut Tags;
}

/// Reads `Tags.member.N`; none if the request has none.
pub(super) fn read(params: &Params) -> Result<Tags, ApiError> {
    let given = params.structs("Tags");
    if given.len() > LIMIT {
        return Err(constraint(
            "Tags",
            Some("[...]"),
            &format!("have length less than or equal to {LIMIT}"),
        ));
    }
    let mut tags = Tags::new();
    for tag in given {
        let key = input::text(&tag, "Key", 128)?;
        let value = tag
            .optional("Value")
            .ok_or_else(|| constraint(&tag.full("Value"), None, "not be null"))?;
        if value.chars().count() > 256 {
            return Err(constraint(
                &tag.full("Value"),
                Some(&value),
                "have length less than or equal to 256",
            ));
        }
        // \p{L}, \p{Z}, \p{N} and the signs.
        let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        for text in [&key, &value] {
            if !text.chars().all(allowed) {
                return Err(validation(format!(
                    "1 validation error detected: Value '{text}' at 'tags' failed to satisfy \
                     constraint: Member must satisfy regular expression pattern: \
                     [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]+"
                )));
            }
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_input("Tag keys that begin with aws: are reserved for AWS."));
        }
        if tags.keys().any(|known| known.eq_ignore_ascii_case(&key)) {
            return Err(invalid_input(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

/// `TagX`: adds `Tags.member.N` to a row.
pub(super) fn tag<T: Tagged>(call: &mut Call<'_>, mut row: T) -> Result<Answer, ApiError> {
    for (key, value) in read(&call.params)? {
        row.tags().retain(|known, _| !known.eq_ignore_ascii_case(&key));
        row.tags().insert(key, value);
    }
    if row.tags().len() > LIMIT {
        return Err(quota(T::QUOTA, LIMIT));
    }
    call.put(&row);
    Ok(Answer::empty())
}

/// `UntagX`: removes `TagKeys.member.N` from a row; keys that it lacks do no harm.
pub(super) fn untag<T: Tagged>(call: &mut Call<'_>, mut row: T) -> Result<Answer, ApiError> {
    for key in call.params.list("TagKeys") {
        row.tags().retain(|known, _| !known.eq_ignore_ascii_case(&key));
    }
    call.put(&row);
    Ok(Answer::empty())
}

/// `ListXTags`.
pub(super) fn list(call: &Call<'_>, tags: Tags) -> Result<Answer, ApiError> {
    let page = input::page(call, tags.into_iter().collect())?;
    let tags =
        page.rows.iter().map(|(key, value)| Xml::new().text("Key", key).text("Value", value));
    Ok(input::end_of_page(Xml::new().members("Tags", tags), &page).into())
}

/// Writes `Tags`, if there are any.
pub(super) fn xml(xml: Xml, tags: &Tags) -> Xml {
    if tags.is_empty() {
        return xml;
    }
    xml.members(
        "Tags",
        tags.iter().map(|(key, value)| Xml::new().text("Key", key).text("Value", value)),
    )
}

//! EC2 filters: `Filter.N.Name` with `Filter.N.Value.M`, and wildcards in values.

use crate::{error::ApiError, params::Params, tags::Tags};

/// The filters of one describe call: all of them must hold, each for any of its values.
#[derive(Clone, Debug)]
pub(crate) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Reads the filters. A name that is neither in `known` nor about tags is an error.
    pub(crate) fn read(params: &Params, known: &[&str]) -> Result<Self, ApiError> {
        let mut filters = Vec::new();
        for filter in params.structs("Filter") {
            let name = filter.required("Name")?;
            let values = filter.list("Value");
            if !is_about_tags(&name) && !known.contains(&name.as_str()) {
                return Err(ApiError::invalid_value(format!("The filter '{name}' is invalid")));
            }
            if values.is_empty() {
                return Err(ApiError::invalid_value(format!("The filter '{name}' has no values")));
            }
            filters.push((name, values));
        }
        Ok(Self(filters))
    }

    /// Tells whether an object with these tags, and with these values for a filter's name, passes.
    pub(crate) fn matches(&self, tags: &Tags, field: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let actual = match name.as_str() {
                "tag-key" => tags.keys().cloned().collect(),
                "tag-value" => tags.values().cloned().collect(),
                name => match name.strip_prefix("tag:") {
                    Some(key) => tags.get(key).cloned().into_iter().collect(),
                    None => field(name),
                },
            };
            actual.iter().any(|actual| wanted.iter().any(|wanted| wildcard(wanted, actual)))
        })
    }
}

fn is_about_tags(name: &str) -> bool {
    name.starts_with("tag:") || matches!(name, "tag-key" | "tag-value")
}

/// Matches with `*` for any text and `?` for one character; a backslash takes the next literally.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    fn go(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|skip| go(rest, &text[skip..])),
            ['?', rest @ ..] => !text.is_empty() && go(rest, &text[1..]),
            ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
                text.first() == Some(literal) && go(rest, &text[1..])
            }
        }
    }
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    go(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::wildcard;

    #[test]
    fn wildcards_match_as_ec2_documents_them() {
        assert!(wildcard("*prod-?", "my-prod-1"));
        assert!(!wildcard("prod-?", "prod-12"));
        assert!(wildcard(r"a\*b", "a*b"));
        assert!(!wildcard(r"a\*b", "axb"));
    }
}

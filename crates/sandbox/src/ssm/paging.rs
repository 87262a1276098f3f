//! Pages of JSON answers; the tokens are checked when they come back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{call::Call, error::ApiError, page::Page};

use super::validation;

/// What a request says about the page it wants.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) size: Option<usize>,
    /// The greatest size that is accepted, and the size when none is asked for.
    pub(super) most: usize,
    pub(super) token: Option<String>,
}

/// Cuts one page out of rows that are sorted by `key`.
pub(super) fn page<T>(
    call: &Call<'_>,
    rows: Vec<T>,
    key: impl Fn(&T) -> String,
    asked: Asked,
) -> Result<Page<T>, ApiError> {
    let size = asked.size.unwrap_or(asked.most);
    if size == 0 || size > asked.most {
        let bound = if size == 0 {
            "greater than or equal to 1".to_owned()
        } else {
            format!("less than or equal to {}", asked.most)
        };
        return Err(validation(format!(
            "1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy \
             constraint: Member must have value {bound}"
        )));
    }
    let question = question(call);
    let after = match asked.token {
        None => None,
        Some(token) => Some(open(&token, &question).ok_or_else(|| {
            ApiError::new("InvalidNextToken", "The specified token is not valid.")
        })?),
    };
    let mut rows: Vec<T> = rows
        .into_iter()
        .filter(|row| after.as_ref().is_none_or(|after| key(row) > *after))
        .collect();
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|last| URL_SAFE_NO_PAD.encode(format!("{question}\n{}", key(last))));
    Ok(Page { rows, next })
}

/// An answer with a list, and the token for the rest of it.
pub(super) fn answer(list: &str, rows: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ list: rows });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}

/// A token continues exactly the question that it was given for.
fn question(call: &Call<'_>) -> String {
    let mut body = call.json.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("MaxResults");
        fields.remove("NextToken");
    }
    let digest = Sha256::digest(format!("{}\n{}\n{body}", call.operation, call.region));
    URL_SAFE_NO_PAD.encode(&digest[..12])
}

fn open(token: &str, question: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (asked, after) = text.split_once('\n')?;
    (asked == question).then(|| after.to_owned())
}

//! Pagination with tokens that say nothing to the client and are checked when they come back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{call::Call, error::ApiError, xml::Xml};

/// How one operation pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    /// The parameter that bounds a page (`MaxResults`).
    pub(crate) size: &'static str,
    /// The parameter that continues (`NextToken`).
    pub(crate) token: &'static str,
    /// The least page size that is accepted.
    pub(crate) least: usize,
    /// The greatest page size that is accepted.
    pub(crate) most: usize,
    /// The page size when the request names none.
    pub(crate) default: usize,
    /// The error code for a token that is not one of ours.
    pub(crate) bad_token: &'static str,
}

/// As most EC2 describes page.
pub(crate) const EC2: Paging = Paging {
    size: "MaxResults",
    token: "NextToken",
    least: 5,
    most: 1000,
    default: 1000,
    bad_token: "InvalidNextToken",
};

/// One page of rows.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Renders the page as EC2 does: the list, then `nextToken`.
    pub(crate) fn xml(&self, set: &str, row: impl FnMut(&T) -> Xml) -> Xml {
        Xml::new().items(set, self.rows.iter().map(row)).maybe("nextToken", self.next.as_deref())
    }
}

/// Cuts one page out of rows that are sorted by `key`.
pub(crate) fn paginate<T>(
    call: &Call<'_>,
    rows: Vec<T>,
    key: impl Fn(&T) -> &str,
    paging: Paging,
) -> Result<Page<T>, ApiError> {
    let size = call.params.number::<usize>(paging.size)?;
    if let Some(size) = size.filter(|size| *size < paging.least || *size > paging.most) {
        let range = format!("Expecting a value from {} to {}.", paging.least, paging.most);
        return Err(ApiError::invalid(paging.size, &size.to_string(), &range));
    }
    let size = size.unwrap_or(paging.default);
    let question = question(call, paging);
    let after = match call.params.optional(paging.token) {
        Some(token) => Some(open_token(&token, &question).ok_or_else(|| {
            ApiError::new(paging.bad_token, format!("The token '{token}' is not valid here"))
        })?),
        None => None,
    };
    let mut rows: Vec<T> = rows
        .into_iter()
        .filter(|row| after.as_deref().is_none_or(|after| key(row) > after))
        .collect();
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|last| URL_SAFE_NO_PAD.encode(format!("{question}\n{}", key(last))));
    Ok(Page { rows, next })
}

/// A token continues exactly the question that it was given for, as AWS requires.
fn question(call: &Call<'_>, paging: Paging) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a
    for (name, value) in call.params.entries() {
        if name != paging.size && name != paging.token {
            for byte in name.bytes().chain([0]).chain(value.bytes()).chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    format!("{}/{hash:016x}", call.operation)
}

fn open_token(token: &str, question: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (asked, after) = text.split_once('\n')?;
    (asked == question).then(|| after.to_owned())
}

//! What all EC2 describe operations have in common: ids, filters, pages.

use crate::{
    call::Call,
    error::ApiError,
    filter::Filters,
    page::{EC2, Page, Paging, paginate},
    row::Row,
};

/// Selects the rows of a kind that a describe call asks for.
///
/// `ids` is the name of the id list (`VpcId`), `filters` are the names of the filters that `field`
/// answers (those about tags are added). An unknown id is the kind's not-found error.
pub(crate) fn describe<T: Row>(
    call: &Call<'_>,
    ids: &str,
    filters: &[&str],
    field: impl Fn(&T, &str) -> Vec<String>,
) -> Result<Page<T>, ApiError> {
    describe_with(call, ids, filters, EC2, call.visible(), field)
}

/// Like [`describe`], with limits of its own and over rows that the caller gathered (sorted by id).
pub(crate) fn describe_with<T: Row>(
    call: &Call<'_>,
    ids: &str,
    filters: &[&str],
    paging: Paging,
    rows: Vec<T>,
    field: impl Fn(&T, &str) -> Vec<String>,
) -> Result<Page<T>, ApiError> {
    let wanted = call.params.list(ids);
    let filters = Filters::read(&call.params, filters)?;
    if !wanted.is_empty() && call.params.has(paging.size) {
        return Err(ApiError::combination(format!(
            "The parameter {ids} cannot be used with the parameter {}",
            paging.size
        )));
    }
    let known: std::collections::HashSet<&str> = rows.iter().map(Row::id).collect();
    for id in &wanted {
        crate::row::check_id::<T>(id)?;
        if !known.contains(id.as_str()) {
            return Err(crate::row::not_found::<T>(id));
        }
    }
    let rows = rows
        .into_iter()
        .filter(|row| wanted.is_empty() || wanted.iter().any(|id| id == row.id()))
        .filter(|row| filters.matches(&call.tags(row.id()), |name| field(row, name)))
        .collect();
    paginate(call, rows, Row::id, paging)
}

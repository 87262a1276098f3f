//! A drift report: the fields that differ, and nothing else.

use formwork_core::Drift;

use super::{
    Layout,
    entry::{self, Entry},
    text::natural,
};

/// The report as a page.
pub(crate) fn drift(drift: &[Drift], layout: &Layout) -> String {
    if drift.is_empty() {
        return "No drift.\n".to_owned();
    }
    entry::page(&entries(drift, layout), layout)
}

/// An entry per object, sorted; one for all that are alike.
pub(super) fn entries<'d>(
    drift: impl IntoIterator<Item = &'d Drift>,
    layout: &Layout,
) -> Vec<Entry> {
    let mut drift: Vec<&Drift> = drift.into_iter().collect();
    drift.sort_by_key(|drift| natural(drift.address.as_str()));
    let entries: Vec<Entry> = drift.into_iter().map(Entry::of_drift).collect();
    if layout.verbose { entries } else { entry::collapsed(entries) }
}

//! A drift report: the fields that differ, and nothing else.

use formwork_core::{Drift, FieldChange, PlanData};

use super::{
    Layout,
    entry::{self, Entry},
    text::natural,
    unmanaged::{has_strangers, unmanaged},
};

/// The report as a page: each place from all sides, and what becomes of it.
pub(crate) fn drift(plan: &PlanData, layout: &Layout) -> String {
    let unmanaged = unmanaged(plan, layout);
    if plan.drift.is_empty() {
        return if has_strangers(plan) { unmanaged } else { format!("{unmanaged}No drift.\n") };
    }
    let mut drift: Vec<&Drift> = plan.drift.iter().collect();
    drift.sort_by_key(|drift| natural(drift.address.as_str()));
    let entries: Vec<Entry> = drift.into_iter().map(Entry::of_all_sides).collect();
    let entries = if layout.verbose { entries } else { entry::collapsed(entries) };
    format!("{}{unmanaged}", entry::page(&entries, layout))
}

/// An entry per object, sorted; one for all that are alike. Fields that are `accepted` say so.
pub(super) fn entries<'d>(
    drift: impl IntoIterator<Item = &'d Drift>,
    accepted: impl Fn(&Drift, &FieldChange) -> bool,
    layout: &Layout,
) -> Vec<Entry> {
    let mut drift: Vec<&Drift> = drift.into_iter().collect();
    drift.sort_by_key(|drift| natural(drift.address.as_str()));
    let entries = drift.into_iter().map(|of| Entry::of_drift(of, |field| accepted(of, field)));
    let entries = entries.collect();
    if layout.verbose { entries } else { entry::collapsed(entries) }
}

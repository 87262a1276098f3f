//! A drift report: the fields that differ, and nothing else.

use formwork_core::{Drift, FieldChange, PlanData};

use super::{
    Layout,
    entry::{self, Entry},
    plan::puts_back,
    text::natural,
    unmanaged::{has_strangers, unmanaged},
};

/// The report as a page: what the plan puts back, and what it accepts.
pub(crate) fn drift(plan: &PlanData, layout: &Layout) -> String {
    let unmanaged = unmanaged(plan, layout);
    if plan.drift.is_empty() {
        return if has_strangers(plan) { unmanaged } else { format!("{unmanaged}No drift.\n") };
    }
    // A plan that only refreshes does not know what `up` would do about it.
    let accepted =
        |drift: &Drift, field: &FieldChange| !plan.refresh_only && !puts_back(plan, drift, field);
    format!("{}{unmanaged}", entry::page(&entries(&plan.drift, accepted, layout), layout))
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

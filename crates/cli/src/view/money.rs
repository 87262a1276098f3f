//! Where a plan goes, and what it costs there.

use super::{Layout, entry::pairs, text::folded};
use crate::{cloud::Estimate, run::Session};

/// Dollars, with cents and thousands.
pub(crate) fn money(dollars: f64) -> String {
    let text = format!("{dollars:.2}");
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("${grouped}.{cents}")
}

/// One line: which stack, and where.
pub(crate) fn heading(session: &Session, layout: &Layout) -> String {
    let words: Vec<&str> = session.cloud.target.iter().map(|(_, words)| words.as_str()).collect();
    let place = match words.is_empty() {
        true => String::new(),
        false => format!(" ({})", words.join(", ")),
    };
    let line = format!("{} on {}{place}", session.stack.name(), session.cloud_name);
    format!("{}\n", layout.paint.dim(folded(&line, 0, layout.width).trim_end_matches('\n')))
}

/// What a user must know before saying yes: account, region, dollars per hour.
pub(crate) fn target(session: &Session, estimate: Option<&Estimate>, layout: &Layout) -> String {
    let mut rows = vec![("cloud".to_owned(), session.cloud_name.clone())];
    rows.extend(session.cloud.target.iter().cloned());
    let mut page = String::from("\n");
    if let Some(estimate) = estimate {
        rows.push(("price".to_owned(), format!("about {} per hour", money(estimate.dollars()))));
        page.push_str(&pairs(&rows, 2, layout));
        let mut items = estimate.items.clone();
        items.sort_by(|a, b| (b.dollars * b.count as f64).total_cmp(&(a.dollars * a.count as f64)));
        for item in items.iter().filter(|item| item.count > 0).take(8) {
            let line = format!("{} x {} at {}", item.count, item.what, money(item.dollars));
            page.push_str(&folded(&line, 4, layout.width));
        }
        if !estimate.unpriced.is_empty() {
            let line = format!("and {}, whose price is not known", estimate.unpriced.join(", "));
            page.push_str(&folded(&line, 4, layout.width));
        }
        if !estimate.basis.is_empty() {
            page.push_str(&folded(&estimate.basis, 4, layout.width));
        }
    } else {
        page.push_str(&pairs(&rows, 2, layout));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_have_cents_and_thousands() {
        let shown = [0.0, 0.126, 98.32, 1573.12, 1_234_567.0].map(money);
        assert_eq!(shown, ["$0.00", "$0.13", "$98.32", "$1,573.12", "$1,234,567.00"]);
    }
}

//! Rows in columns; on a page too narrow for them, one under the other.

use super::{
    Layout,
    entry::pairs,
    text::{padded, plain, width},
};

/// The rows under their headings.
pub(super) fn table<const N: usize>(
    headings: [&str; N],
    rows: &[[String; N]],
    layout: &Layout,
) -> String {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| plain(cell).into_owned())).collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| width(&row[column]));
        cells.max().unwrap_or(0).max(width(headings[column]))
    };
    let widths: Vec<usize> = (0..N).map(widest).collect();
    let total = widths.iter().sum::<usize>() + 2 * N.saturating_sub(1);
    if layout.width.is_some_and(|columns| total > columns) {
        return rows.iter().map(|row| stacked(headings, row, layout)).collect();
    }
    let line = |cells: [&str; N]| {
        let cells: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, columns)| padded(cell, *columns)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut page = format!("{}\n", layout.paint.bold(&line(headings)));
    for row in &rows {
        page.push_str(&format!("{}\n", line(row.each_ref().map(String::as_str))));
    }
    page
}

fn stacked<const N: usize>(headings: [&str; N], row: &[String; N], layout: &Layout) -> String {
    let rest = headings.iter().zip(row).skip(1).filter(|(_, cell)| !cell.is_empty());
    let rest: Vec<(String, String)> =
        rest.map(|(heading, cell)| ((*heading).to_owned(), cell.clone())).collect();
    let first = row.first().map_or("", String::as_str);
    format!("{}\n{}", layout.paint.bold(first), pairs(&rest, 2, layout))
}

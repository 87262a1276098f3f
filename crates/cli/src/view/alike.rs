//! What is alike but for its numbers, shown once: `node-{0..15}` for sixteen nodes.
//!
//! Two things are alike when their texts are the same with every number taken out, and each number
//! is either the same in both or follows one in their names. So sixteen nodes with their sixteen
//! name tags are one line, and sixteen ports that are not in the names are sixteen. What is each
//! thing's own, such as its id, is not compared.

use std::collections::BTreeMap;

/// At least so many are shown as one.
const MANY: usize = 4;

/// What is shown for texts that have nothing in common.
pub(super) const VARIOUS: &str = "(various)";

/// A text, and what of it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    shown: String,
    /// Absent if it is all that is shown.
    compared: Option<String>,
}

impl Text {
    /// A text that is not compared.
    pub(super) fn own(text: impl Into<String>) -> Self {
        Self { shown: text.into(), compared: Some(String::new()) }
    }

    /// A text that is compared without the places where `own` stands in it.
    pub(super) fn without(text: impl Into<String>, own: &str) -> Self {
        let shown = text.into();
        let compared =
            (!own.is_empty() && shown.contains(own)).then(|| shown.replace(own, "\u{1}"));
        Self { shown, compared }
    }

    fn compared(&self) -> &str {
        self.compared.as_deref().unwrap_or(&self.shown)
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        Self { shown: text.into(), compared: None }
    }
}

/// Texts whose first is a name.
pub(super) type Texts = Vec<Text>;

/// A set of things that are shown as one, or one thing.
pub(super) struct Family {
    /// The places of its members in what was given, in order.
    pub(super) members: Vec<usize>,
    /// The texts of all of them, each with ranges where they differ.
    pub(super) texts: Vec<String>,
}

/// Groups `things` into families, each where its first member was. `hidden` are texts of the same
/// thing that must be alike too, and are not shown.
pub(super) fn families(things: &[Texts], hidden: &[Texts]) -> Vec<Family> {
    let mut by_shape: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    let numbers: Vec<Vec<&str>> = (0..things.len())
        .map(|at| {
            let texts = || things[at].iter().chain(hidden.get(at).into_iter().flatten());
            by_shape
                .entry(texts().map(|text| shape(text.compared())).collect())
                .or_default()
                .push(at);
            texts().flat_map(|text| digits(text.compared())).collect()
        })
        .collect();
    let mut found = Vec::new();
    for members in by_shape.into_values() {
        for members in consistent(things, &numbers, members) {
            if members.len() < MANY {
                found.extend(members.into_iter().map(|at| single(things, at)));
                continue;
            }
            let texts = (0..things[members[0]].len())
                .map(|text| {
                    let texts: Vec<&str> =
                        members.iter().map(|at| things[*at][text].shown.as_str()).collect();
                    merged(&texts)
                })
                .collect();
            found.push(Family { members, texts });
        }
    }
    found.sort_by_key(|family| family.members[0]);
    found
}

fn single(things: &[Texts], at: usize) -> Family {
    let texts = things[at].iter().map(|text| text.shown.clone()).collect();
    Family { members: vec![at], texts }
}

/// Splits members of one shape so that in each part every number is constant or follows the name.
fn consistent(things: &[Texts], numbers: &[Vec<&str>], members: Vec<usize>) -> Vec<Vec<usize>> {
    if members.len() < MANY {
        return vec![members];
    }
    let in_name = things[members[0]].first().map_or(0, |name| digits(&name.shown).count());
    let positions = numbers[members[0]].len();
    let follows = |position: usize| {
        let constant =
            members.iter().all(|at| numbers[*at][position] == numbers[members[0]][position]);
        let like =
            |name: usize| members.iter().all(|at| numbers[*at][position] == numbers[*at][name]);
        constant || (0..in_name).any(like)
    };
    let odd: Vec<usize> = (in_name..positions).filter(|position| !follows(*position)).collect();
    let mut parts: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for at in members {
        let values = odd.iter().map(|position| numbers[at][*position]).collect();
        parts.entry(values).or_default().push(at);
    }
    parts.into_values().collect()
}

/// The text with each number replaced by a mark.
fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    let mut inside = false;
    for char in text.chars() {
        if !char.is_ascii_digit() {
            shape.push(char);
        } else if !inside {
            shape.push('\u{0}');
        }
        inside = char.is_ascii_digit();
    }
    shape
}

/// The numbers in the text.
fn digits(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_ascii_digit()).filter(|number| !number.is_empty())
}

/// Texts as one.
fn merged(texts: &[&str]) -> String {
    let first = shape(texts[0]);
    match texts.iter().all(|text| shape(text) == first) {
        true => ranged(texts),
        false => VARIOUS.to_owned(),
    }
}

/// Texts of one shape as one, with ranges where their numbers differ.
fn ranged(texts: &[&str]) -> String {
    let numbers: Vec<Vec<&str>> = texts.iter().map(|text| digits(text).collect()).collect();
    let mut result = String::new();
    let mut position = 0;
    for char in shape(texts[0]).chars() {
        if char != '\u{0}' {
            result.push(char);
            continue;
        }
        let values: Vec<&str> = numbers.iter().map(|numbers| numbers[position]).collect();
        result.push_str(&range(values));
        position += 1;
    }
    result
}

/// `7`, `{0..3}` or `{0..3,7}`.
fn range(mut values: Vec<&str>) -> String {
    // By length first: without leading zeros that is by value.
    values.sort_by_key(|value| (value.len(), *value));
    values.dedup();
    if let [one] = values[..] {
        return one.to_owned();
    }
    let mut runs: Vec<(&str, &str)> = Vec::new();
    for value in values {
        let next = |last: &str| Some(last.parse::<u64>().ok()? + 1 == value.parse::<u64>().ok()?);
        match runs.last_mut() {
            Some((_, last)) if next(last) == Some(true) => *last = value,
            _ => runs.push((value, value)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_owned(),
            false => format!("{first}..{last}"),
        })
        .collect();
    format!("{{{}}}", runs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(things: &[(&str, &str)]) -> Vec<String> {
        let things: Vec<Texts> =
            things.iter().map(|(name, text)| vec![(*name).into(), (*text).into()]).collect();
        families(&things, &[]).into_iter().map(|family| family.texts.join(" ")).collect()
    }

    #[test]
    fn what_follows_the_name_is_alike_and_what_does_not_is_not() {
        let nodes: Vec<(String, String)> =
            (0..12).map(|n| (format!("node-{n}/disk"), format!("node-{n} p5.48xlarge"))).collect();
        let nodes: Vec<_> = nodes.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(shown(&nodes), ["node-{0..11}/disk node-{0..11} p5.48xlarge"]);

        let ports = [("a-1", "80"), ("a-2", "443"), ("a-3", "22"), ("a-4", "8080")];
        assert_eq!(shown(&ports).len(), 4);
    }

    #[test]
    fn the_odd_one_out_and_a_gap_are_seen() {
        let nodes =
            [("n-1", "x 5"), ("n-2", "x 5"), ("n-3", "x 6"), ("n-4", "x 5"), ("n-7", "x 5")];
        assert_eq!(shown(&nodes), ["n-{1..2,4,7} x 5", "n-3 x 6"]);
        assert_eq!(shown(&nodes[..3]).len(), 3, "three are few");
    }

    #[test]
    fn what_is_each_ones_own_is_not_compared() {
        let ids = ["i-0a1f", "i-b7", "i-77c", "i-d"];
        let things: Vec<Texts> = (0..4)
            .zip(ids)
            .map(|(n, id)| {
                let name = format!("node-{n}");
                vec![name.into(), Text::own(id), Text::without(format!("on {id}"), id)]
            })
            .collect();
        let found = families(&things, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].texts, ["node-{0..3}", VARIOUS, VARIOUS]);
    }
}

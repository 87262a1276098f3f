//! The declared graph for drawing tools. An edge points from a resource to what needs it: the
//! order in which things come to be.

use std::fmt::Write;

use formwork_core::{GraphNode, GraphView, Group};

/// The clusters, in the order plans show them: each group, the lookups, and what is decided later.
fn clusters(graph: &GraphView) -> Vec<(&'static str, Vec<(usize, &GraphNode)>)> {
    let of = |node: &GraphNode| (node.group.is_none(), node.kind == "decide", node.group);
    let mut groups: Vec<(bool, bool, Option<Group>)> = graph.nodes.iter().map(of).collect();
    groups.sort_unstable();
    groups.dedup();
    let title = |(_, decided, group): (bool, bool, Option<Group>)| match group {
        Some(group) => group.title(),
        None if decided => "decided when known",
        None => "lookups",
    };
    groups
        .into_iter()
        .map(|group| {
            let nodes = graph.nodes.iter().enumerate().filter(|(_, node)| of(node) == group);
            (title(group), nodes.collect())
        })
        .collect()
}

/// The graph for Graphviz.
pub(crate) fn dot(graph: &GraphView) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut page =
        format!("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box];\n", quoted(&graph.stack));
    for (title, nodes) in clusters(graph) {
        // Writing into a text can not fail.
        let _ = writeln!(page, "  subgraph \"cluster_{title}\" {{\n    label=\"{title}\";");
        for (at, node) in nodes {
            let label = format!("{}\\n{}", quoted(node.address.as_str()), quoted(node.kind));
            let _ = writeln!(page, "    n{at} [label=\"{label}\"];");
        }
        page.push_str("  }\n");
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(page, "  n{from} -> n{to};");
    }
    page.push_str("}\n");
    page
}

/// The graph for Mermaid.
pub(crate) fn mermaid(graph: &GraphView) -> String {
    let quoted = |text: &str| text.replace('"', "#quot;");
    let mut page = "flowchart LR\n".to_owned();
    for (title, nodes) in clusters(graph) {
        // Writing into a text can not fail.
        let _ = writeln!(page, "  subgraph {title}");
        for (at, node) in nodes {
            let label = format!("{}<br/>{}", quoted(node.address.as_str()), quoted(node.kind));
            let _ = writeln!(page, "    n{at}[\"{label}\"]");
        }
        page.push_str("  end\n");
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(page, "  n{from} --> n{to}");
    }
    page
}

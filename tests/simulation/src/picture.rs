//! A picture of a run: a page with one column for each node and time going down, with the messages between them, who
//! led, what happened to whom, and what clients heard. It needs no script and loads nothing.

use std::fmt::Write as _;

/// Something that is drawn.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A message between two nodes.
    Message {
        /// The place of the sender.
        from: usize,
        /// The place of the receiver.
        to: usize,
        /// The number of bytes.
        bytes: usize,
    },
    /// A node leads, from now on, in this term.
    Leads {
        /// The place of the node.
        node: usize,
        /// The term in which it leads.
        term: u64,
    },
    /// A node's process runs, or does not.
    Runs {
        /// The place of the node.
        node: usize,
        /// Whether it runs.
        runs: bool,
    },
    /// A fault, or its end.
    Fault(String),
    /// A request of a client and its outcome.
    Request {
        /// The node that was asked.
        node: usize,
        /// When it was asked.
        called: u64,
        /// The request and what became of it.
        what: String,
        /// Whether it was answered.
        is_answered: bool,
    },
}

/// A moment in milliseconds, and what was seen then.
pub type Moment = (u64, Seen);

/// The space for the texts of faults, and between two nodes.
const LEFT: f64 = 420.0;
const BETWEEN: f64 = 170.0;
/// Pixels of a millisecond.
const SCALE: f64 = 0.6;
const TOP: f64 = 60.0;
/// Colours of nodes that lead, run, and do not run.
const LEADS: &str = "#1a7f37";
const RUNS: &str = "#8c959f";

/// Draws what was seen from one time to another.
pub fn page(title: &str, nodes: usize, seen: &[Moment], from: u64, to: u64) -> String {
    let y = |at: u64| TOP + (at.clamp(from, to) - from) as f64 * SCALE;
    let x = |node: usize| LEFT + 60.0 + node as f64 * BETWEEN;
    let (width, height) = (x(nodes) + 420.0, y(to) + 40.0);
    let mut lines = String::new();
    let mut put = |line: String| {
        lines.push_str(&line);
        lines.push('\n');
    };
    for node in 0..nodes {
        put(format!("<text class='name' x='{}' y='{}'>node {node}</text>", x(node), TOP - 24.0));
        for (begin, end, colour, broad) in spans(node, seen, from, to) {
            put(format!(
                "<line x1='{0}' x2='{0}' y1='{1}' y2='{2}' stroke='{colour}' stroke-width='{broad}'/>",
                x(node),
                y(begin),
                y(end)
            ));
        }
    }
    for at in (from..=to).filter(|at| at.is_multiple_of(500)) {
        put(format!(
            "<text class='time' x='{}' y='{}'>{}.{:03} s</text>",
            width - 70.0,
            y(at),
            at / 1_000,
            at % 1_000
        ));
    }
    for (at, what) in seen.iter().filter(|(at, _)| (from..=to).contains(at)) {
        match what {
            Seen::Message { from, to, bytes } => put(format!(
                "<line class='message' x1='{}' x2='{}' y1='{}' y2='{}'><title>{from} to {to}, {bytes} bytes, at {at} \
                 ms</title></line>",
                x(*from),
                x(*to),
                y(at.saturating_sub(4)),
                y(*at)
            )),
            Seen::Fault(text) => put(format!(
                "<line class='fault' x1='{LEFT}' x2='{}' y1='{2}' y2='{2}'/><text class='fault' x='{1}' y='{2}'>{3}</text>",
                x(nodes.saturating_sub(1)),
                LEFT - 8.0,
                y(*at),
                escaped(text)
            )),
            Seen::Request { node, called, what, is_answered } => put(format!(
                "<line class='{0}' x1='{1}' x2='{1}' y1='{2}' y2='{3}'><title>{4}</title></line>",
                if *is_answered { "answered" } else { "unanswered" },
                x(*node) + 8.0,
                y(*called),
                y(*at),
                escaped(what)
            )),
            Seen::Leads { node, term } => put(format!(
                "<text class='term' x='{}' y='{}'>leads, term {term}</text>",
                x(*node) + 14.0,
                y(*at)
            )),
            Seen::Runs { .. } => {}
        }
    }
    format!(
        "<!doctype html><meta charset='utf-8'><title>{title}</title><style>body{{font:13px sans-serif;margin:24px}}\
         svg{{font:11px sans-serif}}.name{{font-weight:bold;text-anchor:middle}}.time{{fill:#57606a}}\
         text.fault{{text-anchor:end;fill:#a40e26}}line.fault{{stroke:#a40e26;stroke-dasharray:2 4;opacity:.5}}\
         .message{{stroke:#0969da;stroke-width:.7;opacity:.55}}.answered{{stroke:{LEADS};stroke-width:3}}\
         .unanswered{{stroke:#bf8700;stroke-width:3}}.term{{fill:{LEADS}}}</style><h1>{title}</h1><p>Time goes down. \
         A column is a node: thick and green while it leads, grey while it runs, with a gap while it does not. Blue: \
         messages. Red: what happened. Beside a node, requests of clients: green if they were answered, amber if not. \
         The pointer on any of them says more.</p><svg width='{width}' height='{height}'>{lines}</svg>",
        title = escaped(title)
    )
}

/// The times in which a node runs, each with its colour and breadth.
fn spans(node: usize, seen: &[Moment], from: u64, to: u64) -> Vec<(u64, u64, &'static str, f64)> {
    let mut spans = Vec::new();
    let (mut since, mut runs, mut leads) = (0, true, false);
    let mut end = |at: u64, since: u64, runs: bool, leads: bool| {
        if runs && at > from && since < to {
            spans.push((
                since.max(from),
                at.min(to),
                if leads { LEADS } else { RUNS },
                if leads { 5.0 } else { 2.0 },
            ));
        }
    };
    for (at, what) in seen {
        let (now_runs, now_leads) = match what {
            Seen::Runs { node: of, runs } if *of == node => (*runs, false),
            Seen::Leads { node: of, .. } => (runs, *of == node),
            _ => continue,
        };
        if (now_runs, now_leads) != (runs, leads) {
            end(*at, since, runs, leads);
            (since, runs, leads) = (*at, now_runs, now_leads);
        }
    }
    end(to, since, runs, leads);
    spans
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(300) {
        match character {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_drawn_while_it_runs_and_thicker_while_it_leads() {
        let seen = [
            (10, Seen::Leads { node: 0, term: 1 }),
            (30, Seen::Runs { node: 0, runs: false }),
            (50, Seen::Runs { node: 0, runs: true }),
        ];
        let spans: Vec<_> =
            spans(0, &seen, 0, 100).into_iter().map(|(from, to, colour, _)| (from, to, colour)).collect();
        assert_eq!(spans, [(0, 10, RUNS), (10, 30, LEADS), (50, 100, RUNS)]);
    }

    #[test]
    fn a_page_has_what_was_seen_in_its_time_and_no_markup_of_others() {
        let seen = [
            (5, Seen::Fault("too early".to_owned())),
            (20, Seen::Fault("<b>node 1 is killed</b>".to_owned())),
            (25, Seen::Message { from: 0, to: 1, bytes: 12 }),
        ];
        let page = page("Seed 7", 2, &seen, 10, 100);
        assert!(page.contains("&lt;b>node 1 is killed") && page.contains("0 to 1, 12 bytes"));
        assert!(!page.contains("too early"));
    }
}

//! Reads the lines of a history, and says what each operation means for each feature and path.

use crate::lock::{Fact, Reason, What};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The beginning of the name of a feature in answers.
const FEATURE: &str = "feature ";

/// A request of a client: all that was sent with one identity.
struct Request<'a> {
    called: u64,
    returned: Option<u64>,
    session: Option<String>,
    ask: &'a Value,
    f: &'a str,
    /// `None` if nobody knows whether it was carried out.
    is_ok: Option<bool>,
    outcome: &'a Value,
}

/// The facts of a history, by the project and the name of the feature or path.
pub fn facts(text: &str) -> Result<BTreeMap<String, Vec<Fact>>, String> {
    let mut operations = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let record: Value =
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))?;
        if let Some(operation) = record.get("operation") {
            operations.push(operation.clone());
        }
    }
    let requests = requests(&operations);
    let mut facts = BTreeMap::new();
    for project in operations.iter().map(|operation| operation["project"].as_str()).collect::<BTreeSet<_>>() {
        let of_project: Vec<&Request<'_>> = requests
            .iter()
            .filter(|(of, request)| *of == project || request.f == "end-session")
            .map(|(_, request)| request)
            .collect();
        let names: BTreeSet<String> = of_project.iter().flat_map(|request| request.names()).collect();
        for name in names {
            let found: Vec<Fact> =
                of_project.iter().flat_map(|request| about(request, &name, &of_project)).collect();
            let found = with_evidence(found);
            if !found.is_empty() {
                facts.insert(
                    format!("{}{name}", project.map_or_else(String::new, |of| format!("{of}: "))),
                    found,
                );
            }
        }
    }
    Ok(facts)
}

/// All requests, each with its project. Retries are one request, which took effect once, and whose time begins with the
/// first of them.
fn requests(operations: &[Value]) -> Vec<(Option<&str>, Request<'_>)> {
    let may_have_happened = |operation: &&Value| operation["outcome"]["type"] != "not-applied";
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for (at, operation) in operations.iter().filter(may_have_happened).enumerate() {
        let identity = operation["identity"].as_str();
        groups
            .entry(identity.map_or_else(|| format!("#{at}"), |it| format!("={it}")))
            .or_default()
            .push(operation);
    }
    let mut all = Vec::new();
    for group in groups.into_values() {
        let called = group.iter().filter_map(|it| it["called_us"].as_u64()).min().unwrap_or(0);
        let of_type = |wanted: &'static str| group.iter().filter(move |it| it["outcome"]["type"] == wanted);
        let request = |operation: &&'_ Value, is_ok: Option<bool>| {
            let returned = is_ok.and(operation["returned_us"].as_u64());
            (called, returned, is_ok)
        };
        let mut chosen: Vec<(&Value, _)> = Vec::new();
        // All answers to one request are that of its first application, so that the earliest one is enough.
        let first_ok = of_type("ok").min_by_key(|it| it["returned_us"].as_u64());
        chosen.extend(first_ok.map(|it| (*it, request(it, Some(true)))));
        chosen.extend(of_type("refused").map(|it| (*it, request(it, Some(false)))));
        if first_ok.is_none() {
            chosen.extend(of_type("unknown").take(1).map(|it| (*it, request(it, None))));
        }
        for (operation, (called, returned, is_ok)) in chosen {
            let request = Request {
                called,
                returned,
                session: operation["session"].as_str().map(str::to_owned),
                ask: &operation["ask"],
                f: operation["ask"]["f"].as_str().unwrap_or_default(),
                is_ok,
                outcome: &operation["outcome"],
            };
            all.push((operation["project"].as_str(), request));
        }
    }
    all.sort_by_key(|(_, request)| request.called);
    all
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Request<'_> {
    fn feature(&self) -> Option<String> {
        self.ask["feature"].as_str().map(str::to_owned)
    }

    /// The feature that the answer to a pick names: the first thing in it.
    fn picked(&self) -> Option<String> {
        let first = self.outcome["held"].get(0)?["name"].as_str()?;
        first.strip_prefix(FEATURE).map(str::to_owned)
    }

    fn is_pick(&self) -> bool {
        ["pick", "pick-next"].contains(&self.f)
    }

    fn is_stale_read(&self) -> bool {
        self.f == "read-holders" && self.ask["consistency"] != "linearizable"
    }

    /// The names that it asks about.
    fn asked(&self) -> Vec<String> {
        match self.f {
            "pick" | "release" | "done" | "cancel" => {
                self.feature().map(|it| format!("{FEATURE}{it}")).into_iter().collect()
            }
            "claim" | "unclaim" | "force-release" => texts(&self.ask["paths"]),
            "read-holders" => texts(&self.ask["of"]),
            _ => Vec::new(),
        }
    }

    fn held(&self) -> impl Iterator<Item = &Value> {
        self.outcome["held"].as_array().into_iter().flatten()
    }

    fn names(&self) -> Vec<String> {
        if self.is_stale_read() {
            return Vec::new();
        }
        let shown = self.held().filter(|_| self.f != "read-holders");
        let shown = shown.filter_map(|held| held["name"].as_str().map(str::to_owned));
        self.asked().into_iter().chain(shown).collect()
    }

    fn holders(&self, name: &str) -> BTreeSet<String> {
        let of_it = self.held().filter(|held| held["name"] == name);
        of_it.filter_map(|held| held["by"].as_str().map(str::to_owned)).collect()
    }

    fn own(&self, name: &str) -> Option<&Value> {
        self.held().find(|held| held["name"] == name && held["by"].as_str() == self.session.as_deref())
    }
}

/// The meaning of one request for one feature or path.
fn about(request: &Request<'_>, name: &str, all: &[&Request<'_>]) -> Vec<Fact> {
    let fact = |what| Fact { called: request.called, returned: request.returned, what };
    let may_be = |what| Fact { called: request.called, returned: None, what };
    let (session, is_asked) = (request.session.clone(), request.asked().iter().any(|asked| asked == name));
    if request.is_ok == Some(false) {
        let by = request.holders(name);
        let is_named = request.is_pick() || ["claim", "release", "done"].contains(&request.f);
        return (is_named && !by.is_empty()).then(|| fact(What::HeldBy(by))).into_iter().collect();
    }
    match request.f {
        "pick" | "pick-next" | "claim" => taken(request, name, is_asked, all).map(fact).into_iter().collect(),
        "release" | "done" | "cancel" => {
            let Some(feature) = request.feature() else { return Vec::new() };
            let by = if request.f == "cancel" { None } else { session };
            let over = |is_maybe| What::FeatureOver { by: by.clone(), feature: feature.clone(), is_maybe };
            vec![fact(over(false)), may_be(over(true))]
        }
        "unclaim" if is_asked || request.ask["paths"].is_null() => {
            session.map(|by| fact(What::ClaimsReleased { by })).into_iter().collect()
        }
        "end-session" => session.map(|by| fact(What::SessionOver { by })).into_iter().collect(),
        "force-release" if is_asked => vec![fact(What::TakenFromAll)],
        "read-holders" if is_asked && request.is_ok == Some(true) && !request.is_stale_read() => {
            vec![fact(What::HeldOnlyBy(request.holders(name)))]
        }
        _ => Vec::new(),
    }
}

/// The lock that a pick or a claim has taken, or may have.
fn taken(request: &Request<'_>, name: &str, is_asked: bool, all: &[&Request<'_>]) -> Option<What> {
    let by = request.session.clone()?;
    let (is_claim, is_feature) = (request.f == "claim", name.starts_with(FEATURE));
    let known = if request.f == "pick" { request.feature() } else { request.picked() };
    let reason = match request.feature() {
        None if is_claim => Reason::Claim,
        Some(feature) if is_claim => Reason::ClaimFor(feature),
        _ => match known.or_else(|| name.strip_prefix(FEATURE).map(str::to_owned)) {
            Some(feature) => Reason::Pick(feature),
            None => Reason::SomePick,
        },
    };
    if request.is_ok == Some(true) {
        let own = request.own(name)?;
        let is_exclusive = own["exclusive"] == true;
        return Some(What::Taken { by, reason, is_exclusive, fence: own["fence"].as_u64() });
    }
    let may_take = if is_claim || is_feature && request.f == "pick" {
        is_asked
    } else {
        // The paths of a feature are those of any pick of it that was answered.
        let feature = request.feature();
        let picks =
            || all.iter().filter(|it| it.is_pick() && it.is_ok == Some(true) && it.picked() == feature);
        is_feature
            || feature.is_none()
            || picks().next().is_none()
            || picks().any(|it| it.own(name).is_some())
    };
    // A pick takes some paths shared and others exclusively, and nobody knows which: shared explains no less.
    let is_exclusive = if is_claim { request.ask["exclusive"] == true } else { is_feature };
    may_take.then_some(What::Taken { by, reason, is_exclusive, fence: None })
}

/// Leaves out what may have happened, but explains nothing: an acquisition of a session that nobody has seen as holder
/// afterwards, and the end of what a session has never taken.
fn with_evidence(facts: Vec<Fact>) -> Vec<Fact> {
    let is_seen = |by: &String, since: u64| {
        facts.iter().any(|fact| match (&fact.what, fact.returned) {
            (What::HeldBy(sessions) | What::HeldOnlyBy(sessions), Some(at)) => {
                at >= since && sessions.contains(by)
            }
            _ => false,
        })
    };
    let kept: Vec<Fact> = facts
        .iter()
        .filter(|fact| match &fact.what {
            What::Taken { by, .. } => fact.returned.is_some() || is_seen(by, fact.called),
            _ => true,
        })
        .cloned()
        .collect();
    let takes = |test: &dyn Fn(&String, &Reason) -> bool| {
        kept.iter().any(|fact| matches!(&fact.what, What::Taken { by, reason, .. } if test(by, reason)))
    };
    let matters = |fact: &&Fact| match &fact.what {
        What::SessionOver { by } | What::ClaimsReleased { by } => takes(&|owner, _| owner == by),
        What::FeatureOver { by, feature, is_maybe } => takes(&|owner, reason| {
            let is_of = match reason {
                Reason::Claim => false,
                Reason::ClaimFor(of) | Reason::Pick(of) => of == feature && !*is_maybe,
                Reason::SomePick => *is_maybe,
            };
            is_of && by.as_ref().is_none_or(|by| by == owner)
        }),
        What::Taken { .. } | What::HeldBy(_) | What::HeldOnlyBy(_) | What::TakenFromAll => true,
    };
    kept.iter().filter(matters).cloned().collect()
}

//! `nexus cluster members`: the nodes as the cluster has recorded them.

use super::status::role;
use crate::{
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::Clock,
};
use clap::Args;
use nexus_api_types::{
    cluster::NodePlace,
    cluster_member::{ClusterMember, ClusterMembers},
};

/// Show the members as the cluster has recorded them: addresses, places, versions, and since when
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster members
  nexus cluster members --wide
  nexus cluster members --json")]
pub(crate) struct Members {
    /// Show the id of each data folder, and the member in whose place a node came, too
    #[arg(long)]
    wide: bool,
}

impl Members {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::get("/cluster/members")).await?;
        let out = context.out;
        out.answer(&answer, |found: ClusterMembers| out.table(&table(&found.members, out.clock(), self.wide)))
    }
}

fn table(members: &[ClusterMember], clock: &Clock, is_wide: bool) -> Table {
    let mut head = vec!["NODE", "ROLE", "CLIENTS", "PEERS", "PLACE", "VERSION", "ADMITTED"];
    if is_wide {
        head.extend(["IN PLACE OF", "INSTANCE"]);
    }
    let mut table = Table::new(&head);
    for member in members {
        let shown = |text: Option<String>| (text.unwrap_or_else(|| "-".to_owned()), Tone::Plain);
        let mut row = vec![
            (member.id.to_string(), Tone::Plain),
            role(member.role, member.replica),
            (member.client_addr.clone(), Tone::Plain),
            (member.peer_addr.clone(), Tone::Faint),
            shown(member.place.as_ref().and_then(place)),
            shown(member.version.clone()),
            shown(member.admitted_at.map(|at| clock.short(at))),
        ];
        if is_wide {
            row.push(shown(member.replaces.map(|former| former.to_string())));
            row.push((shown(member.instance.map(|id| id.to_string())).0, Tone::Faint));
        }
        table.row(row);
    }
    table
}

/// `eu-west/a`, or the region alone.
fn place(place: &NodePlace) -> Option<String> {
    match (&place.region, &place.zone) {
        (Some(region), Some(zone)) => Some(format!("{region}/{zone}")),
        (region, zone) => region.clone().or_else(|| zone.clone()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_records_of_members_are_listed() {
        let members: Vec<ClusterMember> = serde_json::from_value(json!([
            { "id": 1, "role": "leader", "replica": false, "peerAddr": "10.0.0.1:7501", "clientAddr": "10.0.0.1:7401",
              "instance": "0198c0de-0000-7000-8000-000000000001", "admittedAt": "2026-01-31T09:05:00Z", "lag": 0,
              "version": "0.2.0", "place": { "region": "eu-west", "zone": "a", "priority": 100 } },
            { "id": 5, "role": "learner", "replica": true, "peerAddr": "10.0.0.5:7501", "clientAddr": "10.0.0.5:7401",
              "instance": null, "admittedAt": null, "replaces": 4, "lag": null },
        ]))
        .unwrap();
        let clock = Clock::fixed("2026-01-31T14:28:00Z");
        assert_eq!(
            table(&members, &clock, false).within(100).stripped(),
            [
                "NODE  ROLE     CLIENTS        PEERS          PLACE      VERSION  ADMITTED",
                "1     leader   10.0.0.1:7401  10.0.0.1:7501  eu-west/a  0.2.0    09:05",
                "5     replica  10.0.0.5:7401  10.0.0.5:7501  -          -        -",
            ]
        );
        let wide = table(&members, &clock, true).within(200).stripped();
        assert!(wide[1].ends_with("-            0198c0de-0000-7000-8000-000000000001"), "{wide:?}");
        assert!(wide[2].ends_with("4            -"), "{wide:?}");
    }
}

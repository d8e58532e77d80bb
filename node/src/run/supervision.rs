//! Keeps the service manager of a running node informed: signs of life, what the node does, and reloads.

use super::{running::RunningNode, service_manager::ServiceManager};
use std::time::Duration;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

/// How often the status is compared with the last one that was reported.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Signs of life in the time after which the manager would kill the node.
const SIGNS_OF_LIFE: u32 = 4;

impl RunningNode {
    /// Reports to a service manager for as long as the node runs; never returns. A sign of life is sent only after the
    /// node's duties have run again, so that a runtime or a task of duties that hangs ends the process.
    pub async fn report_to(&self, manager: &ServiceManager) {
        if !manager.is_present() {
            return std::future::pending().await;
        }
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return std::future::pending().await };
        let pause = manager.watchdog().map_or(CHECK_INTERVAL, |longest| longest / SIGNS_OF_LIFE);
        let mut checks = interval(pause.min(CHECK_INTERVAL));
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = self.summary();
        manager.ready(&reported);
        let mut duties_run = self.node.duties_run();
        loop {
            tokio::select! {
                _ = checks.tick() => {}
                Some(()) = hangup.recv() => {
                    // The certificates are read by those who follow their files; settings need a restart.
                    manager.reloading();
                    manager.ready(&reported);
                }
            }
            let now = self.node.duties_run();
            if now != duties_run {
                duties_run = now;
                manager.alive();
            }
            let summary = self.summary();
            if summary != reported {
                manager.status(&summary);
                reported = summary;
            }
        }
    }

    /// A sentence that says what this node does, for `systemctl status`.
    fn summary(&self) -> String {
        let (node, addr) = (self.node.id, &self.client_addr);
        if self.node.is_removed() {
            return format!("Node {node} was removed from the cluster");
        }
        match self.node.leader_id() {
            Some(leader) if leader == node => format!("Node {node} leads, and serves clients at {addr}"),
            Some(leader) => format!("Node {node} follows node {leader}, and serves clients at {addr}"),
            None => format!("Node {node} hears no leader"),
        }
    }
}

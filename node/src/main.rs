//! nexusd: runs a node, asks one whether it is ready, lists, checks or restores backups, recovers or inspects a data
//! folder, or writes its own manual.

use anyhow::Context;
use clap::{CommandFactory, Parser};
use nexus_api::mint::SystemMint;
use nexus_api_types::Moment;
use nexus_domain::ClusterId;
use nexus_node::{
    peer::secret::ClusterSecret,
    raft::clock::SystemClock,
    restore::{
        NewCluster, from_backup,
        from_node::{self, Confirmation},
        inspection, stored,
    },
    run::{RunningNode, ServiceManager, Sources, check_certificates, check_health},
    serve::open_files,
    settings::{
        args::{
            BackupsArgs, Cli, Command, DevArgs, InspectArgs, NewClusterArgs, RecoverArgs, RestoreArgs,
            StartArgs,
        },
        config::Config,
        logging,
        values::check_addr,
    },
    traces::Traces,
};
use rustix::{fs::Mode, process::umask};
use std::{
    io::{IsTerminal as _, Write as _},
    path::Path,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

/// Each log entry allocates many small objects that other threads free, which mimalloc handles faster than the system's
/// allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let code = match run(Cli::parse()) {
        Ok(()) => 0,
        Err(error) => {
            // A standard error that nobody reads any more must not change the exit code.
            let _ = writeln!(std::io::stderr(), "Error: {error:#}");
            1
        }
    };
    // By `_exit`: a failed node has threads that still write or hang in a write, and RocksDB's static destructors abort
    // when they meet such threads.
    let _ = std::io::stdout().flush();
    signal_hook::low_level::exit(code)
}

fn run(cli: Cli) -> anyhow::Result<()> {
    check_processor()?;
    let (config, temporary) = match cli.command {
        Command::Start(args) => start(*args)?,
        Command::Dev(args) => dev(args)?,
        Command::NewSecret => {
            println!("{}", ClusterSecret::fresh(&SystemMint).as_str());
            return Ok(());
        }
        Command::CheckBackup(args) => return check_backup(&args.file),
        Command::Backups(args) => return backups(&args),
        Command::Health(args) => return health(&args.addr, args.ca.as_deref()),
        Command::Restore(args) => return restore(args),
        Command::Recover(args) => return recover(args),
        Command::Inspect(args) => return inspect(&args),
        Command::Man(args) => return man(&args.folder),
        Command::Completions(args) => {
            clap_complete::generate(args.shell, &mut Cli::command(), "nexusd", &mut std::io::stdout());
            return Ok(());
        }
    };
    let Some(mut config) = config else { return Ok(()) };
    install_cryptography();
    keep_files_from_others();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let client_addr = config.advertise.as_ref().unwrap_or(&config.listen);
    let traces =
        config.traces.as_ref().map(|settings| Traces::start(settings, client_addr, runtime.handle()));
    let traces = traces.transpose()?;
    logging::start(&config.log, traces.as_ref())?;
    config.max_connections = open_files::connections_within(open_files::raise(), config.max_connections);
    let result = runtime.block_on(serve(config));
    if let Some(traces) = traces {
        traces.stop();
    }
    // A disk that hangs must not keep a node from ending.
    runtime.shutdown_background();
    if let Some(folder) = temporary {
        remove(&folder);
    }
    result
}

/// Installs the cryptography of TLS for the whole process. Clients of plain HTTP need it, too.
fn install_cryptography() {
    // An error says only that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Lets no other user read what this process makes: backups too have everybody's work and the hashes of their keys. The
/// operator's own mask says what their group may.
fn keep_files_from_others() {
    let others = Mode::RWXO;
    let given = umask(others);
    umask(given | others);
}

/// `deploy/rocksdb` compiles RocksDB's checksums for these instructions, which every x86-64 processor since 2011
/// has. Without them a node would end by SIGILL at its first write.
fn check_processor() -> anyhow::Result<()> {
    #[cfg(target_arch = "x86_64")]
    anyhow::ensure!(
        is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("pclmulqdq"),
        "this processor lacks SSE4.2 or PCLMULQDQ. In a virtual machine, choose a newer processor model \
         (x86-64-v2 or host)"
    );
    Ok(())
}

/// Removes the temporary data folder of `nexusd dev`. Threads may still be making files in it, so that takes some
/// attempts.
fn remove(folder: &Path) {
    for _ in 0..50 {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => return,
        }
    }
}

type StartOptions = (Option<Config>, Option<std::path::PathBuf>);

fn start(args: StartArgs) -> anyhow::Result<StartOptions> {
    let only_check = args.check_config;
    let config = Config::from_args(args)?;
    if only_check {
        if let Some(name) = check_certificates(&config)? {
            println!("The certificate names {name}.");
        }
        println!("The settings are fine.");
        return Ok((None, None));
    }
    Ok((Some(config), None))
}

fn dev(args: DevArgs) -> anyhow::Result<StartOptions> {
    let (folder, temporary) = match args.data_dir {
        Some(folder) => (folder, None),
        None => {
            let folder = std::env::temp_dir().join(format!("nexus-dev-{}", std::process::id()));
            (folder.clone(), Some(folder))
        }
    };
    let config = Config { log: args.log, ..Config::alone(folder, args.listen) };
    Ok((Some(config), temporary))
}

fn check_backup(file: &Path) -> anyhow::Result<()> {
    let found = nexus_raft_store::check_backup(file)
        .with_context(|| format!("{} cannot be relied on", file.display()))?;
    let cluster = found.cluster.map_or_else(|| "not formed yet".to_owned(), |id| id.to_string());
    println!("Cluster    {cluster}");
    println!("Revision   {}", found.revision);
    println!("Of         {}", Moment(found.at));
    println!("Rows       {}", found.rows);
    println!("Documents  {}", found.documents);
    println!("Events     {}", found.events);
    println!("Bytes      {}", found.bytes);
    println!("State hash {:016x}", found.hash);
    println!("The checksum holds, and every record can be read.");
    Ok(())
}

fn health(addr: &str, ca: Option<&Path>) -> anyhow::Result<()> {
    let ready = at_once(check_health(addr, ca))?;
    println!("{ready}");
    Ok(())
}

fn restore(args: RestoreArgs) -> anyhow::Result<()> {
    let RestoreArgs { from, data_dir, new_cluster_id, new, dry_run } = args;
    let new = new_cluster(new, new_cluster_id)?;
    let backup = at_once(stored::find(&from, &data_dir))?;
    from_backup::run(backup.path(), &data_dir, &new, dry_run, (&SystemClock, &SystemMint))
}

fn backups(args: &BackupsArgs) -> anyhow::Result<()> {
    at_once(stored::list(&args.from, args.json))
}

/// Runs a task that talks to others, without a node.
fn at_once<T>(task: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    install_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(task)
}

fn recover(args: RecoverArgs) -> anyhow::Result<()> {
    let RecoverArgs { data_dir, as_single: _, cluster_id, new_cluster_id, accept_quarantined, new } = args;
    let new = new_cluster(new, new_cluster_id)?;
    let confirmation = Confirmation { cluster: cluster_id, accepts_quarantined: accept_quarantined };
    from_node::run(&data_dir, &new, &confirmation, (&SystemClock, &SystemMint))
}

fn new_cluster(args: NewClusterArgs, cluster: Option<Uuid>) -> anyhow::Result<NewCluster> {
    let NewClusterArgs { above, peer_advertise, advertise } = args;
    check_addr("--peer-advertise", &peer_advertise)?;
    check_addr("--advertise", &advertise)?;
    let cluster = cluster.map(ClusterId);
    Ok(NewCluster { cluster, above, peer_addr: peer_advertise, client_addr: advertise })
}

fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let is_in_order = inspection::run(&args.data_dir, args.json)?;
    anyhow::ensure!(is_in_order, "{} is not in order", args.data_dir.display());
    Ok(())
}

fn man(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    println!("Written to {}", folder.display());
    Ok(())
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let manager = ServiceManager::of_environment();
    manager.status("Opening the data folder, and waiting for other nodes where that is needed");
    let sources = Sources::default();
    // A terminal that is closed ends what runs in it; a service is asked to read its files again.
    if !std::io::stdin().is_terminal() {
        let mut hangup = signal(SignalKind::hangup())?;
        let reload = sources.reload.clone();
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                reload.notify_one();
            }
        });
    }
    let node = tokio::select! {
        node = RunningNode::start(config, sources) => node?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let failure = tokio::select! {
        failure = node.failed() => Some(failure),
        () = node.report_to(&manager) => None,
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    manager.stopping();
    match failure {
        // No orderly stop: nothing that is still in memory may be trusted or written.
        Some(failure) => anyhow::bail!("this node cannot go on: {failure}"),
        None => {
            tracing::info!("stopping");
            tokio::select! {
                in_order = node.stop() => {
                    anyhow::ensure!(in_order, "this node could not be stopped in order in time; it ends as in a crash");
                    Ok(())
                }
                _ = terminate.recv() => anyhow::bail!("a second signal to stop: it ends at once"),
                _ = interrupt.recv() => anyhow::bail!("a second signal to stop: it ends at once"),
            }
        }
    }
}

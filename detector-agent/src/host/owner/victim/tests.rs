use super::VictimReader;
use detector_api::recorded::{KillScope, OomKill};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tempfile::TempDir;

const LIMIT: u64 = 64 << 20;

/// A host with both hierarchies, and a process 870 in `/system.slice/httpd.service` of the unified
/// one.
fn host(available_kib: u64) -> TempDir {
    let host = tempfile::tempdir().unwrap();
    let at = |name: &str| host.path().join(name);
    fs::create_dir_all(at("self")).unwrap();
    fs::create_dir_all(at("870")).unwrap();
    let mounts = format!(
        "36 31 0:35 / {0}/older rw - cgroup cgroup rw,memory\n\
         37 31 0:36 / {0}/other rw - cgroup cgroup rw,cpu\n\
         41 31 0:38 / {0}/unified rw - cgroup2 cgroup2 rw\n",
        host.path().display()
    );
    fs::create_dir_all(at("older")).unwrap();
    fs::create_dir_all(at("unified")).unwrap();
    fs::write(at("self/mountinfo"), mounts).unwrap();
    fs::write(at("870/cgroup"), "0::/system.slice/httpd.service\n").unwrap();
    let stat = "870 (httpd) R 1 870 870 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 905678 1 2\n";
    fs::write(at("870/stat"), stat).unwrap();
    let meminfo = format!("MemTotal: 1000000 kB\nMemAvailable: {available_kib} kB\n");
    fs::write(at("meminfo"), meminfo).unwrap();
    fs::write(at("vmstat"), "nr_free_pages 1\noom_kill 7\n").unwrap();
    host
}

fn group(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn unified(host: &TempDir, times_short: u64, used: u64) {
    let slice = host.path().join("unified/system.slice");
    group(&slice, &[("memory.max", "max\n")]);
    let (limit, used) = (format!("{LIMIT}\n"), format!("{used}\n"));
    let events = format!("max 9\noom {times_short}\noom_kill {times_short}\n");
    let files = [
        ("memory.max", limit.as_str()),
        ("memory.current", used.as_str()),
        ("memory.stat", "anon 4096\nsock 4200000\n"),
        ("memory.events.local", events.as_str()),
    ];
    group(&slice.join("httpd.service"), &files);
}

fn look(host: &TempDir) -> OomKill {
    VictimReader::open(host.path()).unwrap().look(870)
}

fn of_httpd() -> OomKill {
    OomKill {
        name: Some("httpd".to_owned()),
        unit: Some("httpd.service".to_owned()),
        cgroup: Some("/system.slice/httpd.service".to_owned()),
        ..OomKill::default()
    }
}

#[test]
fn whose_memory_was_short_is_told_by_the_groups_and_the_host() {
    let (short, well) = (1_000, 500_000);
    let cases = [
        // The group is full; it has given back already, and the host was not short.
        (1, LIMIT, short, KillScope::ControlGroup),
        (1, LIMIT / 2, well, KillScope::ControlGroup),
        (1, LIMIT / 2, short, KillScope::Unknown),
        (0, LIMIT, short, KillScope::Host),
    ];
    for (times_short, used, available, scope) in cases {
        let host = host(available);
        unified(&host, times_short, used);
        let expected = OomKill {
            scope,
            socket_bytes: Some(4_200_000),
            limit_bytes: (times_short > 0).then_some(LIMIT),
            ..of_httpd()
        };
        assert_eq!(look(&host), expected, "{scope:?}");
    }
}

#[test]
fn the_older_hierarchy_counts_where_it_has_the_memory() {
    let host = host(500_000);
    let groups = "4:memory:/docker/abc\n1:cpu:/x\n0::/system.slice/httpd.service\n";
    fs::write(host.path().join("870/cgroup"), groups).unwrap();
    let limit = format!("{LIMIT}\n");
    group(
        &host.path().join("older/docker"),
        &[("memory.limit_in_bytes", "9223372036854771712\n")],
    );
    let files = [
        ("memory.limit_in_bytes", limit.as_str()),
        ("memory.usage_in_bytes", "4096\n"),
        ("memory.kmem.tcp.usage_in_bytes", "8192\n"),
        ("memory.max_usage_in_bytes", limit.as_str()),
    ];
    group(&host.path().join("older/docker/abc"), &files);
    let expected = OomKill {
        cgroup: Some("/docker/abc".to_owned()),
        scope: KillScope::ControlGroup,
        socket_bytes: Some(8_192),
        limit_bytes: Some(LIMIT),
        ..of_httpd()
    };
    assert_eq!(look(&host), expected);
}

/// As a container sees it that has a control-group namespace of its own, `/kubepods/web`.
#[test]
fn a_victim_is_placed_from_a_namespace_of_control_groups_of_its_own() {
    let host = host(500_000);
    unified(&host, 1, LIMIT);
    let groups = host.path().join("unified");
    let (own, beside) = (groups.join("kubepods/web"), groups.join("kubepods/db"));
    group(&own, &[("cgroup.events", "populated 1\n")]);
    let of_db = [("memory.max", "4096\n"), ("memory.current", "4096\n")];
    group(&beside, &of_db);
    group(&beside, &[("memory.events", "oom 1\n")]);
    let see = |mounts: &[(&str, &Path)], path: &str| {
        let line = |(root, at): &(&str, &Path)| {
            format!(
                "41 31 0:38 {root} {} rw - cgroup2 cgroup2 rw\n",
                at.display()
            )
        };
        let mounts: String = mounts.iter().map(line).collect();
        fs::write(host.path().join("self/mountinfo"), mounts).unwrap();
        fs::write(host.path().join("870/cgroup"), format!("0::{path}\n")).unwrap();
        look(&host)
    };
    let (of_own, above) = (("/", own.as_path()), ("/../..", groups.as_path()));
    let httpd = "/../../system.slice/httpd.service";
    let expected = OomKill {
        scope: KillScope::ControlGroup,
        socket_bytes: Some(4_200_000),
        limit_bytes: Some(LIMIT),
        ..of_httpd()
    };
    assert_eq!(see(&[of_own, above], httpd), expected);
    assert_eq!(see(&[above], httpd), expected);
    let db = see(&[of_own, above], "/../db");
    let told = (db.cgroup.as_deref(), db.limit_bytes);
    assert_eq!(told, (Some("/kubepods/db"), Some(4_096)));
    // Where the host's is not mounted no path is made up: the number is tried, and found nowhere.
    for path in [httpd, "/../db"] {
        let unplaced = see(&[of_own], path);
        let told = (unplaced.cgroup, unplaced.limit_bytes, unplaced.scope);
        assert_eq!(told, (None, None, KillScope::Unknown), "{path}");
    }
}

#[test]
fn a_victim_that_is_gone_is_known_by_the_number_of_its_group() {
    let host = host(500_000);
    unified(&host, 1, LIMIT / 2);
    let number = fs::metadata(host.path().join("unified/system.slice/httpd.service"))
        .unwrap()
        .ino();
    fs::remove_dir_all(host.path().join("870")).unwrap();
    let look_into = || VictimReader::open(host.path()).unwrap().look_into(number);
    let of_unit = OomKill {
        unit: of_httpd().unit,
        ..OomKill::default()
    };
    // The older hierarchy has the memory.
    assert_eq!(look_into(), of_unit);
    let mounts = host.path().join("self/mountinfo");
    let text = fs::read_to_string(&mounts).unwrap();
    fs::write(&mounts, text.lines().last().unwrap()).unwrap();
    let expected = OomKill {
        scope: KillScope::ControlGroup,
        socket_bytes: Some(4_200_000),
        limit_bytes: Some(LIMIT),
        cgroup: of_httpd().cgroup,
        ..of_unit
    };
    assert_eq!(look_into(), expected);
    // Of the next victim it is known already, and not when it is gone.
    let mut reader = VictimReader::open(host.path()).unwrap();
    for _ in 0..2 {
        assert_eq!(reader.look_into(number), expected);
    }
    assert_eq!(reader.looked_for.len(), 1);
    fs::remove_dir_all(host.path().join("unified/system.slice")).unwrap();
    assert_eq!(reader.look_into(number), OomKill::default());
    assert_eq!(look_into(), OomKill::default());
}

#[test]
fn what_is_gone_or_hostile_is_left_out() {
    let host = host(500_000);
    assert_eq!(look(&host), of_httpd());
    let reader = VictimReader::open(host.path()).unwrap();
    assert_eq!(reader.look(871), OomKill::default());
    assert_eq!(reader.count(), Some(7));
    fs::write(host.path().join("870/cgroup"), b"0::/\x1b[2J/../..\xff\n").unwrap();
    let hostile = look(&host);
    assert_eq!(
        (hostile.scope, hostile.limit_bytes),
        (KillScope::Unknown, None)
    );
    assert!(!hostile.cgroup.unwrap().contains('\u{1b}'));
    let in_root = "4:memory:/\n0::/\n";
    fs::write(host.path().join("870/cgroup"), in_root).unwrap();
    for (statm, cgroup) in [("0 0 0 0 0 0 0\n", None), ("9 9 9 9 0 9 0\n", Some("/"))] {
        fs::write(host.path().join("870/statm"), statm).unwrap();
        assert_eq!(look(&host).cgroup.as_deref(), cgroup);
    }
    fs::remove_dir_all(host.path().join("870")).unwrap();
    assert_eq!(look(&host), OomKill::default());
}

//! Paths as real hosts have them.

use super::Placement;

const ID: &str = "3f2ab9c07d5e4f10a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718";

fn name(text: &str) -> Option<String> {
    Placement::parse(text.replace("{ID}", ID).as_bytes()).name()
}

#[track_caller]
fn assert_name(text: &str, expected: &str) {
    assert_eq!(name(text).as_deref(), Some(expected), "{text}");
}

#[test]
fn services_of_systemd() {
    assert_name("0::/system.slice/nginx.service\n", "nginx.service");
    assert_name(
        "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
        "postgresql@15-main.service",
    );
    assert_name(
        "0::/system.slice/php8.2-fpm.service/pool/www\n",
        "php8.2-fpm.service",
    );
    assert_name(
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n",
        "user@1000.service/web.service",
    );
    assert_name(
        "0::/system.slice/apache2.service (deleted)\n",
        "apache2.service",
    );
    assert_name("0::/../nginx.service\n", "nginx.service");
}

/// A user may call a unit or a group of his what he likes.
#[test]
fn what_a_user_names_is_nobody_elses_unit_or_container() {
    let manager = "user.slice/user-1000.slice/user@1000.service";
    for (below, name) in [
        ("app.slice/nginx.service", "user@1000.service/nginx.service"),
        (
            "user@0.service/nginx.service",
            "user@1000.service/nginx.service",
        ),
        ("docker-{ID}.scope", "user@1000.service/docker:3f2ab9c07d5e"),
        (
            "app.slice/docker-{ID}.scope/nginx.service",
            "user@1000.service/docker:3f2ab9c07d5e/nginx.service",
        ),
    ] {
        assert_name(&format!("0::/{manager}/{below}\n"), name);
    }
    assert_name(
        &format!("0::/docker/{{ID}}/{manager}/app.slice/nginx.service\n"),
        "docker:3f2ab9c07d5e/user@1000.service/nginx.service",
    );
    assert_name(&format!("0::/{manager}\n"), "user@1000.service");
    assert_name(
        &format!("0::/{manager}/init.scope\n"),
        "user@1000.service/init.scope",
    );
}

/// So may whoever runs as a service to which its control group is delegated.
#[test]
fn what_a_service_names_below_it_is_nobody_elses_unit_or_container() {
    let pod = "2f1c3d4e-5a6b-7c8d-9e0f-a1b2c3d4e5f6";
    for (below, expected) in [
        ("sshd.service", "runner.service/sshd.service"),
        ("a.service/sshd.service", "runner.service/sshd.service"),
        ("user@0.service", "runner.service/user@0.service"),
        ("docker-{ID}.scope", "runner.service/docker:3f2ab9c07d5e"),
        (
            "docker.service/docker-{ID}.scope",
            "runner.service/docker:3f2ab9c07d5e",
        ),
        (
            "docker-{ID}.scope/a.service/sshd.service",
            "runner.service/docker:3f2ab9c07d5e/a.service/sshd.service",
        ),
        (
            &format!("pod{pod}/sshd.service"),
            "runner.service/sshd.service",
        ),
        (&format!("pod{pod}"), "runner.service"),
        (
            &format!("pod{pod}/{{ID}}"),
            &format!("runner.service/pod:{pod}/container:3f2ab9c07d5e"),
        ),
    ] {
        let text = format!("0::/system.slice/runner.service/{below}\n");
        assert_name(&text, expected);
        assert!(Placement::parse(text.as_bytes()).is_service(), "{below}");
    }
    // Whose it is comes first, and is kept whatever follows.
    let part = format!("{}.service", "\u{ff}".repeat(120));
    let ids = format!("/{{ID}}/{part}").repeat(4);
    let long = name(&format!("0::/system.slice/runner.service{ids}\n")).unwrap();
    assert!(long.starts_with("runner.service/container:3f2ab9c07d5e/"));
    assert!(long.len() <= 512, "{}", long.len());
    // What Docker has below its service it has made itself.
    assert_name(
        "0::/system.slice/docker.service/docker/{ID}\n",
        "docker:3f2ab9c07d5e",
    );
}

/// So may root in a container whose groups he may make.
#[test]
fn what_a_container_names_is_no_other_container() {
    const OTHER: &str = "9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b";
    let pod = "2f1c3d4e-5a6b-7c8d-9e0f-a1b2c3d4e5f6";
    let manager = "user.slice/user-1000.slice/user@1000.service";
    for (path, id, expected) in [
        (
            "/lxc.payload.c1/docker-{ID}.scope".to_owned(),
            None,
            "lxc:c1/docker:3f2ab9c07d5e",
        ),
        (
            format!("/docker/{OTHER}/docker-{{ID}}.scope/nginx.service"),
            Some(OTHER),
            "docker:9a8b7c6d5e4f/docker:3f2ab9c07d5e/nginx.service",
        ),
        (
            format!("/docker/{OTHER}/kubepods/besteffort/pod{pod}/{{ID}}"),
            Some(OTHER),
            "docker:9a8b7c6d5e4f/container:3f2ab9c07d5e",
        ),
        (
            format!("/kubepods/besteffort/pod{pod}/{OTHER}/{{ID}}"),
            Some(OTHER),
            "pod:2f1c3d4e-5a6b-7c8d-9e0f-a1b2c3d4e5f6/container:9a8b7c6d5e4f/container:3f2ab9c07d5e",
        ),
        (
            format!("/lxc.payload.c1/{manager}/docker-{{ID}}.scope/nginx.service"),
            None,
            "lxc:c1/user@1000.service/docker:3f2ab9c07d5e/nginx.service",
        ),
        (
            "/lxc.payload.c1/lxc/a/lxc/b/{ID}".to_owned(),
            None,
            "lxc:c1/lxc:a/lxc:b/container:3f2ab9c07d5e",
        ),
        (
            "/lxc.payload.c1/lxc/a/lxc/b/lxc/c/lxc/d/lxc/e/nginx.service".to_owned(),
            None,
            "lxc:c1/lxc:a/lxc:b/lxc:c/lxc:d",
        ),
    ] {
        let text = format!("0::{path}\n");
        assert_name(&text, expected);
        let placement = Placement::parse(text.replace("{ID}", ID).as_bytes());
        assert_eq!(placement.id.as_deref(), id, "{text}");
    }
}

#[test]
fn hierarchies_of_the_first_version() {
    let text = "12:pids:/system.slice/apache2.service\n\
                11:cpu,cpuacct:/system.slice\n\
                1:name=systemd:/system.slice/apache2.service\n\
                0::/system.slice/apache2.service\n";
    assert_name(text, "apache2.service");
    let only_controllers = "4:memory:/docker/{ID}\n1:name=systemd:/\n0::/\n";
    assert_name(only_controllers, "docker:3f2ab9c07d5e");
    // A controller may be grouped by something else than systemd's tree.
    let other = "9:devices:/vendor.service\n1:name=systemd:/system.slice/nginx.service\n";
    assert_name(other, "nginx.service");
}

#[test]
fn docker_and_podman() {
    assert_name(
        "0::/system.slice/docker-{ID}.scope\n",
        "docker:3f2ab9c07d5e",
    );
    assert_name("0::/docker/{ID}\n", "docker:3f2ab9c07d5e");
    assert_name(
        "0::/docker/{ID}/system.slice/nginx.service\n",
        "docker:3f2ab9c07d5e/nginx.service",
    );
    assert_name(
        "0::/machine.slice/libpod-{ID}.scope/container\n",
        "podman:3f2ab9c07d5e",
    );
    assert_name(
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container\n",
        "user@1000.service/podman:3f2ab9c07d5e",
    );
    assert_name("0::/libpod_parent/libpod-{ID}\n", "podman:3f2ab9c07d5e");
    let monitor = name("0::/machine.slice/libpod-conmon-{ID}.scope\n");
    assert!(monitor.is_some_and(|monitor| monitor.starts_with("libpod-conmon-")));
    assert_name("0::/ecs/1234/{ID}\n", "container:3f2ab9c07d5e");
}

#[test]
fn kubernetes() {
    let pod = "2f1c3d4e-5a6b-7c8d-9e0f-a1b2c3d4e5f6";
    let slice = "2f1c3d4e_5a6b_7c8d_9e0f_a1b2c3d4e5f6";
    for (path, runtime) in [
        (
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-{{ID}}.scope"
            ),
            "containerd",
        ),
        (
            format!("/kubepods.slice/kubepods-pod{slice}.slice/crio-{{ID}}.scope"),
            "cri-o",
        ),
        (format!("/kubepods/besteffort/pod{pod}/{{ID}}"), "container"),
        (
            format!(
                "/system.slice/containerd.service/kubepods-burstable-pod{slice}.slice:cri-containerd:{{ID}}"
            ),
            "containerd",
        ),
        (
            format!(
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{slice}.slice/cri-containerd-{{ID}}.scope"
            ),
            "containerd",
        ),
    ] {
        assert_name(
            &format!("0::{path}\n"),
            &format!("pod:{pod}/{runtime}:3f2ab9c07d5e"),
        );
    }
}

#[test]
fn containers_of_containerd_without_a_pod() {
    assert_name("0::/k8s.io/{ID}\n", "containerd:3f2ab9c07d5e");
    let text = format!("0::/k8s.io/{ID}\n");
    let placement = Placement::parse(text.as_bytes());
    assert_eq!(placement.id.as_deref(), Some(ID));
}

#[test]
fn other_containers() {
    assert_name(
        "0::/lxc.payload.web1/system.slice/nginx.service\n",
        "lxc:web1/nginx.service",
    );
    assert_name("1:name=systemd:/lxc/web1\n", "lxc:web1");
    assert_name(
        "0::/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service\n",
        "nspawn:web/nginx.service",
    );
    assert_name(
        "0::/machine.slice/machine-qemu\\x2d1.scope/libvirt\n",
        "machine:qemu\\x2d1",
    );
}

#[test]
fn no_place() {
    for text in [
        "",
        "0::/\n",
        "\n\n",
        "0:\n",
        "garbage",
        "1:name=systemd:/\n4:memory:/a/b\n",
    ] {
        assert_eq!(name(text), None, "{text:?}");
    }
    assert_eq!(name("0::/.service\n"), None);
}

#[test]
fn a_login_session_is_no_service() {
    let placement = |text: &str| Placement::parse(text.as_bytes());
    assert!(!placement("0::/user.slice/user-0.slice/session-3.scope\n").is_service());
    assert!(!placement("0::/init.scope\n").is_service());
    let below = "0::/user.slice/user-0.slice/session-3.scope/nginx.service\n";
    assert!(!placement(below).is_service());
    let manager = "0::/user.slice/user-0.slice/user@0.service";
    assert!(!placement(&format!("{manager}/init.scope\n")).is_service());
    assert!(placement(&format!("{manager}/app.slice/web.service\n")).is_service());
    assert!(!placement("0::/\n").is_service());
    assert!(placement("0::/system.slice/nginx.service\n").is_service());
}

#[test]
fn names_are_harmless_and_bounded() {
    let hostile = b"0::/system.slice/\x1b[2J\xe2\x80\xae\xff.service\n";
    let name = Placement::parse(hostile).name().unwrap();
    assert!(!name.contains(['\u{1b}', '\u{202e}']), "{name:?}");
    assert!(name.ends_with(".service"));
    let long = format!("0::/{}.service\n", "x".repeat(4_000));
    assert!(Placement::parse(long.as_bytes()).name().unwrap().len() <= 128);
}

"""Renders the chart with Helm's own engine and holds it and the base against the published schemas.

Called by `cargo xtask packaging --kubernetes` with the folder of the packages it imports in PYTHONPATH.
"""

import json
import pathlib
import sys
import tomllib

import kubernetes_validate
import yaml
from helm_python import chart

HERE = pathlib.Path(__file__).parent
# The custom resources of the Prometheus operator have no schema among the published ones.
FOREIGN = {"PodMonitor", "PrometheusRule"}
# Those of docs/privileges.md.
CAPABILITIES = ["BPF", "PERFMON", "SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYS_NICE"]


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def check(origin, text, version):
    for document in documents(text):
        kind = document["kind"]
        if kind not in FOREIGN and kind != "Kustomization":
            kubernetes_validate.validate(document, version, strict=True)
        print(f"{origin}: {kind} fits Kubernetes {version}")


def asks_the_cluster_nothing(texts):
    """No role and no token."""
    found = [document for text in texts for document in documents(text)]
    kinds = {document["kind"] for document in found}
    assert not any("Role" in kind for kind in kinds), kinds
    assert {"DaemonSet", "ServiceAccount"} <= kinds, kinds
    for document in found:
        if document["kind"] == "ServiceAccount":
            assert document["automountServiceAccountToken"] is False
        if document["kind"] == "DaemonSet":
            assert document["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def is_unprivileged(text):
    """No container is privileged, and each names its capabilities."""
    found = [document for document in documents(text) if document["kind"] == "DaemonSet"]
    for document in found:
        for container in document["spec"]["template"]["spec"]["containers"]:
            context = container["securityContext"]
            assert context["privileged"] is False, "a container is privileged"
            assert context["capabilities"]["drop"] == ["ALL"], "not all capabilities are dropped"
            assert context["capabilities"]["add"] == CAPABILITIES, context["capabilities"]["add"]
    return bool(found)


def sees_control_groups(text):
    """Beside its own a container is given those of the host, to be read."""
    (found,) = [document for document in documents(text) if document["kind"] == "DaemonSet"]
    pod = found["spec"]["template"]["spec"]
    of_host = {volume["name"] for volume in pod["volumes"] if volume.get("hostPath", {}).get("path") == "/sys/fs/cgroup"}
    mounts = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] in of_host]
    return bool(mounts) and all(mount["readOnly"] and mount["mountPath"] != "/sys/fs/cgroup" for mount in mounts)


def follows_its_settings(kustomization, daemon_set):
    """The ConfigMap that the pods mount is a generated one: its name changes with what is in it."""
    (made,) = kustomization["configMapGenerator"]
    assert "options" not in made and "generatorOptions" not in kustomization, "its name would stay"
    volumes = daemon_set["spec"]["template"]["spec"]["volumes"]
    assert [made["name"]] == [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
    (file,) = made["files"]
    assert f"/etc/detector/{file}" in daemon_set["spec"]["template"]["spec"]["containers"][0]["args"]
    tomllib.loads((HERE / "base" / file).read_text())


def brings_rules_and_dashboards(manifests):
    """Each rule, alert and dashboard that is shipped, under the labels that were asked for."""
    found = [document for name, text in manifests.items() if name.endswith(".yaml") for document in documents(text)]
    rules = [document for document in found if document["kind"] == "PrometheusRule"]
    for document in rules + [document for document in found if document["kind"] == "PodMonitor"]:
        assert document["metadata"]["labels"]["release"] == "stack", document["metadata"]
    groups = [group for document in rules for group in document["spec"]["groups"]]
    shipped = [yaml.safe_load((HERE.parent / "prometheus" / f"detector-{part}.yml").read_text())["groups"] for part in ("rules", "alerts")]
    assert groups == sum(shipped, []), "the chart's rules are others"
    labelled = [document for document in found if "grafana_dashboard" in document["metadata"].get("labels", {})]
    brought = {name: text for document in labelled for name, text in document["data"].items()}
    dashboards = {file.name: json.loads(file.read_text()) for file in (HERE.parent / "grafana").glob("*.json")}
    assert {name: json.loads(text) for name, text in brought.items()} == dashboards, brought.keys()


def has_host_pid(text):
    (found,) = [document for document in documents(text) if document["kind"] == "DaemonSet"]
    return found["spec"]["template"]["spec"]["hostPID"]


def main():
    base = sorted((HERE / "base").glob("*.yaml"))
    kustomization = yaml.safe_load((HERE / "base/kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == [file.name for file in base if file.name != "kustomization.yaml"]
    for file in base:
        for version in ("1.30", "1.37"):
            check(file.name, file.read_text(), version)
    asks_the_cluster_nothing(file.read_text() for file in base)
    of_base = (HERE / "base/daemonset.yaml").read_text()
    assert is_unprivileged(of_base) and sees_control_groups(of_base)
    follows_its_settings(kustomization, yaml.safe_load(of_base))

    with chart.Chart.load(HERE / "chart") as loaded:
        by_operator = {"enabled": True, "labels": {"release": "stack"}}
        more = {"podMonitor": by_operator, "prometheusRule": by_operator, "dashboards": {"enabled": True}, "port": 9999, "listenAddress": "[::]", "nodeSelector": {"web": "yes"}, "hostPID": False}
        for values in ({}, more):
            manifests = loaded.render(values, name="peers", namespace="web")
            for name, text in manifests.items():
                for version in ("1.30", "1.37"):
                    if name.endswith(".yaml"):
                        check(name, text, version)
            asks_the_cluster_nothing(text for name, text in manifests.items() if name.endswith(".yaml"))
            if values:
                brings_rules_and_dashboards(manifests)
            text = manifests["detector/templates/daemonset.yaml"]
            assert is_unprivileged(text) and sees_control_groups(text)
            listens = f'{values.get("listenAddress", "0.0.0.0")}:{values.get("port", 10062)}'
            assert f'"{listens}"' in text
            assert has_host_pid(text) is values.get("hostPID", True)


if __name__ == "__main__":
    sys.exit(main())

"""What the chart makes of its values."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
import yaml

from integration.chart.rendering import CHART, DOMAIN, POSTGRES, Rendered, helm
from moorage import __version__
from moorage.agent.runtimes.kubernetes.cluster import rights
from moorage.agent.settings import AgentSettings
from moorage.gateway.settings import GatewaySettings
from moorage.kernel import settings as kernel_settings
from moorage.server.settings import Settings
from moorage.supervisor.processes import PROCESSES
from moorage.workspace_settings import RemoteDevelopment

PARTS = tuple(dict.fromkeys(process.pod or process.name for process in PROCESSES))
"""A pod for each process of the table, but for those that are a container of another's."""
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIC\n-----END PRIVATE KEY-----\n"
GIVEN_TLS = {
    "ingress": {
        "tls": {
            "workspaceDomainCert": CERTIFICATE,
            "workspaceDomainKey": KEY,
            "wildcardDomainCert": CERTIFICATE,
            "wildcardDomainKey": KEY,
        }
    }
}
EXISTING_TLS = {
    "ingress": {"tls": {"workspaceDomainSecret": "zone-tls", "wildcardDomainSecret": "wild-tls"}}
}
CERT_MANAGER = {"certManager": {"issuerRef": {"name": "letsencrypt", "kind": "ClusterIssuer"}}}
SECOND_CLUSTER = {
    "server": {"enabled": False},
    "config": {"token": "moor_agent_0123456789", "kasAddress": "wss://moorage.example.com"},
    "auth": {"host": "https://moorage.example.com", "token": "moor_gateway_0123456789"},
}


def test_lint() -> None:
    """Helm finds nothing to say against the chart, and its versions are Moorage's own."""
    done = helm("lint", str(CHART), "--kube-version", "1.36", values=DOMAIN)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout
    assert helm("show", "chart", str(CHART)).stdout.count(f"ersion: {__version__}\n") == 2


@pytest.mark.parametrize(
    "values", [{}, POSTGRES, GIVEN_TLS, EXISTING_TLS, CERT_MANAGER, SECOND_CLUSTER]
)
def test_pods_are_restricted(values: dict[str, Any]) -> None:
    """Every pod meets Pod Security's `restricted`, writes to its volumes alone, and gets no
    environment from Services."""
    rendered = Rendered(values)
    for name in PARTS:
        if f"rel-moorage-{name}" not in rendered.names("Deployment"):
            continue
        pod = rendered.pod(name)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is (name == "agent")
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
            assert container["resources"]["limits"]["memory"]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= pod["containers"][0].keys()
        kinds = {kind for volume in pod["volumes"] for kind in volume.keys() - {"name"}}
        assert kinds <= {"emptyDir", "configMap", "projected", "persistentVolumeClaim", "secret"}


@pytest.mark.parametrize(
    "values", [{}, POSTGRES, GIVEN_TLS, EXISTING_TLS, {"caBundle": CERTIFICATE}, SECOND_CLUSTER]
)
def test_settings_are_the_processes_own(values: dict[str, Any], tmp_path: Any) -> None:
    """What the chart writes into settings.toml is known to the process that reads it, and makes
    sense to it."""
    rendered = Rendered(values)
    kinds: dict[str, Any] = {"server": Settings, "gateway": GatewaySettings, "agent": AgentSettings}
    for name, kind in kinds.items():
        if f"rel-moorage-{name}" not in rendered.names("ConfigMap"):
            continue
        file = tmp_path / f"{name}.toml"
        file.write_text(rendered.get("ConfigMap", name)["data"]["settings.toml"])
        read = kernel_settings.load(kind, name, file, {"PATH": ""})
        if name != "agent":
            read.check()


def test_the_pods_run_the_processes_of_the_table() -> None:
    """Each is a container of its pod, and there is no other container."""
    rendered = Rendered()
    wanted = {(process.pod or process.name, process.module) for process in PROCESSES}
    found = {
        (name, container["args"][0])
        for name in PARTS
        for container in rendered.pod(name)["containers"]
    }
    assert found == wanted


def test_one_release_fits_together() -> None:
    """Server, gateway and agent of a release find and know each other, and agree on where browsers
    are."""
    rendered = Rendered()
    server, gateway, agent = (rendered.settings(name) for name in ("server", "gateway", "agent"))
    assert gateway["server"] == agent["server"] == "http://rel-moorage-server.places.svc:8000"
    assert (server["zone"], server["port"], server["public_url"]) == (
        "ws.test",
        80,
        "http://ws.test",
    )
    assert (gateway["zone"], gateway["public_port"], gateway["public_scheme"]) == (
        "ws.test",
        80,
        "http",
    )
    assert gateway["server_on_zone"] is True
    assert agent["gateway_namespace"] == "places"
    assert agent["tools_image"] == f"moorage/tools:{__version__}"
    own = "rel-moorage-secrets"
    assert rendered.mounted_secrets("server") == {
        "admin-token": own,
        "agent-token": own,
        "gateway-token": own,
    }
    assert rendered.mounted_secrets("gateway") == {"gateway-token": own, "gateway-key": own}
    assert rendered.mounted_secrets("agent") == {"agent-token": own}
    assert rendered.get("Secret", "secrets")["data"].keys() == {
        "admin-token",
        "agent-token",
        "gateway-key",
        "gateway-token",
    }


def test_workspaces_let_the_gateway_in() -> None:
    """The gateway's pods carry the labels that the network policies of workspaces look for."""
    labels = Rendered().get("Deployment", "gateway")["spec"]["template"]["metadata"]["labels"]
    assert RemoteDevelopment().gateway.labels.items() <= labels.items()


def test_no_object_looks_like_a_workspaces() -> None:
    """The agent collects what is labelled as managed by it: nothing of the chart is."""
    for item in Rendered({"serviceMonitor": {"enabled": True}}).objects:
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert "moorage.dev/workspace" not in item["metadata"]["labels"]


def test_sqlite_has_one_server() -> None:
    """Without a database URL the server keeps SQLite in a volume, and its successor waits for its
    end."""
    rendered = Rendered({"server": {"persistence": {"size": "3Gi", "storageClass": "fast"}}})
    claim = rendered.get("PersistentVolumeClaim", "server")["spec"]
    assert (claim["resources"]["requests"]["storage"], claim["storageClassName"]) == ("3Gi", "fast")
    deployment = rendered.get("Deployment", "server")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    given = Rendered({"server": {"persistence": {"existingClaim": "mine"}}})
    assert "PersistentVolumeClaim" not in given.kinds()
    assert {"claimName": "mine"} in [
        v.get("persistentVolumeClaim") for v in given.pod("server")["volumes"]
    ]


@pytest.mark.parametrize(
    ("values", "secret", "key"),
    [
        (POSTGRES, "rel-moorage-secrets", "database-url"),
        ({"database": {"existingSecret": "db"}}, "db", "url"),
        ({"database": {"existingSecret": "db", "existingSecretKey": "dsn"}}, "db", "dsn"),
    ],
)
def test_postgresql(values: dict[str, Any], secret: str, key: str) -> None:
    """With PostgreSQL there may be several servers, which are replaced without a gap; the URL is in
    a Secret alone."""
    rendered = Rendered(values, {"server": {"replicas": 3}})
    deployment = rendered.get("Deployment", "server")["spec"]
    assert deployment["replicas"] == 3
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    environment = deployment["template"]["spec"]["containers"][0]["env"]
    wanted = {"secretKeyRef": {"name": secret, "key": key}}
    assert [e["valueFrom"] for e in environment if e["name"] == "MOORAGE_SERVER_DATABASE"] == [
        wanted
    ]
    assert "PersistentVolumeClaim" not in rendered.kinds()
    shown = [item for item in rendered.objects if item["kind"] != "Secret"]
    assert "secret@db" not in str(shown)


def test_existing_secrets() -> None:
    """Whoever keeps secrets elsewhere gives their names, and the chart makes none."""
    rendered = Rendered(
        EXISTING_TLS,
        {
            "config": {"existingSecret": "a"},
            "auth": {"existingSecret": "b"},
            "server": {"existingSecret": "d", "gitCredentials": {"existingSecret": "e"}},
            "database": {"existingSecret": "f"},
        },
    )
    assert "Secret" not in rendered.kinds()
    assert rendered.mounted_secrets("server") == {
        "admin-token": "d",
        "agent-token": "a",
        "gateway-token": "b",
    }
    assert rendered.mounted_secrets("gateway") == {"gateway-token": "b", "gateway-key": "b"}
    assert rendered.settings("server")["git_credentials"] == "/etc/moorage-git/credentials.toml"


def test_where_repositories_are_read_from() -> None:
    """Networks and hosts without public addresses are a value; keys for SSH are a Secret of the
    server's pod alone, mounted where its file names them."""
    given = {
        "repositoryNetworks": ["10.1.0.0/16", "[fd00::1]:443", "git.corp.example"],
        "gitSsh": {"existingSecret": "s"},
    }
    rendered = Rendered({"server": given})
    settings = rendered.settings("server")
    assert settings["repository_networks"] == ["10.1.0.0/16", "[fd00::1]:443", "git.corp.example"]
    assert settings["git_ssh"] == "/etc/moorage-ssh/hosts.toml"
    pod = rendered.get("Deployment", "server")["spec"]["template"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "git-ssh"]
    assert volume["secret"] == {"secretName": "s", "defaultMode": 0o440}
    (mount,) = [
        mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "git-ssh"
    ]
    assert (mount["mountPath"], mount["readOnly"]) == ("/etc/moorage-ssh", True)
    for part in ("agent", "gateway"):
        assert "git-ssh" not in str(rendered.get("Deployment", part))
    assert "repository_networks" not in Rendered().settings("server")


def test_secrets_that_are_given() -> None:
    """Values of the reference's names end up in the release's Secret; pods are rolled when they
    change."""
    values = {"config": {"token": "t" * 20}, "auth": {"signing_key": "k" * 40}}
    rendered = Rendered(values)
    other = Rendered(values, {"config": {"token": "u" * 20}})
    data = rendered.get("Secret", "secrets")["data"]
    assert base64.b64decode(data["agent-token"]) == b"t" * 20
    assert base64.b64decode(data["gateway-key"]) == b"k" * 40
    assert seals(rendered, "agent") != seals(other, "agent")
    assert seals(rendered, "gateway") == seals(other, "gateway")


def seals(rendered: Rendered, name: str) -> dict[str, str]:
    """The annotations of a pod, a change of which rolls it."""
    found: dict[str, str] = rendered.get("Deployment", name)["spec"]["template"]["metadata"][
        "annotations"
    ]
    return found


def test_only_who_is_concerned_is_rolled() -> None:
    """A changed setting rolls the pods of its process; what was generated rolls none."""
    before = Rendered()
    after = Rendered({"server": {"settings": {"workspaces_per_user": 5}}})
    assert after.settings("server")["workspaces_per_user"] == 5
    assert {name for name in PARTS if seals(before, name) != seals(after, name)} == {"server"}


def test_an_ingress_ends_tls() -> None:
    """Behind ingress-nginx: both hosts, long WebSockets, no limit on bodies, a ClusterIP Service,
    and HAProxy without TLS."""
    rendered = Rendered(EXISTING_TLS, {"ingress": {"enabled": True}})
    ingress = rendered.get("Ingress", "gateway")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == ["ws.test", "*.ws.test"]
    assert ingress["spec"]["tls"] == [
        {"hosts": ["ws.test"], "secretName": "zone-tls"},
        {"hosts": ["*.ws.test"], "secretName": "wild-tls"},
    ]
    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "86400"
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"
    assert rendered.get("Service", "gateway")["spec"]["type"] == "ClusterIP"
    gateway = rendered.settings("gateway")
    assert "tls_certificate" not in gateway
    assert (gateway["public_scheme"], gateway["public_port"]) == ("https", 443)
    assert rendered.settings("server")["public_url"] == "https://ws.test"


@pytest.mark.parametrize(
    ("values", "secrets"),
    [
        (GIVEN_TLS, ["rel-moorage-workspace-domain", "rel-moorage-wildcard-domain"]),
        (EXISTING_TLS, ["zone-tls", "wild-tls"]),
        (CERT_MANAGER, ["rel-moorage-tls", "rel-moorage-tls"]),
    ],
)
def test_haproxy_ends_tls(values: dict[str, Any], secrets: list[str]) -> None:
    """Behind a LoadBalancer, HAProxy has both certificates, each in a folder that is renewed with
    its Secret."""
    rendered = Rendered(values)
    service = rendered.get("Service", "gateway")["spec"]
    assert (service["type"], service["ports"][0]["port"]) == ("LoadBalancer", 443)
    volume = next(v for v in rendered.pod("gateway")["volumes"] if v["name"] == "tls")
    found = {
        s["secret"]["items"][0]["path"]: s["secret"]["name"] for s in volume["projected"]["sources"]
    }
    assert found == {"workspace-domain/tls.crt": secrets[0], "wildcard-domain/tls.crt": secrets[1]}
    for container in rendered.pod("gateway")["containers"]:
        mount = next(m for m in container["volumeMounts"] if m["name"] == "tls")
        assert "subPath" not in mount  # such a mount would keep the old certificate
    gateway = rendered.settings("gateway")
    assert gateway["public_scheme"] == "https"
    folders = "/etc/moorage-tls/workspace-domain,/etc/moorage-tls/wildcard-domain"
    assert gateway["tls_certificate"] == folders


def test_cert_manager() -> None:
    """One certificate for zone and wildcard is asked for."""
    spec = Rendered(CERT_MANAGER).get("Certificate", "tls")["spec"]
    assert spec["dnsNames"] == ["ws.test", "*.ws.test"]
    assert spec["issuerRef"] == {"name": "letsencrypt", "kind": "ClusterIssuer"}
    assert spec["secretName"] == "rel-moorage-tls"


def test_something_else_ends_tls() -> None:
    """Behind a balancer that has the certificate, browsers say https, and HAProxy speaks HTTP."""
    rendered = Rendered({"ingress": {"tls": {"endedElsewhere": True}}})
    assert rendered.settings("gateway")["public_scheme"] == "https"
    assert "tls_certificate" not in rendered.settings("gateway")
    assert rendered.get("Service", "gateway")["spec"]["ports"][0]["port"] == 80


def test_a_node_port() -> None:
    """Browsers' port and the node's are given where there is no balancer."""
    rendered = Rendered(
        {
            "ingress": {"publicPort": 30080},
            "gateway": {"service": {"type": "NodePort", "nodePort": 30080}},
        }
    )
    port = rendered.get("Service", "gateway")["spec"]["ports"][0]
    assert (port["nodePort"], port["targetPort"]) == (30080, "web")
    assert rendered.settings("server")["public_url"] == "http://ws.test:30080"


def test_a_cluster_without_dns() -> None:
    """With a fixed address of the server's Service, nobody has to look its name up."""
    rendered = Rendered({"server": {"service": {"clusterIP": "10.96.7.7"}}})
    assert rendered.get("Service", "server")["spec"]["clusterIP"] == "10.96.7.7"
    for name in ("gateway", "agent"):
        assert rendered.settings(name)["server"] == "http://10.96.7.7:8000"


def test_a_second_cluster() -> None:
    """Agent and gateway alone: both reach the server at its public address, where people sign in,
    too."""
    rendered = Rendered(SECOND_CLUSTER)
    assert rendered.names("Deployment") == ["rel-moorage-agent", "rel-moorage-gateway"]
    assert rendered.settings("agent")["server"] == "https://moorage.example.com"
    gateway = rendered.settings("gateway")
    assert (gateway["server"], gateway["server_on_zone"]) == ("https://moorage.example.com", False)
    assert rendered.get("Secret", "secrets")["data"].keys() == {
        "agent-token",
        "gateway-token",
        "gateway-key",
    }


def test_an_agent_alone() -> None:
    """Where the gateway is elsewhere, the agent needs its token and the server's address, and no
    domain."""
    values = {
        **SECOND_CLUSTER,
        "gateway": {"enabled": False},
        "ingress": {"host": {"workspaceDomain": ""}},
    }
    rendered = Rendered(values)
    assert rendered.names("Deployment") == ["rel-moorage-agent"]
    assert rendered.kinds() == {
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Secret",
        "ServiceAccount",
    }


def test_settings_of_workspaces() -> None:
    """They are the agent's file, as they are; without any, the server's settings hold."""
    settings = {
        "remote_development": {"storage": {"size": "5Gi"}, "gateway": {"namespace": "edge"}}
    }
    rendered = Rendered({"agent": {"workspaceSettings": settings}})
    assert yaml.safe_load(rendered.get("ConfigMap", "agent")["data"]["config.yaml"]) == settings
    assert rendered.settings("agent")["workspace_settings"] == "/etc/moorage/config.yaml"
    assert "workspace_settings" not in Rendered().settings("agent")


def test_where_pods_go() -> None:
    """Each part is placed, named and prioritised by its own values."""
    placed = {
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "priorityClassName": "high",
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["git.test"]}],
    }
    others = {
        "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "x"}],
    }
    rendered = Rendered(
        {name: {**placed, **others} for name in PARTS}, {"imagePullSecrets": [{"name": "pull"}]}
    )
    for name in PARTS:
        pod = rendered.pod(name)
        assert {key: pod[key] for key in placed} == placed
        assert pod["imagePullSecrets"] == [{"name": "pull"}]
        metadata = rendered.get("Deployment", name)["spec"]["template"]["metadata"]
        assert (metadata["annotations"]["a"], metadata["labels"]["c"]) == ("b", "d")
        assert {"name": "HTTPS_PROXY", "value": "x"} in pod["containers"][0]["env"]


def test_images() -> None:
    """One registry and tag for all, unless a part has a tag of its own."""
    rendered = Rendered(
        {"image": {"registry": "r.test/x/", "tag": "1"}, "agent": {"image": {"tag": "2"}}}
    )
    images = {name: rendered.pod(name)["containers"][0]["image"] for name in PARTS}
    assert images == {
        "server": "r.test/x/moorage/server:1",
        "gateway": "r.test/x/moorage/gateway:1",
        "agent": "r.test/x/moorage/agent:2",
    }
    assert rendered.settings("agent")["tools_image"] == "r.test/x/moorage/tools:1"


def test_the_agents_rights() -> None:
    """They are the agent's own table, right by right, and go to its account alone."""
    rendered = Rendered()
    role, binding = (
        next(item for item in rendered.objects if item["kind"] == kind)
        for kind in ("ClusterRole", "ClusterRoleBinding")
    )
    assert allowed(role["rules"]) == allowed(rights.cluster_role("agent")["rules"])
    sources = next(item for item in rendered.objects if item["kind"] == "Role")
    assert sources["metadata"]["namespace"] == "places"
    assert sources["rules"] == rights.sources_role("agent", "places")["rules"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "rel-moorage-agent", "namespace": "places"}
    ]
    assert rendered.pod("agent")["serviceAccountName"] == "rel-moorage-agent"
    without = Rendered(
        {"agent": {"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "mine"}}}
    )
    assert not without.kinds() & {
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    }
    assert without.pod("agent")["serviceAccountName"] == "mine"


def test_the_agents_rights_in_one_namespace() -> None:
    """With `onlyNamespace`, what the agent does with workspaces is a Role's there, and of the
    cluster it lists nodes alone. Of the release's own namespace, where Moorage's secrets are, it
    reads the pull secrets that the values name."""
    rendered = Rendered(
        {
            "agent": {"onlyNamespace": "shared"},
            "imagePullSecrets": [{"name": "registry"}, {"name": "mirror"}],
        }
    )
    role = next(item for item in rendered.objects if item["kind"] == "ClusterRole")
    assert allowed(role["rules"]) == {("", "nodes", "list")}
    roles = {
        item["metadata"]["namespace"]: item["rules"]
        for item in rendered.objects
        if item["kind"] == "Role"
    }
    assert roles.keys() == {"shared", "places"}
    assert allowed(roles["shared"]) == allowed(rights.workspaces_role("agent", "shared")["rules"])
    assert roles["places"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "verbs": ["get"],
            "resourceNames": ["registry", "mirror"],
        }
    ]
    bindings = [item for item in rendered.objects if item["kind"] == "RoleBinding"]
    assert {(b["metadata"]["namespace"], b["roleRef"]["name"]) for b in bindings} == {
        (r["metadata"]["namespace"], r["metadata"]["name"])
        for r in rendered.objects
        if r["kind"] == "Role"
    }
    assert {b["subjects"][0]["name"] for b in bindings} == {"rel-moorage-agent"}
    assert rendered.settings("agent")["only_namespace"] == "shared"


def test_images_by_their_digest() -> None:
    """An image with a digest is named by it, beside its tag; a second cluster gets the same
    ones."""
    digest = "sha256:" + "ab" * 32
    values = {part: {"image": {"digest": digest}} for part in PARTS}
    tools = f"registry.example.com/tools:1@{digest}"
    rendered = Rendered(
        values, {"image": {"registry": "registry.example.com"}, "agent": {"toolsImage": tools}}
    )
    for part in PARTS:
        for container in rendered.pod(part)["containers"]:
            assert (
                container["image"] == f"registry.example.com/moorage/{part}:{__version__}@{digest}"
            )
    assert rendered.settings("agent")["tools_image"] == tools
    config = next(
        i
        for i in rendered.objects
        if i["metadata"]["name"] == "rel-moorage-server" and i["kind"] == "ConfigMap"
    )
    assert sum(text.count(digest) for text in config["data"].values()) == 3


def test_where_the_agent_reads_pull_secrets() -> None:
    """In the namespaces that its settings name, all; of those that a file of its own names, these
    alone, and nothing else."""
    given = {
        "remote_development": {
            "image_pull_secrets": [{"name": "registry", "namespace": "platform"}]
        }
    }
    rendered = Rendered(
        {"agent": {"workspaceSettings": given, "settings": {"pull_secret_namespaces": ["team"]}}}
    )
    names = {
        item["metadata"]["namespace"]: item["rules"][0].get("resourceNames")
        for item in rendered.objects
        if item["kind"] == "Role"
    }
    assert names == {"platform": ["registry"], "team": None}


def allowed(rules: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """(group, resource, verb)."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_who_may_reach_the_processes() -> None:
    """The server is reached by gateway, agent and its own replicas alone, metrics by whoever was
    named."""
    prometheus = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    }
    rendered = Rendered({"networkPolicy": {"metricsFrom": [prometheus]}})
    (rule,) = rendered.get("NetworkPolicy", "server")["spec"]["ingress"]
    assert rule["from"][-1] == prometheus
    names = [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in rule["from"][:-1]
    ]
    assert names == ["moorage-gateway", "moorage-agent", "moorage-server"]
    web, metrics = rendered.get("NetworkPolicy", "gateway")["spec"]["ingress"]
    assert "from" not in web
    assert (metrics["from"], metrics["ports"][0]["port"]) == ([prometheus], "metrics")
    assert Rendered().get("NetworkPolicy", "agent")["spec"]["ingress"] == []
    assert "NetworkPolicy" not in Rendered({"networkPolicy": {"enabled": False}}).kinds()


@pytest.mark.parametrize(("version", "api"), [("1.36", "policy/v1"), ("1.20.2", "policy/v1beta1")])
def test_disruption_budgets(version: str, api: str) -> None:
    """Each part has one, in the version that the cluster has."""
    rendered = Rendered(flags=("--kube-version", version))
    budgets = [item for item in rendered.objects if item["kind"] == "PodDisruptionBudget"]
    assert {item["apiVersion"] for item in budgets} == {api}
    assert len(budgets) == 3


def test_monitoring() -> None:
    """Off by default. Metrics have Services of their own, which no balancer shows, and each monitor
    finds its one."""
    assert "ServiceMonitor" not in Rendered().kinds()
    rendered = Rendered({"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}})
    for name in PARTS:
        monitor = rendered.get("ServiceMonitor", name)
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        service = rendered.get("Service", f"{name}-metrics")
        wanted = monitor["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= service["metadata"]["labels"].items()
        others = [
            item for item in rendered.objects if item["kind"] == "Service" and item is not service
        ]
        assert not [item for item in others if wanted.items() <= item["metadata"]["labels"].items()]
        ports = {
            port["name"] for c in rendered.pod(name)["containers"] for port in c.get("ports", [])
        }
        assert service["spec"]["ports"][0]["targetPort"] in ports


def test_a_gateway_sees_people_out() -> None:
    """A pod that is to end lives as long as its HAProxy may drain."""
    rendered = Rendered({"gateway": {"drainSeconds": 90, "lameduckSeconds": 20}})
    assert rendered.settings("gateway")["drain_seconds"] == 90
    assert rendered.settings("gateway")["lameduck_seconds"] == 20
    assert Rendered().settings("gateway")["lameduck_seconds"] == 30
    assert rendered.pod("gateway")["terminationGracePeriodSeconds"] > 90
    update = rendered.get("Deployment", "gateway")["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_gateway_that_is_to_end_is_ready_while_its_door_is_open() -> None:
    """Nodes go on sending to an endpoint that is `serving`, which is what the probe says."""
    haproxy = Rendered().pod("gateway")["containers"][0]
    assert haproxy["readinessProbe"]["httpGet"]["path"] == "/healthz/serving"
    assert haproxy["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_a_balancer_that_is_a_proxy_can_say_who_the_browser_is() -> None:
    """By settings of the gateway, which pass as they are."""
    settings = {"proxy_protocol": True, "proxy_protocol_from": ["10.0.0.0/16", "fd00::/8"]}
    rendered = Rendered({"gateway": {"settings": settings}})
    assert settings.items() <= rendered.settings("gateway").items()
    msgspec.convert(rendered.settings("gateway"), GatewaySettings).check()

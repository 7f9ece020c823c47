"""The manifests for Kubernetes: valid by its own schemas, and in step with each other and with Flagpost."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from flagpost.settings import documented
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

FOLDER = ROOT / "deploy/kubernetes"
FILES = [*sorted(FOLDER.glob("*.yaml")), FOLDER / "secret.yaml.template"]
VERSIONS = ("1.29.0", kubernetes_validate.latest_version())
MANIFESTS: list[dict[str, Any]] = [one for file in FILES for one in yaml.safe_load_all(file.read_text())]
DEPLOYMENTS = [one for one in MANIFESTS if one["kind"] == "Deployment"]


def of_kind(kind: str, name: str = "") -> dict[str, Any]:
    (found,) = [one for one in MANIFESTS if one["kind"] == kind and name in one["metadata"]["name"]]
    return found


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return found


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod(manifest)["containers"]
    return dict(found)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_kubernetes_own_schema_takes_it(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schema_would_notice_a_slip() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**of_kind("Service"), "spce": {}}, VERSIONS[-1], strict=True)


def test_all_of_it_is_there() -> None:
    kinds = sorted(one["kind"] for one in MANIFESTS)
    assert kinds == sorted(
        ["ConfigMap", "Deployment", "Deployment", "Ingress", "Job", *["PodDisruptionBudget"] * 2, "Secret", "Service"]
    )


@pytest.mark.parametrize("manifest", [*DEPLOYMENTS, of_kind("Job")], ids=lambda one: one["metadata"]["name"])
def test_every_pod_is_locked_down(manifest: dict[str, Any]) -> None:
    assert pod(manifest)["securityContext"]["runAsNonRoot"]
    assert pod(manifest)["automountServiceAccountToken"] is False
    rights = container(manifest)["securityContext"]
    assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in container(manifest)["resources"]["limits"]


@pytest.mark.parametrize("manifest", DEPLOYMENTS, ids=lambda one: one["metadata"]["name"])
def test_a_pod_that_stops_is_given_the_time_it_takes(manifest: dict[str, Any]) -> None:
    before = int(container(manifest)["lifecycle"]["preStop"]["exec"]["command"][-1])
    stops_within = int(of_kind("ConfigMap")["data"]["FLAGPOST_STOP_SECONDS"])
    assert pod(manifest)["terminationGracePeriodSeconds"] >= before + stops_within + 5


@pytest.mark.parametrize("manifest", DEPLOYMENTS, ids=lambda one: one["metadata"]["name"])
def test_a_pod_is_asked_where_it_answers_and_survives_the_loss_of_a_node(manifest: dict[str, Any]) -> None:
    found = container(manifest)
    expected = 8080 if "serve" in found["args"] else 9090
    assert found["ports"] == [{"name": "http", "containerPort": expected}]
    assert found["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert found["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    assert manifest["spec"]["selector"]["matchLabels"] == labels
    budget = of_kind("PodDisruptionBudget", manifest["metadata"]["name"])["spec"]
    assert budget["selector"]["matchLabels"] == labels
    assert budget["minAvailable"] < manifest["spec"]["replicas"]


def test_requests_find_the_pods_that_serve() -> None:
    backend = of_kind("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = of_kind("Service")
    assert backend == {"name": service["metadata"]["name"], "port": {"name": service["spec"]["ports"][0]["name"]}}
    assert service["spec"]["selector"] == of_kind("Deployment", "web")["spec"]["template"]["metadata"]["labels"]


def test_every_setting_there_is_one_and_no_secret_has_a_value() -> None:
    config, secret = of_kind("ConfigMap")["data"], of_kind("Secret")["stringData"]
    assert {*config, *secret} <= set(documented())
    assert not {name for name in config if "KEY" in name or "TOKEN" in name or "URL" in name} - {"FLAGPOST_BASE_URL"}
    assert {name for name, value in secret.items() if value} == {"FLAGPOST_DATABASE_URL"}
    assert "PASSWORD" in secret["FLAGPOST_DATABASE_URL"]

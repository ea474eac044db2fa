"""Nodes as each mesh's Envoys present themselves."""

from typing import Any

from telemetry.node import Node

UUID = "7f2a3c4d-1111-2222-3333-444455556666"
TRUST = f"{UUID}.consul"


def node(id_: str = "", cluster: str = "", log_name: str = "", **metadata: Any) -> Node:
    return Node(id=id_, cluster=cluster, metadata=metadata, version="1.40.0", log_name=log_name)


def istio(workload: str, ip: str = "10.0.0.1", namespace: str = "shop", kind: str = "sidecar", **more: Any) -> Node:
    id_ = f"{kind}~{ip}~{workload}-pod.{namespace}~{namespace}.svc.cluster.local"
    metadata = {"WORKLOAD_NAME": workload, "NAMESPACE": namespace, "INSTANCE_IPS": ip, "LABELS": {"app": workload}}
    return node(id_, f"{workload}.{namespace}", **(metadata | more))


CONSUL = node("web-sidecar-proxy", "web", namespace="default", partition="default", node_name="vm-1")
CONSUL_GATEWAY = node("mesh-gateway-1", "mesh-gateway", namespace="default", partition="default")
KUMA = node("default.web-7f99.shop", "web_shop_svc_80", **{"dataplane.proxyType": "dataplane"})
KUMA_UNIVERSAL = node("default.web-1", "web", **{"dataplane.admin.port": "9901"})
KUMA_INGRESS = node("zone.ingress", "ingress", **{"dataplane.proxyType": "ingress"})
ENVOY_GATEWAY = node("envoy-shop-edge-5b7d-abcde", "shop/edge")
APP_MESH = node("mesh/color_mesh/virtualNode/web_shop", "mesh/color_mesh/virtualNode/web_shop")
APP_MESH_GATEWAY = node("arn:aws:appmesh:eu-west-1:1:mesh/prod/virtualGateway/edge", "")
TRAFFIC_DIRECTOR = node("projects/1234/networks/default/nodes/b7f9c818", "web")
PLAIN = node("edge-1", "edge")

"""registration.py: what is asked of the API server. Against a real one: tests/integration/test_webhooks.py."""

from typing import Any

from reaper_operator.errors import NotFound
from reaper_operator.webhooks.registration import Registration, Stored, trusts
from reaper_operator.webhooks.rotation import Kept

KEPT = Kept(b"bundle", b"authority key", b"certificate", b"key")
DATA = {"ca.crt": "YnVuZGxl", "ca.key": "YXV0aG9yaXR5IGtleQ==", "tls.crt": "Y2VydGlmaWNhdGU=", "tls.key": "a2V5"}
SECRET = "/api/v1/namespaces/reaper-system/secrets/webhooks"  # noqa: S105 - a path
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/hooks"


class FakeTransport:
    """Objects by their paths, and what was written."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self.objects, self.written = objects, list[dict[str, Any]]()

    def call(self, method: str, path: str, names: dict[str, str], **more: Any) -> dict[str, Any]:
        place = path.format(**names)
        if method != "GET":
            self.written.append({"method": method, "path": place, **more})
        if place not in self.objects:
            raise NotFound(404, "not found")
        found: dict[str, Any] = self.objects[place]
        return found


def registration(objects: dict[str, Any]) -> tuple[Registration, FakeTransport]:
    transport = FakeTransport(objects)
    return Registration(transport.call, "reaper-system", "webhooks", "hooks"), transport


def configuration(*bundles: str | None) -> dict[str, Any]:
    hooks = [
        {"name": f"hook-{number}", "clientConfig": {"service": {}} | ({"caBundle": bundle} if bundle else {})}
        for number, bundle in enumerate(bundles)
    ]
    return {"metadata": {"resourceVersion": "4"}, "webhooks": hooks}


def test_a_secret_is_read_as_helm_made_it_and_as_we_wrote_it() -> None:
    for data, kept in ({}, Kept()), ({"data": None}, Kept()), ({"data": DATA}, KEPT):
        cluster, _ = registration({SECRET: {"metadata": {"resourceVersion": "7"}, **data}})
        assert cluster.stored() == Stored(kept, "7")


def test_it_is_written_at_a_version_and_keys_of_others_stay() -> None:
    cluster, transport = registration({SECRET: {}})
    cluster.store(KEPT, "7")
    (written,) = transport.written
    assert written == {
        "method": "PATCH",
        "path": SECRET,
        "body": {"metadata": {"resourceVersion": "7"}, "data": DATA},
        "content_type": "application/merge-patch+json",
    }


def test_a_configuration_that_is_not_there_is_not_missed() -> None:
    cluster, _ = registration({VALIDATING: configuration("YnVuZGxl")})
    ((path, found),) = cluster.configurations()
    assert path.format(name="hooks") == VALIDATING
    assert trusts(found, b"bundle")


def test_nothing_but_the_bundle_is_written_to_a_configuration() -> None:
    cluster, transport = registration({VALIDATING: configuration("b2xk", None)})
    ((path, found),) = cluster.configurations()
    assert not trusts(found, b"bundle")
    cluster.trust(path, found, b"bundle")
    (written,) = transport.written
    assert written["content_type"] == "application/strategic-merge-patch+json"
    assert written["body"] == {
        "metadata": {"resourceVersion": "4"},
        "webhooks": [{"name": f"hook-{number}", "clientConfig": {"caBundle": "YnVuZGxl"}} for number in range(2)],
    }


def test_each_webhook_of_a_configuration_has_to_trust() -> None:
    assert trusts(configuration("YnVuZGxl", "YnVuZGxl"), b"bundle")
    assert not trusts(configuration("YnVuZGxl", None), b"bundle")

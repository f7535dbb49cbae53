"""The service on one machine with its images in SeaweedFS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from core.storage.s3 import client_config
from tests.support.aws.emulators import REGION, running_seaweedfs
from tests.support.images.photos import photo
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.emulators

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
CAT = ("--detector", "tests.support.images.detectors:create")
URLS = "query ($id: ID!) { blob(id: $id) { downloadUrl thumbnailUrl } }"
DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"


def test_service_keeps_its_images_in_seaweedfs(tmp_path: Path) -> None:
    """Also those that its folder had before, and what a process that was killed had accepted."""
    folder, data, picture = tmp_path / "seaweedfs", tmp_path / "data", photo("chelsea.png")
    folder.mkdir()
    service = ServiceProcess(data, *CAT).start()
    older = service.upload(picture)
    service.wait_for(older, lambda blob: blob["status"] == "LABELLED")
    assert service.stop() == 0

    with running_seaweedfs(folder) as seaweedfs:
        client = seaweedfs.client("s3", client_config())
        client.create_bucket(
            Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        environ = {name: seaweedfs.environ[name] for name in ("AWS_REGION", *CREDENTIALS)}
        flags = (*CAT, "--storage", f"s3://pictures/labels?endpoint={seaweedfs.url}")

        service = ServiceProcess(data, *flags, **environ).start()
        accepted = [service.upload(picture) for _ in range(5)]
        service.kill()
        service = ServiceProcess(data, *flags, **environ).start()
        for blob_id in accepted:
            service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
        for blob_id in (older, accepted[0]):
            urls = service.graphql(URLS, id=blob_id)["blob"]
            assert httpx.get(urls["downloadUrl"], timeout=PATIENCE).content == picture
        service.graphql(DELETE, id=accepted[0])
        left = [f"labels/originals/local/{each}" for each in (older, *accepted[1:])]
        assert service.stop() == 0
        listed = client.list_objects_v2(Bucket="pictures")["Contents"]
        assert sorted(each["Key"] for each in listed) == sorted(left)
        assert not any(path.is_file() for path in (data / "originals").rglob("*"))

        checked = command("verify", data, **environ)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        refused = command("serve", data, "--port", "0", *CAT, **environ)
        assert refused.returncode == 2
        assert "start with --storage" in refused.stderr


def command(
    name: str, data: Path, *options: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embedded", name, "--data", str(data), *options],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

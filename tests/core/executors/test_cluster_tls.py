"""A scheduler and a worker that ask for certificates, which are made here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ClusterError
from napari_unet_nuclei.core.executors.cluster import dask_cluster
from napari_unet_nuclei.core.progress import Silent
from tests.core.executors.test_executors import square

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no program that makes certificates"),
]


def certify(folder: Path) -> dict[str, str]:
    """Make an authority, and one certificate with its key, as the page on clusters shows."""
    made = {name: str(folder / name) for name in ("ca.pem", "ca.key", "cluster.pem", "cluster.key", "cluster.csr")}
    key = ("-newkey", "rsa:2048", "-nodes")
    signed = ("-CA", made["ca.pem"], "-CAkey", made["ca.key"], "-CAcreateserial", "-days", "1")
    for command in (
        ("req", "-x509", *key, "-days", "1", "-subj", "/CN=ours", "-keyout", made["ca.key"], "-out", made["ca.pem"]),
        ("req", *key, "-subj", "/CN=cluster", "-keyout", made["cluster.key"], "-out", made["cluster.csr"]),
        ("x509", "-req", *signed, "-in", made["cluster.csr"], "-out", made["cluster.pem"]),
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return made


def test_work_goes_to_a_scheduler_that_asks_for_certificates_and_to_nobody_without(tmp_path):
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    made = certify(tmp_path)
    pair = {"cert": made["cluster.pem"], "key": made["cluster.key"]}
    own: dict[str, object] = {"distributed.comm.require-encryption": True}
    own |= {"distributed.comm.tls.ca-file": made["ca.pem"]}
    own |= {f"distributed.comm.tls.client.{part}": pair[part] for part in pair}
    theirs = distributed.Security(
        tls_ca_file=made["ca.pem"],
        require_encryption=True,
        **{f"tls_{role}_{part}": pair[part] for role in ("scheduler", "worker", "client") for part in pair},
    )
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, protocol="tls://", security=theirs, dashboard_address=None
    ) as running:
        address = running.scheduler_address
        assert address.startswith("tls://")
        with dask.config.set(own), dask_cluster(address) as cluster:
            assert cluster.map(square, range(4), "number", Silent()) == [0, 1, 4, 9]
        with pytest.raises(ClusterError, match="certificates"), dask_cluster(address):
            pass

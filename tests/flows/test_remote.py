"""Remotes that finished generations go to: a folder, and an S3 server, both away at first."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from conftest import Project
from moto.server import ThreadedMotoServer
from ruamel.yaml import YAML

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@t")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


class Folder:
    """A remote in a folder, which can be made once `come` was called."""

    def __init__(self, parent: Path) -> None:
        self.parent = parent
        parent.write_text("a file where the remote's folder should be")
        self.options = {"url": str(parent / "shelf")}

    def come(self) -> None:
        self.parent.unlink()

    def _path(self, md5: str) -> Path:
        return self.parent / "shelf/files/md5" / md5[:2] / md5[2:]

    def has(self, md5: str) -> bool:
        return self._path(md5).exists()

    def damage(self, md5: str) -> None:
        self._path(md5).chmod(0o644)
        self._path(md5).write_bytes(b"other bytes")

    def close(self) -> None:
        pass


class Bucket:
    """A bucket of an S3 server that answers once `come` was called."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        self.options = {"url": "s3://shelf/data", "endpointurl": f"http://127.0.0.1:{port}"}
        self.client = boto3.client("s3", endpoint_url=self.options["endpointurl"])

    def come(self) -> None:
        self.server.start()
        self.client.create_bucket(Bucket="shelf")

    def has(self, md5: str) -> bool:
        key = f"data/files/md5/{md5[:2]}/{md5[2:]}"
        return self.client.list_objects_v2(Bucket="shelf", Prefix=key)["KeyCount"] == 1

    def damage(self, md5: str) -> None:
        self.client.put_object(Bucket="shelf", Key=f"data/files/md5/{md5[:2]}/{md5[2:]}", Body=b"other bytes")

    def close(self) -> None:
        self.server.stop()


@pytest.fixture(params=["folder", "s3"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder | Bucket]:
    """A remote that is away until it is told to come."""
    for key, value in (CREDENTIALS | {"NO_PROXY": "127.0.0.1"}).items():
        monkeypatch.setenv(key, value)
    made = Folder(tmp_path / "parent") if request.param == "folder" else Bucket()
    yield made
    made.close()


def test_another_clone_goes_on_from_what_a_remote_has_that_was_away_at_first(finished_copy, longer, shelf, tmp_path):
    here = finished_copy
    here.run("dvc", "remote", "add", "shelf", shelf.options["url"])
    if "endpointurl" in shelf.options:
        here.run("dvc", "remote", "modify", "shelf", "endpointurl", shelf.options["endpointurl"])
    params = (here.folder / "params.yaml").read_text() + "remote: shelf\n"
    (here.folder / "params.yaml").write_text(params)
    pushing = here.start("flows.cli", "run")
    for line in pushing.stderr:
        if "the pushes are tried again" in line:
            break
    shelf.come()
    out, err = pushing.communicate(timeout=60)
    assert "everything is up to date" in out, err
    for command in (["add", "."], ["commit", "--quiet", "-m", "two generations"]):
        subprocess.run([*GIT, "-C", str(here.folder), *command], check=True)
    subprocess.run([*GIT, "clone", "--quiet", str(here.folder), str(tmp_path / "there")], check=True)
    there = Project.of(tmp_path / "there")
    (there.folder / "params.yaml").write_text(params.replace("generations: 2", "generations: 3"))
    shelf.damage(_md5(there, "standard", 2, "synthetic.npy"))
    said = there.run("flows.cli", "run")
    assert said.count("generation   3/3") == 2
    assert "sims/seed0           generation   2/3" not in said
    assert "standard/seed0       generation   1/3" not in said
    assert "made again" in next(line for line in said.splitlines() if "standard/seed0       generation   2/3" in line)
    assert there.locks() == longer.locks()
    assert shelf.has(_md5(there, "sims", 3, "synthetic.npy"))
    if isinstance(shelf, Bucket):
        return

    there.edit("guidance: 1.0", "guidance: 1.5")
    assert "sims/seed0           generation   1/3" in there.run("flows.cli", "run")
    for command in (["add", "."], ["commit", "--quiet", "-m", "another guidance"]):
        subprocess.run([*GIT, "-C", str(there.folder), *command], check=True)
    subprocess.run([*GIT, "-C", str(here.folder), "pull", "--quiet", str(there.folder)], check=True)
    said = here.run("flows.cli", "run")
    assert "generation   1/3" not in said
    assert "generation   3/3" not in said
    assert here.locks() == there.locks()


def test_a_remote_that_hangs_is_waited_for_which_is_said_and_an_interrupt_ends_that(finished_copy):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finished_copy.run("dvc", "remote", "add", "shelf", f"http://127.0.0.1:{silent.getsockname()[1]}")
        finished_copy.edit("engine:", "remote: shelf\nengine:")
        pushing = finished_copy.start("flows.cli", "run")
        assert any("still pushing 7 stages to shelf" in line for line in pushing.stderr)
        pushing.send_signal(signal.SIGINT)
        assert pushing.wait(timeout=5) == 130


def _md5(project: Project, arm: str, generation: int, name: str) -> str:
    """What a generation's lock says of an output."""
    folder = f"runs/smoke/{arm}/seed0/g{generation:03d}"
    lock = YAML(typ="safe").load(project.folder / folder / "dvc.lock")
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    return next(out["md5"] for out in outs if out["path"] == f"{folder}/{name}")

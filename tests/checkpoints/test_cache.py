"""Published models by name: real processes with the real client of the Hub, against a local server."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from seemkit.checkpoints import cache, catalog
from seemkit.checkpoints.catalog import PUBLISHED, published_variant
from seemkit.cli.main import main
from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from tests.checkpoints.hub import Hub, serving
from tests.checkpoints.official_names import SMALL, state_dict

ROOT = Path(__file__).parents[2]
NAME, FILE = "seem-focal-t-v1", "xdecoder/SEEM/seem_focalt_v1.pt"
RUN = """
import sys
from dataclasses import replace
from seemkit.checkpoints import cache, catalog, variants
from seemkit.cli.main import main
from tests.checkpoints.official_names import SMALL
size, digest, *words = sys.argv[1:]
name = "seem-focal-t-v1"
catalog.PUBLISHED[name] = replace(catalog.PUBLISHED[name], size=int(size), sha256=digest)
variants.VARIANTS["focal-t-v1"] = SMALL
sys.exit(main(words))
"""


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    """A small checkpoint in the layout of the published files."""
    buffer = io.BytesIO()
    torch.save(state_dict(SMALL), buffer)
    return buffer.getvalue()


@pytest.fixture
def hub(checkpoint: bytes) -> Iterator[Hub]:
    with serving({FILE: checkpoint}) as running:
        yield running


def start(hub: Hub, folder: Path, checkpoint: bytes, *words: str) -> subprocess.Popen[str]:
    """Start ``seemkit WORDS``, for which the small checkpoint is the published one."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "")
    environment = {**os.environ, **proxies, "HF_ENDPOINT": hub.address, "SEEMKIT_CACHE": str(folder)}
    digest = hashlib.sha256(checkpoint).hexdigest()
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(len(checkpoint)), digest, *words],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(hub: Hub, folder: Path, checkpoint: bytes, *words: str) -> tuple[int, str, str]:
    process = start(hub, folder, checkpoint, *words)
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error


def test_a_name_is_downloaded_and_converted_once(hub: Hub, checkpoint: bytes, tmp_path: Path) -> None:
    code, out, error = run(hub, tmp_path, checkpoint, "models", "download", NAME)
    assert (code, Path(out.strip())) == (0, tmp_path / "models" / NAME), error
    assert hub.sent == len(checkpoint)
    assert "vectors of class names" in error
    assert sorted(path.name for path in Path(out.strip()).iterdir()) == [
        "architecture.yaml", "classes.safetensors", "model.safetensors",
    ]  # fmt: skip
    assert not list((tmp_path / "downloads").glob("*.pt"))  # the converted model is enough
    assert run(hub, tmp_path, checkpoint, "models", "download", NAME)[:2] == (0, out)
    assert hub.sent == len(checkpoint)
    network = SEEM.from_pretrained(out.strip())
    with torch.no_grad():
        vectors = network.embed_vocabulary(network.vocabulary)
        network.language.forget_classes()
        torch.testing.assert_close(vectors, network.embed_vocabulary(network.vocabulary))


@pytest.mark.slow
def test_list_path_and_remove(hub: Hub, checkpoint: bytes, tmp_path: Path) -> None:
    assert run(hub, tmp_path, checkpoint, "models", "path", NAME)[0] == 2
    run(hub, tmp_path, checkpoint, "models", "download", NAME)
    _, listed, _ = run(hub, tmp_path, checkpoint, "models")
    states = {line.split()[0]: line for line in listed.splitlines()}
    assert "cached" in states[NAME]
    assert "shipped" in states["scenes-tiny"]
    assert str(tmp_path) in listed
    assert run(hub, tmp_path, checkpoint, "models", "path", NAME)[1].strip() == str(tmp_path / "models" / NAME)
    assert run(hub, tmp_path, checkpoint, "models", "remove", NAME)[0] == 0
    assert not (tmp_path / "models" / NAME).exists()
    assert "was not in the cache" in run(hub, tmp_path, checkpoint, "models", "remove", NAME)[1]


def test_two_processes_do_the_work_once(hub: Hub, checkpoint: bytes, tmp_path: Path) -> None:
    hub.pause = 0.02
    both = [start(hub, tmp_path, checkpoint, "models", "download", NAME) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert hub.sent == len(checkpoint)


@pytest.mark.slow
def test_a_download_that_is_killed_at_any_moment(hub: Hub, checkpoint: bytes, tmp_path: Path) -> None:
    hub.pause = 0.03
    moments = random.Random(0)
    for turn in range(10):
        folder = tmp_path / str(turn)
        process = start(hub, folder, checkpoint, "models", "download", NAME)
        time.sleep(moments.uniform(0.5, 6))
        process.kill()
        process.communicate()
        code, out, error = run(hub, folder, checkpoint, "models", "download", NAME)
        assert code == 0, error
        assert [path.name for path in (folder / "models").iterdir() if path.is_dir()] == [NAME]
        SEEM.from_pretrained(out.strip())


def test_another_file_under_the_name(checkpoint: bytes, tmp_path: Path) -> None:
    with serving({FILE: checkpoint[:-1] + b"?"}) as hub:
        code, _, error = run(hub, tmp_path, checkpoint, "models", "download", NAME)
    assert code == 2
    assert error.strip().splitlines()[-1].endswith("is not the file that was published; try again later")
    assert not (tmp_path / "models" / NAME).exists()
    assert not list((tmp_path / "downloads").glob("*.pt"))


def test_without_a_network_one_line_at_once(checkpoint: bytes, tmp_path: Path) -> None:
    with serving({}) as hub:
        pass  # the port is closed now
    begin = time.monotonic()
    code, _, error = run(hub, tmp_path, checkpoint, "models", "download", NAME)
    assert code == 2
    assert "cannot be reached; download it where there is a network" in error
    assert len(error.splitlines()) == 1
    assert time.monotonic() - begin < 20  # the client alone would try for half a minute


@pytest.mark.slow
def test_a_file_that_is_gone(checkpoint: bytes, tmp_path: Path) -> None:
    with serving({}) as hub:
        code, _, error = run(hub, tmp_path, checkpoint, "models", "download", NAME)
    assert code == 2
    assert "the Hugging Face Hub answers: 404" in error


def test_names(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cache.CACHE, str(tmp_path))
    assert main(["models", "path", "scenes-tiny"]) == 0
    assert (Path(capsys.readouterr().out.strip()) / "model.safetensors").is_file()
    assert main(["models", "download", "seem-focal-x"]) == 2
    assert "no such model; names: photos-tiny, scenes-tiny" in capsys.readouterr().err
    assert main(["models", "remove", "scenes-tiny"]) == 2
    assert main(["models", "path", NAME]) == 2
    assert "run seemkit models download seem-focal-t-v1" in capsys.readouterr().err


def test_the_sum_tells_the_variant(checkpoint: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """v0 and v1 have the same names and shapes."""
    digest = hashlib.sha256(checkpoint).hexdigest()
    model = PUBLISHED["seem-focal-t-v0"]
    (tmp_path / "mine.pt").write_bytes(checkpoint)
    assert published_variant(tmp_path / "mine.pt") is None
    (tmp_path / model.file).write_bytes(checkpoint)
    with pytest.raises(InputError, match=r"seem_focalt_v0\.pt: not the file .* before October 2023 these names"):
        published_variant(tmp_path / model.file)
    known = type(model)(model.name, "", "", model.file, model.variant, len(checkpoint), digest)
    monkeypatch.setitem(catalog.PUBLISHED, model.name, known)
    assert published_variant(tmp_path / "mine.pt") == "focal-t-v0"

"""The API of the server."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import torch
from PIL import Image

from seemkit import Point, Session
from seemkit.io.user_image import load_image
from seemkit.ops.rle import decode_mask, encode_mask
from seemkit.prompts.registry import parse_prompt

WORDS = {
    "point": "40,50",
    "box": "10,12,60,70",
    "scribble": "10,10,50,40",
    "circle": "40,40,9",
    "polygon": "9,9,70,9,40,70",
}


@pytest.fixture
def opened(client):
    return client.post("/v1/sessions", json={"image": "0.png"}).json()["session"]


def ask(client, session, *prompts, name="object"):
    return client.post(f"/v1/sessions/{session}/prompts", json={"object": name, "prompts": list(prompts)})


@pytest.mark.parametrize("kind", WORDS)
def test_masks_are_those_of_a_session(client, opened, photos, prompted_network, kind):
    found = ask(client, opened, {"kind": kind, "word": WORDS[kind]}).json()
    wanted = (
        Session(prompted_network, load_image(photos / "0.png")).add(parse_prompt(f"{kind}={WORDS[kind]}")).predict()
    )
    assert torch.equal(decode_mask(found["mask"]), wanted.mask)
    assert found["score"] == pytest.approx(wanted.score, abs=1e-6)
    assert (found["label"], found["area"]) == (wanted.label, wanted.area)


def test_rounds_of_several_objects_with_undo(client, opened, photos, prompted_network):
    session = Session(prompted_network, load_image(photos / "0.png"))
    session.add(Point(40, 50), name="a").add(Point(9, 9, positive=False), name="a").add(Point(70, 20), name="b")
    ask(client, opened, {"kind": "point", "x": 40, "y": 50}, name="a")
    ask(client, opened, {"kind": "point", "word": "-9,9"}, name="a")
    ask(client, opened, {"kind": "point", "x": 70, "y": 20}, name="b")
    for verb, step in ((None, None), ("undo", Session.undo), ("undo", Session.undo), ("redo", Session.redo)):
        if verb:
            step(session)
            client.post(f"/v1/sessions/{opened}/{verb}")
        objects = client.get(f"/v1/sessions/{opened}").json()["objects"]
        wanted = session.predict_all()
        assert [one["object"] for one in objects] == list(wanted)
        for one in objects:
            assert torch.equal(decode_mask(one["mask"]), wanted[one["object"]].mask)
    assert client.post(f"/v1/sessions/{opened}/reset", json={}).json()["objects"] == []


def test_sessions_that_left_memory_come_back(client, prompted_network):
    store = client.app.state.served.store
    store.most_bytes = 0
    first = client.post("/v1/sessions", json={"image": "0.png"}).json()["session"]
    wanted = ask(client, first, {"kind": "point", "word": "40,50"}).json()
    ask(client, first, {"kind": "point", "word": "-9,9"})
    client.post(f"/v1/sessions/{first}/undo")
    client.post("/v1/sessions", json={"image": "1.png"})
    assert store.entry(first).session is None
    (found,) = client.get(f"/v1/sessions/{first}").json()["objects"]
    assert found["mask"] == wanted["mask"]
    assert client.post(f"/v1/sessions/{first}/redo").status_code == 200


def test_the_oldest_sessions_are_forgotten(client, photos):
    store = client.app.state.served.store
    store.most = 2
    content = (photos / "0.png").read_bytes()
    sessions = [client.post("/v1/sessions/upload", content=content).json()["session"] for _ in range(3)]
    answer = client.get(f"/v1/sessions/{sessions[0]}")
    assert answer.status_code == 404
    assert "open the image again" in answer.json()["error"]
    assert len(list(client.app.state.served.uploads.iterdir())) == 2


def test_a_region_of_another_image(client, opened):
    other = client.post("/v1/sessions", json={"image": "1.png"}).json()["session"]
    inside = [{"kind": "point", "word": "30,30"}]
    found = ask(client, opened, {"kind": "referred-region", "session": other, "prompts": inside})
    assert found.status_code == 200, found.json()


def test_a_session_with_a_region_comes_back_with_the_other_image(client, opened):
    client.app.state.served.store.most_bytes = 0
    other = client.post("/v1/sessions", json={"image": "1.png"}).json()["session"]
    inside = [{"kind": "point", "word": "30,30"}]
    wanted = ask(client, opened, {"kind": "referred-region", "session": other, "prompts": inside}).json()
    client.post("/v1/sessions", json={"image": "2.png"})
    (found,) = client.get(f"/v1/sessions/{opened}").json()["objects"]
    assert found["mask"] == wanted["mask"]
    client.delete(f"/v1/sessions/{other}")
    client.post("/v1/sessions", json={"image": "2.png"})
    answer = client.get(f"/v1/sessions/{opened}")
    assert answer.status_code == 404
    assert "open the image again" in answer.json()["error"]


def test_a_map_of_classes(client, opened, photos, prompted_network):
    asked = {"mode": "semantic", "classes": ["a", "b", "c"]}
    found = client.post(f"/v1/sessions/{opened}/everything", json=asked).json()
    wanted = Session(prompted_network, load_image(photos / "0.png")).semantic(["a", "b", "c"])
    assert sum(one["area"] for one in found) == wanted.numel()
    for one in found:
        assert torch.equal(decode_mask(one["mask"]), wanted == "abc".index(one["label"]))


def test_a_mask_from_a_file(client, opened):
    mask = torch.zeros(96, 96, dtype=torch.bool)
    mask[10:40, 20:60] = True
    content = io.BytesIO()
    Image.fromarray(mask.numpy()).save(content, "PNG")
    found = client.post(f"/v1/sessions/{opened}/mask", content=content.getvalue()).json()
    assert torch.equal(decode_mask(found["mask"]), mask)
    assert ask(client, opened, {"kind": "mask", "mask": found["mask"]}).status_code == 200
    assert client.post(f"/v1/sessions/{opened}/mask", content=b"nonsense").status_code == 400
    assert list(client.app.state.served.uploads.iterdir()) == []


@pytest.mark.parametrize("mode", ["panoptic", "instances"])
def test_everything(client, opened, photos, prompted_network, mode):
    asked = {"mode": mode, "classes": ["a", "b"], "threshold": 0.0}
    found = client.post(f"/v1/sessions/{opened}/everything", json=asked).json()
    session = Session(prompted_network, load_image(photos / "0.png"))
    wanted = session.panoptic(["a", "b"], 0.0) if mode == "panoptic" else session.instances(["a", "b"], 0.0)
    assert [one["mask"] for one in found] == [one.rle for one in wanted]
    asked = {"prompts": [{"kind": "point", "word": "40,50"}], "threshold": 0.0}
    assert client.post(f"/v1/sessions/{opened}/find", json=asked).status_code == 200


def test_a_brush_and_an_eraser(client, opened):
    mask = torch.zeros(96, 96, dtype=torch.bool)
    mask[10:40, 10:40] = True
    stroke = {"points": [[60, 60], [80, 60]], "width": 9}
    painted = client.post(f"/v1/sessions/{opened}/retouch", json={"mask": encode_mask(mask), **stroke}).json()
    assert painted["area"] > 900
    erased = client.post(
        f"/v1/sessions/{opened}/retouch", json={"mask": painted["mask"], **stroke, "erase": True}
    ).json()
    assert torch.equal(decode_mask(erased["mask"]), mask)


def test_one_request(client, photos, prompted_network):
    prompts = [{"kind": "point", "x": 40, "y": 50}]
    files = {"image": (photos / "0.png").open("rb")}
    (found,) = client.post("/v1/segment", files=files, data={"prompts": json.dumps(prompts)}).json()
    wanted = Session(prompted_network, load_image(photos / "0.png")).predict(Point(40, 50))
    assert found["mask"] == wanted.rle
    assert client.app.state.served.store._entries == {}
    assert list(client.app.state.served.uploads.iterdir()) == []


def test_the_image_is_shown(client, opened, photos):
    answer = client.get(f"/v1/sessions/{opened}/image")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (photos / "0.png").read_bytes()


def test_formats_that_no_browser_shows(client, photos):
    content = io.BytesIO()
    Image.open(photos / "0.png").save(content, "TIFF")
    session = client.post("/v1/sessions/upload", content=content.getvalue()).json()["session"]
    answer = client.get(f"/v1/sessions/{session}/image")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (96, 96)


OTHER_FILE = {"kind": "referred-region", "image": "/etc/passwd", "prompts": [{}]}
HUGE = {"kind": "mask", "mask": {"size": [60000, 60000], "counts": "0"}}
BAD = [
    ("sessions", {"image": "../secret.png"}, 400, "no such image"),
    ("sessions", {"image": "/etc/passwd"}, 400, "no such image"),
    ("sessions", {}, 422, "image"),
    ("sessions/nobody/undo", None, 404, "unknown or forgotten"),
    ("sessions/{opened}/undo", None, 400, "nothing to undo"),
    ("sessions/{opened}/prompts", {"prompts": []}, 422, "prompts"),
    ("sessions/{opened}/prompts", {"prompts": [{}]}, 400, "has no 'kind'"),
    ("sessions/{opened}/prompts", {"prompts": [{"kind": "pint", "word": "1,2"}]}, 400, "pint"),
    ("sessions/{opened}/prompts", {"prompts": [{"kind": "point", "word": "1000,2"}]}, 400, "outside the image"),
    ("sessions/{opened}/prompts", {"prompts": [{"kind": "mask", "word": "/etc/passwd"}]}, 400, "cannot name a file"),
    ("sessions/{opened}/prompts", {"prompts": [OTHER_FILE]}, 400, "needs the 'session'"),
    ("sessions/{opened}/prompts", {"prompts": [HUGE]}, 400, "expected [96, 96]"),
    ("sessions/{opened}/everything", {"mode": "nothing"}, 422, "mode"),
    ("sessions/{opened}/retouch", {"mask": {}, "points": [[1, 1]], "width": 3}, 400, "expected [96, 96]"),
    ("export", {"format": "nothing"}, 400, "use one of"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "said"), BAD)
def test_what_is_wrong_is_said_in_one_line(client, opened, path, body, status, said):
    answer = client.post(f"/v1/{path.format(opened=opened)}", json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert len(answer.json()["error"].splitlines()) == 1


def test_a_refused_click_leaves_the_session_as_it_was(client, opened):
    answer = ask(client, opened, {"kind": "point", "word": "-9,9"})
    assert answer.status_code == 400
    assert "all prompts of the object are negative" in answer.json()["error"]
    assert client.get(f"/v1/sessions/{opened}").json()["objects"] == []
    assert client.post(f"/v1/sessions/{opened}/undo").status_code == 400
    assert ask(client, opened, {"kind": "point", "word": "+40,50"}).status_code == 200
    assert ask(client, opened, {"kind": "point", "word": "-9,9"}).status_code == 200
    assert client.post(f"/v1/sessions/{opened}/undo").status_code == 200


@pytest.mark.parametrize("prompts", ["[" * 100_000, '[{"kind": "text", "text": "\\ud800"}]', "{}", "[3]"])
def test_prompts_that_are_none(client, photos, prompts):
    answer = client.post("/v1/segment", files={"image": (photos / "0.png").open("rb")}, data={"prompts": prompts})
    assert answer.status_code == 400
    assert client.get("/v1/info").status_code == 200


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_damaged_upload(client, content):
    answer = client.post("/v1/sessions/upload", content=content)
    assert answer.status_code in (400, 422)
    assert str(client.app.state.served.uploads) not in answer.text
    assert list(client.app.state.served.uploads.iterdir()) == []


def test_labels_are_saved_and_exported(client, photos):
    mask = torch.zeros(96, 96, dtype=torch.bool)
    mask[10:40, 20:60] = True
    body = {"objects": [{"label": "cup", "mask": encode_mask(mask)}]}
    assert client.put("/v1/labels/1.png", json=body).json() == {"ids": [1]}
    assert client.get("/v1/images").json() == [{"image": f"{n}.png", "labeled": n == 1} for n in range(3)]
    (found,) = client.get("/v1/labels/1.png").json()
    assert (found["label"], found["mask"], found["id"]) == ("cup", encode_mask(mask), 1)
    answer = client.post("/v1/export", json={"format": "yolo"})
    assert answer.status_code == 200
    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    wrong = {"objects": [{"label": "cup", "mask": encode_mask(mask[:50])}]}
    assert client.put("/v1/labels/1.png", json=wrong).status_code == 400


def test_the_schema_names_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/sessions", "/v1/segment", "/v1/sessions/{session}/prompts", "/v1/labels/{image}"} <= set(paths)

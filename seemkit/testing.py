"""A test of the interface of prompt kinds, for authors of plugins.

Call it in a test of the package::

    def test_lasso():
        check_prompt_encoder(LassoEncoder(8), [Lasso(((10, 10), (40, 12), (20, 50)))], bad_words=["10,10"])
"""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.nn.tokens import queries_for
from seemkit.ops.region import Region
from seemkit.prompts.encoder import Gesture, PromptEncoder, RegionPromptEncoder, Subject
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Prompt
from seemkit.types import Size

SIZE = Size(64, 96)
"""Size of the image for which examples must be valid."""
NONSENSE = ("", "=", "nonsense,1,nan", "1e999,1e999")
"""Words for which a kind must return a prompt or raise `InputError`."""
SMALL = Architecture(
    backbone="resnet",
    backbone_options={"channels": [8, 8, 16, 32], "stem": 8},
    backbone_levels=(1, 2, 3, 4),
    embed_dim=32,
    num_heads=4,
    ffn_dim=48,
    encoder_layers=1,
    decoder_layers=3,
    queries=10,
    memory=8,
    text_embed_dim=16,
    text_layers=1,
    text_num_heads=2,
    templates=("{}",),
)
"""Network in which kinds are tested."""


def check_prompt_encoder(
    encoder: PromptEncoder[Any],
    examples: Sequence[Prompt],
    words: Sequence[str] = (),
    bad_words: Sequence[str] = (),
    embed_dim: int = 32,
) -> None:
    """Raise AssertionError unless a prompt kind fulfills the interface.

    * Values are frozen, and equal after JSON and pickling.
    * Simulated prompts depend on the given generator alone and are valid; for an empty mask they are an empty list.
    * Bad words and fields raise `InputError`, with a message of one line, and so does every number that is not finite.
    * If values have a sign, a word with a leading minus is negative.
    * Numbers in another order, such as the corners of a box swapped, are refused or work.
    * Regions are inside the image.
    * In a small random network, a prompt gives finite masks, alone and with other prompts. The network has the kind
      with its default options, so the kind must be installed.

    Args:
        encoder: encoder of the kind.
        examples: prompts that are valid for an image of 64 rows and 96 columns; at least one.
        words: command-line words that the kind reads.
        bad_words: words that the kind refuses.
        embed_dim: channels of the small network; `encoder` can have others.

    Raises:
        AssertionError: the kind breaks the interface; the message says where.
    """
    assert examples, "give at least one example"
    _check_class(encoder)
    for prompt in examples:
        _check_value(encoder, prompt)
        encoder.check(prompt, SIZE)
        _check_numbers(encoder, prompt)
    _check_words(encoder, words, bad_words)
    _check_minus(encoder, words)
    _check_simulation(encoder)
    if isinstance(encoder, RegionPromptEncoder):
        for prompt in examples:
            _check_region(encoder.mark(prompt, SIZE), SIZE)
    _check_in_network(encoder, examples, embed_dim)


def _check_class(encoder: PromptEncoder[Any]) -> None:
    kind = type(encoder)
    assert kind.gesture in (None, *get_args(Gesture)), f"gesture {kind.gesture!r}: use one of {get_args(Gesture)}"
    assert queries_for(kind.group) is not None, f"group {kind.group.name!r}: no query reads it; set read_by"
    assert dataclasses.is_dataclass(kind.accepts), f"{kind.accepts.__name__} is not a dataclass"
    assert issubclass(kind.accepts, Prompt), f"{kind.accepts.__name__} is not a subclass of Prompt"
    parameters = kind.accepts.__dataclass_params__  # type: ignore[attr-defined]
    assert parameters.frozen, f"{kind.accepts.__name__} is not frozen"


def _check_value(encoder: PromptEncoder[Any], prompt: Prompt) -> None:
    assert type(prompt) is encoder.accepts, f"{prompt} is not of type {encoder.accepts.__name__}"
    written = encoder.to_json(prompt)
    assert "kind" not in written, "to_json returns a field 'kind', which is reserved"
    again = encoder.from_json(json.loads(json.dumps(written)))
    assert same(again, prompt), f"{prompt} is {again} after JSON"
    assert same(pickle.loads(pickle.dumps(prompt)), prompt), f"{prompt} is not equal after pickling"
    unknown = _refusal(encoder.from_json, {**written, "no_such_field": 1})
    assert unknown is not None, "from_json accepts an unknown field"
    for name in written:
        _refusal(encoder.from_json, {**written, name: "nonsense"})
        _refusal(encoder.from_json, {**written, name: None})


def _check_numbers(encoder: PromptEncoder[Any], prompt: Prompt) -> None:
    written = json.loads(json.dumps(encoder.to_json(prompt)))
    for path in _numbers(written):
        for bad in (math.nan, math.inf, -math.inf):
            assert _refusal(encoder.from_json, _replaced(written, path, bad)) is not None, (
                f"from_json accepts {bad} for {'.'.join(map(str, path))}"
            )
    values = [_at(written, path) for path in _numbers(written)]
    swapped = written
    for path, value in zip(_numbers(written), reversed(values), strict=True):
        swapped = _replaced(swapped, path, value)
    try:
        moved = encoder.from_json(swapped)
        encoder.check(moved, SIZE)
    except InputError:
        return
    if isinstance(encoder, RegionPromptEncoder):
        _check_region(encoder.mark(moved, SIZE), SIZE)


def _check_minus(encoder: PromptEncoder[Any], words: Sequence[str]) -> None:
    if not (dataclasses.is_dataclass(encoder.accepts) and "positive" in encoder.accepts.__dataclass_fields__):
        return
    for word in words:
        if word.startswith(("+", "-")):
            continue
        plain, minus = encoder.parse(word), encoder.parse(f"-{word}")
        assert plain.positive, f"parse({word!r}) is negative"
        assert not minus.positive, f"parse('-{word}') ignores the minus, which means that the object is not there"
        assert same(dataclasses.replace(minus, positive=True), plain), f"parse('-{word}') is another prompt"


Path = tuple[str | int, ...]
"""Keys and indices that lead to a value in plain data."""


def _numbers(values: object, path: Path = ()) -> list[Path]:
    """Return the paths of all numbers in plain data."""
    if isinstance(values, (int, float)) and not isinstance(values, bool):
        return [path]
    if isinstance(values, dict):
        return [found for key, value in values.items() for found in _numbers(value, (*path, key))]
    if isinstance(values, list):
        return [found for index, value in enumerate(values) for found in _numbers(value, (*path, index))]
    return []


def _at(values: Any, path: Path) -> Any:  # noqa: ANN401 (plain data)
    return _at(values[path[0]], path[1:]) if path else values


def _replaced(values: Any, path: Path, new: object) -> Any:  # noqa: ANN401 (plain data)
    """Return plain data with another value at a path."""
    if not path:
        return new
    copy: Any = dict(values) if isinstance(values, dict) else list(values)
    copy[path[0]] = _replaced(copy[path[0]], path[1:], new)
    return copy


def _check_words(encoder: PromptEncoder[Any], words: Sequence[str], bad_words: Sequence[str]) -> None:
    for word in words:
        prompt = encoder.parse(word)
        assert type(prompt) is encoder.accepts, f"parse({word!r}) returns {prompt}"
    for word in bad_words:
        said = _refusal(encoder.parse, word)
        assert said is not None, f"parse({word!r}) accepts a bad word"
        assert "\n" not in said, f"parse({word!r}): the message has more than one line"
    for word in NONSENSE:
        _refusal(encoder.parse, word)


def _refusal(read: Callable[[Any], Prompt], what: object) -> str | None:
    """Return the message of the `InputError` that `read` raises for `what`, or None; other errors are not caught."""
    try:
        read(what)
    except InputError as error:
        return str(error)
    return None


def _check_simulation(encoder: PromptEncoder[Any]) -> None:
    mask = torch.zeros(SIZE, dtype=torch.bool)
    nothing = Subject(mask)
    for draw in (encoder.simulate, encoder.start):
        assert draw(nothing, torch.Generator().manual_seed(0)) == [], (
            f"{draw.__name__}: returns prompts for an empty mask"
        )
    mask = mask.clone()
    mask[10:50, 20:70] = True
    subject = Subject(mask, "star", ("the red star",))
    state = torch.get_rng_state()
    for draw in (encoder.simulate, encoder.start):
        for seed in range(5):
            first, second = (draw(subject, torch.Generator().manual_seed(seed)) for _ in range(2))
            equal = len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
            assert equal, f"{draw.__name__}: results differ for equal generators"
            for prompt in first:
                encoder.check(prompt, SIZE)
                _check_value(encoder, prompt)
    assert torch.equal(state, torch.get_rng_state()), "simulation draws from torch's global generator"


def _check_region(region: Region, size: Size) -> None:
    for pixels in (region.positive, region.negative):
        assert pixels.ndim == 2, "the pixels of a region must be (row, column) pairs"
        assert pixels.shape[1] == 2, "the pixels of a region must be (row, column) pairs"
        assert pixels.dtype.kind == "i", "the pixels of a region must be integers"
        assert ((pixels >= 0) & (pixels < size)).all(), "a region has pixels outside the image"


def _check_in_network(encoder: PromptEncoder[Any], examples: Sequence[Prompt], embed_dim: int) -> None:
    kind = encoder.kind
    assert type(encoder) is installed()[kind].encoder, f"kind {kind!r} is installed with another class"
    architecture = dataclasses.replace(SMALL, embed_dim=embed_dim, prompts={kind: {}})
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = SEEM(architecture).eval()
        generator = torch.Generator().manual_seed(0)
        image = torch.randint(0, 256, (3, *SIZE), generator=generator, dtype=torch.uint8)
        context = network.encode_image([image])
        text = installed()["text"].encoder.parse("the red star")
        click = installed()["point"].encoder.parse("30,20")
        for prompts in ([*examples], [*examples, click], [*examples, text], [*examples, click, text]):
            decoded = network.decode(context, [[prompts]])
            masks = network.masks(decoded, network.select(decoded))
            assert masks.shape[:2] == (1, 1), "one object must get one mask"
            assert bool(masks.isfinite().all()), f"a mask of {prompts} is not finite"


def same(first: object, second: object) -> bool:
    """Return whether two prompt values are equal, including tensors inside them."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, (tuple, list)):
        return (
            type(first) is type(second)
            and len(first) == len(second)
            and all(same(a, b) for a, b in zip(first, second, strict=True))
        )
    if dataclasses.is_dataclass(first):
        names = [field.name for field in dataclasses.fields(first)]
        return type(first) is type(second) and all(same(getattr(first, n), getattr(second, n)) for n in names)
    return first == second

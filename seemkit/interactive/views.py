"""What the network sees of one image: all of it, windows around objects, and each of them mirrored."""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor

from seemkit.interactive.window import Window
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.types import Size

MOST_WINDOWS = 4
"""Number of encoded windows that are kept; one of photos-tiny, with its mirrored view, takes 50 MB."""

View = tuple[ImageContext, ...]
"""An encoded part of an image, and the same mirrored if both are wanted."""


class Views:
    """The encoded views of an image, made when they are needed.

    Args:
        network: the network.
        whole: the encoded image, alone.
        pixels: the image, uint8 [3, h, w], of any size; None if there is to be no other view.
        mirrored: whether each view has a mirrored one beside it; needs the pixels.
    """

    def __init__(self, network: SEEM, whole: ImageContext, pixels: Tensor | None, mirrored: bool = False) -> None:
        self.network = network
        self.whole = whole
        self.pixels = pixels
        self.mirrored = mirrored and pixels is not None
        self._whole_mirrored: View = ()
        self._windows: OrderedDict[Window, View] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of encoded windows."""
        return len(self._windows)

    def __getitem__(self, window: Window | None) -> View:
        """Return the view of a window, or of the whole image for None; the windows that were used last are kept."""
        if window is None:
            if self.mirrored and not self._whole_mirrored:
                self._whole_mirrored = self._encode_whole_mirrored()
            return self.whole, *self._whole_mirrored
        if window not in self._windows:
            self._windows[window] = self._encode_window(window)
        self._windows.move_to_end(window)
        if len(self._windows) > MOST_WINDOWS:
            self._windows.popitem(last=False)
        return self._windows[window]

    @property
    def frame(self) -> Size:
        """Height and width of the image in whose pixels prompts are given."""
        return self.whole.frames[0]

    @property
    def nbytes(self) -> int:
        """Memory of the image and of its encoded views, in bytes."""
        views = [(self.whole,), self._whole_mirrored, *self._windows.values()]
        contexts = [context for view in views for context in view]
        return (0 if self.pixels is None else self.pixels.nbytes) + sum(context.nbytes for context in contexts)

    def release(self) -> None:
        """Forget all but the whole image; the other views are made again when they are needed."""
        self._windows.clear()
        self._whole_mirrored = ()

    def _encode_whole_mirrored(self) -> View:
        assert self.pixels is not None
        return (self.network.encode_image([self.pixels.flip(-1)], [self.frame]),)

    def _encode_window(self, window: Window) -> View:
        """Return the encoded window, in whose pixels prompts are then given."""
        assert self.pixels is not None
        factors = self.pixels.shape[-2] / self.frame.height, self.pixels.shape[-1] / self.frame.width
        rows, columns = (
            slice(start := round(part.start * factor), max(round(part.stop * factor), start + 1))
            for part, factor in zip(window.slices, factors, strict=True)
        )
        part = self.pixels[:, rows, columns]
        factor = self.network.architecture.zoom_side / max(part.shape[-2:])
        size = [max(1, round(length * factor)) for length in part.shape[-2:]]
        resized = F.interpolate(part[None].float(), size=size, mode="bilinear", antialias=True)[0]
        shown = [resized, resized.flip(-1)] if self.mirrored else [resized]
        return tuple(self.network.encode_image([pixels], [window.size]) for pixels in shown)

"""Datasets: their files, the order of samples, transforms, and Lightning data modules.

The classes that a configuration names can be imported from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seemkit.data.datamodules.coco import CocoDataModule
    from seemkit.data.datamodules.davis import DavisDataModule
    from seemkit.data.datamodules.interactive import InteractiveDataModule
    from seemkit.data.datamodules.refcoco import ReferringDataModule
    from seemkit.data.datamodules.scenes import ScenesDataModule
    from seemkit.data.datamodules.sources import CocoInstancesSource, CocoPanopticSource, CocoSource, RefCocoSource

__all__ = [
    "CocoDataModule",
    "CocoInstancesSource",
    "CocoPanopticSource",
    "CocoSource",
    "DavisDataModule",
    "InteractiveDataModule",
    "RefCocoSource",
    "ReferringDataModule",
    "ScenesDataModule",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "datamodules.coco": ["CocoDataModule"],
        "datamodules.davis": ["DavisDataModule"],
        "datamodules.interactive": ["InteractiveDataModule"],
        "datamodules.refcoco": ["ReferringDataModule"],
        "datamodules.scenes": ["ScenesDataModule"],
        "datamodules.sources": ["CocoInstancesSource", "CocoPanopticSource", "CocoSource", "RefCocoSource"],
    },
)

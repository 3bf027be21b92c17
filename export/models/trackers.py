"""All parts of the trackers with weights, as one module: what training updates and checkpoints contain."""

import torch
from torch import nn

from export.models.features import SharedFeatures
from export.models.pixel_embedding import PixelEmbedding, PixelReference
from export.models.siamese_rpn import SiameseRpn, SiameseTemplate
from service.inference.specs import LITE, ModelDims


class Trackers(nn.Module):
    """`features`, `siamese`, `pixel`; `template` and `reference` have no weights of their own."""

    def __init__(self, dims: ModelDims = LITE) -> None:
        super().__init__()
        self.features = SharedFeatures(dims.f4_channels, dims.f8_channels)
        self.siamese = SiameseRpn(dims.template_channels)
        self.pixel = PixelEmbedding(dims)
        self._views = (SiameseTemplate(), PixelReference(self.pixel.embed, dims))

    def place(self, device: torch.device) -> None:
        """Move everything to a device, with the constants of `template` and `reference`, which are not submodules."""
        for part in (self, *self._views):
            part.to(device)

    @property
    def template(self) -> SiameseTemplate:
        """Graph `siamese_rpn_template`."""
        return self._views[0]

    @property
    def reference(self) -> PixelReference:
        """Graph `pixel_embedding_reference`."""
        return self._views[1]

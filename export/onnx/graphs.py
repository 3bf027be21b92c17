"""One flat module per graph of the repository: tensors in, tensors out, in the order of the specs."""

from torch import Tensor, nn

from export.models.deeplab import TRUNK as PIXEL_TRUNK
from export.models.deeplab import DeepLabFeatures
from export.models.lite_detector import LiteMaskRcnn
from export.models.pixel_embedding import PixelEmbedding, PixelReference
from export.models.siamese_rpn import SiameseRpn, SiameseTemplate
from export.models.torchvision_mask_rcnn import TRUNK, TorchvisionMaskRcnn, build_mask_rcnn
from export.models.trackers import Trackers
from service.inference.specs import LITE, RESNEXT, ModelDims

Graphs = dict[str, nn.Module]


class LiteMaskRcnnGraph(nn.Module):
    """`mask_rcnn` of the architecture `lite`: the detector and the trackers' shared features."""

    def __init__(self, detector: LiteMaskRcnn, trackers: Trackers) -> None:
        super().__init__()
        self.detector, self.features = detector, trackers.features

    def forward(self, frames: Tensor, hw: Tensor, th_det: Tensor, max_per_frame: Tensor) -> tuple[Tensor, ...]:
        """See specs: boxes, scores, masks, count, f4, f8."""
        return *self.detector(frames, hw, th_det, max_per_frame), *self.features(frames)


class Lite(nn.Module):
    """All weights of the architecture `lite`."""

    def __init__(self, dims: ModelDims = LITE) -> None:
        super().__init__()
        self.detector = LiteMaskRcnn(dims.classes, dims.slots)
        self.trackers = Trackers(dims)

    def graphs(self) -> Graphs:
        """All graphs by name."""
        trackers = self.trackers
        graphs = {
            "mask_rcnn": LiteMaskRcnnGraph(self.detector, trackers),
            "siamese_rpn_template": trackers.template,
            "siamese_rpn": trackers.siamese,
            "pixel_embedding_reference": trackers.reference,
            "pixel_embedding": trackers.pixel,
        }
        return {name: graph.eval() for name, graph in graphs.items()}


class Resnext(nn.Module):
    """All weights of the architecture `resnext`; trunks other than the defaults are for tests."""

    def __init__(self, dims: ModelDims = RESNEXT, *, trunk: str = TRUNK, pixel_trunk: str = PIXEL_TRUNK) -> None:
        super().__init__()
        self.detector = TorchvisionMaskRcnn(build_mask_rcnn(dims.classes, trunk), dims.slots)
        self.features = DeepLabFeatures(dims.f4_channels, dims.f8_channels, pixel_trunk)
        self.siamese = SiameseRpn(dims.template_channels)
        self.pixel = PixelEmbedding(dims)
        self._dims = dims

    def graphs(self) -> Graphs:
        """All graphs by name."""
        graphs = {
            "mask_rcnn": self.detector,
            "siamese_rpn_template": SiameseTemplate(),
            "siamese_rpn": self.siamese,
            "pixel_embedding_reference": PixelReference(self.pixel.embed, self._dims),
            "pixel_embedding": self.pixel,
            "pixel_features": self.features,
        }
        return {name: graph.eval() for name, graph in graphs.items()}

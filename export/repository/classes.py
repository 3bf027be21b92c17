"""Classes of `lite`: COCO's 80, then the YouTube-VIS 2019 categories not in COCO. Of `resnext`: YouTube-VIS's 40."""

from service.pipeline.categories.tables import category_table
from service.structures.categories import plain_name

COCO_NAMES = category_table("coco").names
"""In order of the COCO category ids."""
YTVIS_2019 = category_table("ytvis2019").names
"""All 40, in order of their category ids."""
YTVIS_NAMES = (
    "giant_panda", "lizard", "parrot", "ape", "snake", "monkey", "hand", "rabbit", "duck", "fish", "turtle", "fox",
    "leopard", "deer", "owl", "tiger", "shark", "mouse", "frog", "eagle", "earless_seal",
)  # fmt: skip
"""Those not in COCO, in the order of the bundled weights. COCO's `mouse` is the computer mouse; the vocabulary
distinguishes the two."""


def class_list(architecture: str = "lite") -> list[dict[str, str]]:
    """The manifest's `classes` of an architecture, in the order of the class vector."""
    if architecture == "resnext":
        return [{"name": name, "vocabulary": "ytvis2019"} for name in YTVIS_2019]
    coco = [{"name": name, "vocabulary": "coco"} for name in COCO_NAMES]
    return coco + [{"name": name, "vocabulary": "ytvis2019"} for name in YTVIS_NAMES]


def index_of_ytvis(name: str) -> int:
    """Index of a YouTube-VIS 2019 category in the class vector."""
    if name in YTVIS_NAMES:
        return len(COCO_NAMES) + YTVIS_NAMES.index(name)
    renames = category_table("coco").renames["ytvis2019"]
    return COCO_NAMES.index(plain_name(renames.get(name, name)))

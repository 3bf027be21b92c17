"""The classes: of `lite` COCO's 80, then the YouTube-VIS 2019 categories that COCO lacks; of `paper` those 40."""

COCO = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign "
    "parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag "
    "tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard "
    "tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot "
    "hot_dog pizza donut cake chair couch potted_plant bed dining_table toilet tv laptop mouse remote keyboard "
    "cell_phone microwave oven toaster sink refrigerator book clock vase scissors teddy_bear hair_drier "
    "toothbrush"
)
COCO_NAMES = tuple(name.replace("_", " ") for name in COCO.split())
"""In the order of the COCO category ids."""
YTVIS_NAMES = (
    "giant_panda", "lizard", "parrot", "ape", "snake", "monkey", "hand", "rabbit", "duck", "fish", "turtle", "fox",
    "leopard", "deer", "owl", "tiger", "shark", "mouse", "frog", "eagle", "earless_seal",
)  # fmt: skip
"""COCO has a `mouse`, too: the computer's. The vocabulary tells them apart."""
YTVIS_OF_COCO = {"motorbike": "motorcycle", "sedan": "car", "tennis_racket": "tennis racket"}
"""YouTube-VIS names whose COCO class is called differently."""


YTVIS_2019 = (
    "person giant_panda lizard parrot skateboard sedan ape dog snake monkey hand rabbit duck cat cow fish "
    "train horse turtle bear motorbike giraffe leopard fox deer owl surfboard airplane truck zebra tiger "
    "elephant snowboard boat shark mouse frog eagle earless_seal tennis_racket"
)
"""All 40, in the order of their category ids."""


def class_list(preset: str = "lite") -> list[dict[str, str]]:
    """The manifest's `classes` of a preset, in the order of the class vector."""
    if preset == "paper":
        return [{"name": name, "vocabulary": "ytvis2019"} for name in YTVIS_2019.split()]
    coco = [{"name": name, "vocabulary": "coco"} for name in COCO_NAMES]
    return coco + [{"name": name, "vocabulary": "ytvis2019"} for name in YTVIS_NAMES]


def index_of_ytvis(name: str) -> int:
    """Index in the class vector of a YouTube-VIS 2019 category."""
    if name in YTVIS_NAMES:
        return len(COCO_NAMES) + YTVIS_NAMES.index(name)
    return COCO_NAMES.index(YTVIS_OF_COCO.get(name, name))

"""Figures: YouTube-VIS, COCO, DAVIS, errors after TIDE, identity switches, intervals."""

"""Metrics: YouTube-VIS, COCO, DAVIS, TIDE errors, identity switches, confidence intervals."""

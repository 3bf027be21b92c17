"""Repositories with a torchvision Mask R-CNN."""

"""Repositories around a Mask R-CNN of torchvision's."""
